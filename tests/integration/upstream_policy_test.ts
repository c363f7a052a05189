import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { isPrivateHost } from "../../src/access/upstream_policy.ts";
import { okChat } from "../upstream/fixtures.ts";
import { answer, json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway, TOKEN } from "./test_gateway.ts";

const CLOSED = { "deny-private-upstreams": "on" };
const SAVED = { name: "p", type: "openai" };

/** What the admin API says to a provider at a URL. */
async function save(
  gateway: TestGateway,
  baseUrl: string,
  fields: Record<string, unknown> = {},
): Promise<{ status: number; text: string }> {
  const config = JSON.stringify({ base_url: baseUrl, api_key: "sk-canary" });
  const response = await fetch(`${gateway.url}/api/providers`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ ...SAVED, config, ...fields }),
  });
  return { status: response.status, text: await response.text() };
}

/** Where a metadata service answers (public-reports.md, G04). */
const METADATA = [
  "http://169.254.169.254",
  "http://2852039166",
  "http://0xa9fea9fe",
  "http://0251.0376.0251.0376",
  "http://[::ffff:169.254.169.254]",
  "http://[::ffff:a9fe:a9fe]",
  "http://[fd00:ec2::254]",
  "http://[64:ff9b::a9fe:a9fe]",
  "http://[2002:a9fe:a9fe::]",
  "http://metadata.google.internal/computeMetadata/v1",
  "https://169.254.169.254:443/v1",
];

Deno.test("a provider at a metadata service is not saved, in whatever spelling, as its proxy neither", async () => {
  await using gateway = await TestGateway.start();
  for (const url of [...METADATA, "file:///etc/passwd"]) {
    const { status, text } = await save(gateway, url);
    assert.equal(status, 400, url);
    assert.match(text, /base_url/);
  }
  const { status, text } = await save(gateway, "http://provider.example", {
    proxy: "http://169.254.169.254:3128",
  });
  assert.equal(status, 400);
  assert.match(text, /proxy is a cloud metadata service/);
  assert.deepEqual(await gateway.admin("GET", "/providers"), []);
});

Deno.test("a model on this machine is a normal provider", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [`http://localhost:${upstream.port}`] });
  const response = await gateway.chat({});
  await response.body?.cancel();
  assert.equal(response.status, 200);
  assert.equal((await upstream.waitForRequest(1)).header("host"), `localhost:${upstream.port}`);
});

Deno.test("with private places closed a provider there is not saved, and a public one is", async () => {
  await using gateway = await TestGateway.start(CLOSED);
  const places = [
    "http://localhost:11434",
    "http://10.0.0.1",
    "http://[fd12::1]",
    "http://0x7f.1",
    "http://nas.local",
  ];
  for (const url of places) {
    const { status, text } = await save(gateway, url);
    assert.equal(status, 400, url);
    assert.match(text, /base_url is on this machine or in its network.*--deny-private-upstreams/);
  }
  const proxied = await save(gateway, "http://provider.example", { proxy: "socks5://127.0.0.1:1080" });
  assert.equal(proxied.status, 400);
  assert.match(proxied.text, /proxy is on this machine/);
  assert.equal((await save(gateway, "https://api.openai.com")).status, 200);
});

Deno.test("with private places closed a provider that was saved before is routed to no more", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await using upstream = await ScriptedUpstream.start(okChat());
    const db = `${dir}/llmio.db`;
    let provider: Row | undefined;
    {
      await using open = await TestGateway.start({ db });
      provider = (await open.serveModel({ providers: [{ url: upstream.url, name: "near" }] })).providers[0];
      const response = await open.chat({});
      assert.equal(response.status, 200);
      await response.body?.cancel();
    }
    const asked = upstream.requests.length;
    await using closed = await TestGateway.start({ ...CLOSED, db });
    const response = await closed.chat({});
    assert.equal(response.status, 503);
    await response.body?.cancel();
    // It can still be switched off, renamed and read.
    await closed.admin("PUT", `/providers/${provider?.ID}`, { name: "far" });
    assert.equal(upstream.requests.length, asked);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** The machine's own name, where it resolves to a private address and does not look like a private name. */
const ownName = await privateOwnName();

async function privateOwnName(): Promise<string | null> {
  const name = Deno.hostname().toLowerCase();
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(name) || isPrivateHost(name)) return null;
  try {
    return isPrivateHost((await lookup(name)).address) ? name : null;
  } catch {
    return null;
  }
}

Deno.test(
  "with private places closed a name that leads there is refused when it is called, without its address being told",
  { ignore: ownName === null },
  async () => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await using gateway = await TestGateway.start(CLOSED);
    await gateway.serveModel({ model: { max_retry: 1 }, providers: [`http://${ownName}:${upstream.port}`] });
    const response = await gateway.chat({});
    const text = await response.text();
    assert.equal(response.status, 502);
    const [row] = await gateway.logs(1);
    assert.equal(row?.Outcome, "network");
    assert.match(String(row?.Error), /resolves to an address that is on this machine/);
    assert.doesNotMatch(text + String(row?.Error), /127\.0\.0\.|::1/);
    assert.equal(upstream.connections.length, 0);
  },
);

Deno.test("a provider that redirects to a metadata service is not followed there", async () => {
  await using upstream = await ScriptedUpstream.start(
    answer(302, "", { location: "http://169.254.169.254/latest/meta-data/" }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: { max_retry: 1 }, providers: [upstream.url] });
  const response = await gateway.chat({});
  await response.body?.cancel();
  assert.equal(response.status, 502);
  assert.equal((await gateway.logs(1))[0]?.Outcome, "bad_answer");
});

Deno.test("a probe tells nothing of what its target has answered but an API's own error text", async () => {
  const canary = "canary-of-an-inner-service";
  await using upstream = await ScriptedUpstream.start(
    answer(500, `<html>${canary}</html>`, { "content-type": "text/html" }),
  );
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ providers: [upstream.url] });
  const told: string[] = [];
  const bodies = [
    answer(500, `<html>${canary}</html>`, { "content-type": "text/html" }),
    answer(200, `<html>${canary}</html>`, { "content-type": "text/html" }),
    answer(200, canary, { "content-type": "text/plain" }),
    json(200, { secretAccessKey: canary }),
    json(403, { Code: canary }),
  ];
  for (const reply of bodies) {
    upstream.fallback = reply;
    told.push(JSON.stringify(await gateway.admin("POST", `/health-check/force/${providers[0]?.ID}`)));
  }
  told.push(JSON.stringify(await gateway.admin("GET", "/providers/health")));
  assert.doesNotMatch(told.join("\n"), new RegExp(canary));
});
