import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

/** What the log and the audit take for the client's address. */
async function recorded(
  flags: Record<string, string>,
  forwarded: string,
): Promise<{ log: unknown; sent: string }> {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start(flags);
  await gateway.serveModel({ providers: [{ url: upstream.url, association: { with_header: true } }] });
  const response = await gateway.chat({}, { headers: { "x-forwarded-for": forwarded } });
  assert.equal(response.status, 200);
  await response.body?.cancel();
  const [row] = await gateway.logs(1);
  const { headers } = await upstream.waitForRequest(1);
  return { log: row?.RemoteIP, sent: JSON.stringify(headers) };
}

Deno.test("the request log holds the address that a trusted proxy has seen", async () => {
  const { log } = await recorded(
    { "trusted-proxies": "127.0.0.0/8, 10.0.0.0/8" },
    "6.6.6.6, 203.0.113.7, 10.1.1.1",
  );
  assert.equal(log, "203.0.113.7");
});

Deno.test("the request log holds the peer's address when nobody is trusted, whatever headers say", async () => {
  const { log } = await recorded({}, "203.0.113.7");
  assert.equal(log, "127.0.0.1");
});

Deno.test("a client's address is told to no provider", async () => {
  const { sent } = await recorded({ "trusted-proxies": "127.0.0.1" }, "203.0.113.7");
  assert.doesNotMatch(sent, /203\.0\.113\.7|forwarded/i);
});

Deno.test("the audit log holds the address that a trusted proxy has seen", async () => {
  await using gateway = await TestGateway.start({ "trusted-proxies": "127.0.0.1" });
  const response = await fetch(`${gateway.url}/api/models`, {
    method: "POST",
    headers: { authorization: "Bearer test-admin-token", "x-forwarded-for": "203.0.113.7" },
    body: JSON.stringify({ name: "m" }),
  });
  await response.body?.cancel();
  const { data } = await gateway.admin<{ data: { remote_ip: string }[] }>("GET", "/audit");
  assert.equal(data[0]?.remote_ip, "203.0.113.7");
});
