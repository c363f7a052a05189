/** Bodies are recorded for the keys that ask for it, and for nobody else. @module */
import assert from "node:assert/strict";
import { CHAT_COMPLETION, OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

interface Io {
  Input: string;
  OfString: string;
  OfStringArray: string[] | null;
  Style: string;
}

async function keyed(gateway: TestGateway, ioLog: boolean): Promise<RequestInit> {
  const { Key } = await gateway.admin<{ Key: string }>("POST", "/auth-keys", {
    name: `io-${ioLog}`,
    allow_all: true,
    io_log: ioLog,
  });
  return { headers: { authorization: `Bearer ${Key}` } };
}

const ioOf = (gateway: TestGateway, row: Row | undefined) =>
  gateway.admin<Io>("GET", `/logs/${row?.ID}/chat-io`);

Deno.test("a key with IO logging leaves its requests and answers, whole and streamed", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.text.includes('"stream":true') ? okSse() : okChat()
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const init = await keyed(gateway, true);
  const body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}';
  await (await gateway.chat(body, init)).text();
  await (await gateway.chat({ stream: true }, init)).text();
  const [whole, streamed] = await gateway.logs(2);
  assert.deepEqual([whole?.ChatIO, streamed?.ChatIO], [true, true]);
  const first = await ioOf(gateway, whole);
  assert.deepEqual([first.Input, JSON.parse(first.OfString), first.OfStringArray, first.Style], [
    body,
    CHAT_COMPLETION,
    null,
    "openai",
  ]);
  const second = await ioOf(gateway, streamed);
  assert.equal(second.OfString, "");
  // All that the provider has sent but the end mark; the usage chunk too, which this client did not ask for.
  const events = OK_SSE.slice(0, -1).map((frame) => frame.replace(/^data: /, "").trim());
  assert.deepEqual(second.OfStringArray, events);
});

Deno.test("failed attempts are recorded with the provider's words, without its secrets", async () => {
  await using upstream = await ScriptedUpstream.start(
    json(400, { error: { message: "no such parameter; your key is sk-upstream-1-secret" } }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await (await gateway.chat({}, await keyed(gateway, true))).text();
  const [row] = await gateway.logs(1);
  const { OfString } = await ioOf(gateway, row);
  assert.deepEqual(JSON.parse(OfString), { error: { message: "no such parameter; your key is ****" } });
});

Deno.test("a long body is recorded up to the limit", async () => {
  await using upstream = await ScriptedUpstream.start(
    okSse([...OK_SSE.slice(0, 1), ...Array(99).fill(OK_SSE[1]), ...OK_SSE.slice(3)]),
  );
  await using gateway = await TestGateway.start({ "io-limit-kb": "1" });
  await gateway.serveModel({ providers: [upstream.url] });
  const content = "x ".repeat(2_000);
  const init = await keyed(gateway, true);
  await (await gateway.chat({ stream: true, messages: [{ role: "user", content }] }, init)).text();
  const [row] = await gateway.logs(1);
  const { Input, OfStringArray } = await ioOf(gateway, row);
  assert.match(Input, /^\{"model".{1000,1100}\n\[cut off: 40\d\d bytes in all\]$/s);
  assert.match(OfStringArray?.at(-1) ?? "", /^\[cut off: \d{5} bytes in all\]$/);
  assert.ok((OfStringArray?.length ?? 0) < 12);
});

Deno.test("nothing is recorded for other keys and for the admin", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const init of [await keyed(gateway, false), {}]) await (await gateway.chat({}, init)).text();
  for (const row of await gateway.logs(2)) {
    assert.equal(row.ChatIO, false);
    const response = await fetch(`${gateway.url}/api/logs/${row.ID}/chat-io`, {
      headers: { authorization: "Bearer test-admin-token" },
    });
    await response.body?.cancel();
    assert.equal(response.status, 404);
  }
});
