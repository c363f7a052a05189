/** Rules of `src/access/host_guard.ts`. @module */
import assert from "node:assert/strict";
import { Hono } from "@hono/hono";
import {
  foreignCall,
  isLoopbackHost,
  isSameOrigin,
  requireLoopbackHost,
} from "../../src/access/host_guard.ts";

const LOOPBACK = [
  ...["localhost", "localhost:7070", "LOCALHOST:1", "localhost.", "app.localhost", "a.b.localhost:80"],
  ...["127.0.0.1", "127.0.0.1:7070", "127.255.255.254", "127.1", "2130706433", "0x7f.1"],
  ...["[::1]", "[::1]:7070", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:7070"],
];
const FOREIGN = [
  ...["", " ", "evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.1.evil.example"],
  ...["127.0.0.1.nip.io", "notlocalhost", "localhost-evil", "0.0.0.0", "0", "[::]", "[::2]", "10.0.0.1"],
  ...["192.168.0.1:7070", "128.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "localhost@evil.example"],
  ...[
    "evil.example#localhost",
    "evil.example/localhost",
    "evil.example?localhost",
    "evil.example\\localhost",
  ],
  ...["localhost:notaport", "localhost evil.example", "localhost,evil.example", "::1"],
];

for (const host of LOOPBACK) {
  Deno.test(`isLoopbackHost() accepts ${host}`, () => assert.equal(isLoopbackHost(host), true));
}
for (const host of FOREIGN) {
  Deno.test(`isLoopbackHost() refuses ${JSON.stringify(host)}`, () =>
    assert.equal(isLoopbackHost(host), false));
}

const ORIGINS: readonly [origin: string, host: string, same: boolean][] = [
  ["http://localhost:7070", "localhost:7070", true],
  ["http://LOCALHOST:7070", "localhost:7070", true],
  ["http://127.0.0.1:7070", "127.0.0.1:7070", true],
  ["http://[::1]:7070", "[::1]:7070", true],
  ["http://localhost", "localhost:80", true],
  ["http://localhost:3000", "localhost:7070", false],
  ["http://localhost", "localhost:7070", false],
  ["https://localhost:7070", "localhost:7070", false],
  ["http://127.0.0.1:7070", "localhost:7070", false],
  ["http://evil.example", "localhost:7070", false],
  ["app://obsidian.md", "localhost:7070", false],
  ["null", "localhost:7070", false],
  ["", "localhost:7070", false],
];

for (const [origin, host, same] of ORIGINS) {
  Deno.test(`isSameOrigin() ${same ? "accepts" : "refuses"} ${JSON.stringify(origin)} at ${host}`, () => {
    assert.equal(isSameOrigin(origin, "http:", host), same);
  });
}

Deno.test("foreignCall() tells which header is foreign, and goes by the scheme of the call", () => {
  const call = (url: string, headers: Record<string, string>) =>
    foreignCall(new Request(url, { headers }))?.code ?? null;
  assert.equal(call("http://localhost:7070/", { host: "rebound.example" }), "host_not_allowed");
  assert.equal(call("http://rebound.example/", {}), "host_not_allowed");
  const host = "localhost:7070";
  for (const scheme of ["http", "https"]) {
    const other = scheme === "http" ? "https" : "http";
    assert.equal(call(`${scheme}://${host}/`, { host }), null);
    assert.equal(call(`${scheme}://${host}/`, { host, origin: `${scheme}://${host}` }), null);
    assert.equal(call(`${scheme}://${host}/`, { host, origin: `${other}://${host}` }), "origin_not_allowed");
  }
});

const app = new Hono().use(requireLoopbackHost()).all("/", (c) => c.text("in"));

Deno.test("requireLoopbackHost() refuses a foreign Host, as DNS rebinding sends it", async () => {
  const refused = await app.request("/", { headers: { host: "rebound.example:7070" } });
  assert.equal(refused.status, 403);
  const { code, message } = await refused.json();
  assert.equal(code, 403);
  assert.match(message, /not a loopback name.*set TOKEN/);
});

Deno.test("requireLoopbackHost() refuses a foreign Origin, another port of this machine included", async () => {
  for (const origin of ["https://evil.example", "http://localhost:3000", "null"]) {
    const headers = { host: "localhost:7070", origin };
    const refused = await app.request("/", { method: "POST", headers });
    assert.equal(refused.status, 403, origin);
    assert.equal(refused.headers.get("access-control-allow-origin"), null);
  }
});

Deno.test("requireLoopbackHost() lets this machine's programs and the gateway's own page in", async () => {
  assert.equal(
    (await app.request("http://127.0.0.1:7070/")).status,
    200,
    "the URL stands in for a missing Host",
  );
  assert.equal((await app.request("/", { headers: { host: "localhost:7070" } })).status, 200);
  const own = { host: "localhost:7070", origin: "http://localhost:7070" };
  assert.equal((await app.request("/", { headers: own })).status, 200);
});
