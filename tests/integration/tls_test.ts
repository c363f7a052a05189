import assert from "node:assert/strict";
import { CertificateProblem } from "../../src/access/tls.ts";
import { startServer } from "../../src/server.ts";
import { readSettings } from "../../src/settings.ts";
import { okChat } from "../upstream/fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

/** Self-signed, for localhost and 127.0.0.1, until 2100; made for these tests only. */
const CERT = fixture("localhost.crt.pem");
const KEY = fixture("localhost.key.pem");

function fixture(name: string): string {
  return new URL(`../fixtures/tls/${name}`, import.meta.url).pathname.replace(/^\/(?=[A-Z]:)/, "");
}

/** Why a gateway with these files does not start. */
async function problemOf(certFile: string, keyFile: string): Promise<string> {
  const read = readSettings({ db: ":memory:", port: "0", "tls-cert": certFile, "tls-key": keyFile }, {});
  assert.ok(read.ok);
  try {
    const server = await startServer(read.settings);
    await server.stop("it should not have started");
  } catch (error) {
    assert.ok(error instanceof CertificateProblem, String(error));
    return error.message;
  }
  return assert.fail("it started");
}

Deno.test("a gateway with a certificate serves both APIs over https, and says so in its address", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start({ "tls-cert": CERT, "tls-key": KEY });
  assert.match(gateway.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(CERT)] });
  const call = async (method: string, path: string, body?: unknown): Promise<Response> =>
    await fetch(`${gateway.url}${path}`, {
      method,
      client,
      headers: { authorization: `Bearer ${TOKEN}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const config = JSON.stringify({ base_url: upstream.url, api_key: "sk-upstream" });
  for (
    const [path, body] of [
      ["/api/providers", { name: "p", type: "openai", config }],
      ["/api/models", { name: "m" }],
      ["/api/model-providers", { model_id: 1, provider_id: 1, provider_name: "u", weight: 1 }],
    ] as const
  ) assert.equal((await (await call("POST", path, body)).json()).code, 200);
  const answer = await call("POST", "/v1/chat/completions", { model: "m", messages: [] });
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).choices[0].message.content, "Hello");
});

Deno.test("a gateway with a certificate does not speak plain http", async () => {
  await using gateway = await TestGateway.start({ "tls-cert": CERT, "tls-key": KEY });
  await assert.rejects(fetch(gateway.url.replace("https:", "http:")), TypeError);
});

Deno.test("a client that does not know the certificate's issuer gets nothing", async () => {
  await using gateway = await TestGateway.start({ "tls-cert": CERT, "tls-key": KEY });
  await assert.rejects(fetch(`${gateway.url}/healthz`), TypeError);
});

Deno.test("a gateway does not start with a certificate that cannot be used, and names the file", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const missing = `${dir}/none.pem`;
    const empty = `${dir}/empty.pem`;
    await Deno.writeTextFile(empty, "");
    const other = `${dir}/other.pem`;
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
      "sign",
      "verify",
    ]);
    const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    await Deno.writeTextFile(
      other,
      `-----BEGIN PRIVATE KEY-----\n${der.toBase64()}\n-----END PRIVATE KEY-----\n`,
    );
    const starts: [cert: string, key: string, expected: RegExp][] = [
      [missing, KEY, /^--tls-cert: cannot read .*none\.pem: No such file/],
      [CERT, missing, /^--tls-key: cannot read .*none\.pem: No such file/],
      [empty, KEY, /^--tls-cert: .*empty\.pem holds no certificate in PEM$/],
      [KEY, KEY, /^--tls-cert: .*localhost\.key\.pem holds no certificate in PEM$/],
      [CERT, empty, /^--tls-key: .*empty\.pem holds no private key in PEM/],
      [CERT, other, /^--tls-key: .*other\.pem is not the key of the certificate in .*localhost\.crt\.pem/],
    ];
    for (const [cert, key, expected] of starts) {
      const problem = await problemOf(cert, key);
      assert.match(problem, expected);
      assert.doesNotMatch(problem, /\n|BEGIN/);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
