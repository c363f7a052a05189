/**
 * Faults that users of other gateways reported about streams, accounting and bodies of chats, replayed against this
 * one; those of failover are in `reported_faults_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { CHAT_COMPLETION, CHAT_USAGE, FRAME, OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { answer, json, type Reply, sse, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { statusOf } from "./openai_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const inOrder = { strategy: "rotor" };
const ahead = { association: { weight: 9 } };
const asksUsage = { stream: true, stream_options: { include_usage: true } };

Deno.test("a chat's error in mid-stream reaches the client in the provider's words, and nothing follows it", async () => {
  const error = `data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n`;
  const usage = `data: ${
    JSON.stringify({ choices: [], usage: { prompt_tokens: 23, completion_tokens: 1 } })
  }\n\n`;
  await using upstream = await ScriptedUpstream.start(okSse([FRAME.role, FRAME.hel, usage, error]));
  await using spare = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: inOrder, providers: [{ url: upstream.url, ...ahead }, spare.url] });
  const text = await (await gateway.chat({ stream: true })).text();
  assert.equal(text, FRAME.role + FRAME.hel + error);
  assert.equal(spare.requests.length, 0);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Status, row?.Outcome, row?.total_tokens], ["error", "overload", 24]);
});

Deno.test("pieces of parallel tool calls pass as they came, in whatever order and with whatever left out", async () => {
  const piece = (calls: unknown[]) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: calls } }] })}\n\n`;
  const opened = (index: number, id: string, name: string) => ({
    index,
    id,
    function: { name, arguments: "" },
  });
  const frames = [
    FRAME.role,
    piece([opened(0, "a", "city"), opened(1, "b", "tz")]),
    ...["{", "{", "}", "}"].map((part, i) => piece([{ index: i % 2, function: { arguments: part } }])),
    piece([{ function: { arguments: " " } }]),
    FRAME.finish,
    FRAME.done,
  ];
  await using upstream = await ScriptedUpstream.start(okSse(frames));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  assert.equal(await (await gateway.chat({ stream: true })).text(), frames.join(""));
});

Deno.test("usage that comes after the last words is counted, and a client that leaves before it costs no provider", async () => {
  for (const leaveAfter of [null, 'finish_reason":"stop', "[DONE]"]) {
    const held = Promise.withResolvers<void>();
    const [head, ...frames] = okSse([...OK_SSE]);
    assert.ok(head);
    const early = leaveAfter !== null && leaveAfter !== "[DONE]";
    const reply: Reply = early
      ? [head, ...frames.slice(0, 4), until(held.promise), ...frames.slice(4)]
      : leaveAfter === null
      ? okSse([...OK_SSE], { pauseMs: 30 })
      : okSse([...OK_SSE], { end: "hang" });
    await using upstream = await ScriptedUpstream.start(reply);
    await using gateway = await TestGateway.start();
    const { providers } = await gateway.serveModel({ providers: [upstream.url] });
    const abort = new AbortController();
    const response = await gateway.chat(asksUsage, { signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      seen += piece.value;
      if (leaveAfter !== null && seen.includes(leaveAfter)) break;
    }
    abort.abort();
    await reader?.cancel().catch(() => {});
    const [row] = await gateway.logs(1);
    held.resolve();
    if (early) assert.deepEqual([row?.Outcome, row?.UsageSource], ["client_gone", "estimated"]);
    else assert.deepEqual([row?.Outcome, row?.total_tokens], ["completed", CHAT_USAGE.total_tokens]);
    const path = `/providers/health/${providers[0]?.ID}`;
    assert.equal((await gateway.admin<{ error_count: number }>("GET", path)).error_count, 0);
  }
});

Deno.test("whatever coding a provider uses, the client gets what it can read: header, length and bytes agree", async () => {
  const codings = [
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
    ["zstd", zstdCompressSync],
  ] as const;
  const whole = JSON.stringify(CHAT_COMPLETION);
  const refusal = JSON.stringify({
    error: { message: "bad value", type: "invalid_request_error", code: null },
  });
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const [coding, compress] of codings) {
    const packed = (text: string) => new Uint8Array(compress(new TextEncoder().encode(text)));
    const headers = { "content-type": "application/json", "content-encoding": coding };
    for (const accept of ["", "gzip", "identity", "zstd"]) {
      for (const [status, text] of [[200, whole], [400, refusal]] as const) {
        upstream.enqueue(answer(status, packed(text), headers));
        const raw = await rawAnswer(gateway, accept);
        assert.match(raw.head, new RegExp(`^HTTP/1.1 ${status}`));
        assert.doesNotMatch(raw.head, /content-encoding/i);
        assert.match(raw.head, new RegExp(`content-length: ${raw.body.length}`, "i"));
        assert.equal(raw.body, text, `${coding} for ${accept}`);
      }
    }
  }
  const rows = await gateway.logs(32);
  const good = rows.filter((row) => row.Status === "success");
  assert.ok(good.length === 16 && good.every((row) => row.total_tokens === CHAT_USAGE.total_tokens));
});

/** One request on a bare connection, so that no client undoes or adds anything. */
async function rawAnswer(gateway: TestGateway, accept: string): Promise<{ head: string; body: string }> {
  const { hostname, port } = new URL(gateway.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const body = `{"model":"m"}`;
  await connection.write(new TextEncoder().encode(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n` +
      (accept === "" ? "" : `Accept-Encoding: ${accept}\r\n`) +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  ));
  const text = await new Response(connection.readable).text();
  const end = text.indexOf("\r\n\r\n");
  return { head: text.slice(0, end), body: text.slice(end + 4) };
}

Deno.test("an answer that is called gzip and is none goes to the next provider, whole or a stream", async () => {
  const lie = { "content-encoding": "gzip" };
  for (const stream of [false, true]) {
    await using bad = await ScriptedUpstream.start(
      stream ? sse(OK_SSE, { headers: lie }) : json(200, CHAT_COMPLETION, lie),
    );
    await using good = await ScriptedUpstream.start(stream ? okSse() : okChat());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ model: inOrder, providers: [{ url: bad.url, ...ahead }, good.url] });
    const response = await gateway.chat({ stream });
    assert.equal(response.status, 200);
    assert.match(await response.text(), stream ? /\[DONE\]/ : /Hello/);
  }
});

Deno.test("long answers and refusals of streams arrive whole, with the length that they have", async () => {
  const long = JSON.stringify({ choices: [{ message: { content: "x".repeat(12 * 1024 * 1024) } }] });
  const refusal = JSON.stringify({
    error: { message: "too long", type: "invalid_request_error", code: null },
  });
  await using upstream = await ScriptedUpstream.start(
    answer(200, long, { "content-type": "application/json" }),
  );
  upstream.enqueue(answer(400, refusal, { "content-type": "application/json" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const refused = await gateway.chat({ stream: true });
  assert.equal(refused.headers.get("content-length"), String(refusal.length));
  assert.deepEqual([refused.status, await refused.text()], [400, refusal]);
  const answered = await gateway.chat({});
  assert.equal(answered.headers.get("content-length"), String(long.length));
  assert.ok(await answered.text() === long);
});

Deno.test("a request always states its length to the provider, even when the client did not state it", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.header("content-length") === undefined ? answer(411, "") : okChat()
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const bytes of [10, 5 * 1024 * 1024]) {
    const body = new Blob([`{"model":"m","x":"${"y".repeat(bytes)}"}`]);
    for (const each of [body, body.stream()]) {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}` },
        body: each,
      });
      assert.equal(await statusOf(response), 200);
      const request = upstream.requests.at(-1);
      assert.equal(request?.header("content-length"), String(request?.body.length));
      assert.equal(request?.body.length, body.size + "upstream-model-1".length - 1);
    }
  }
});

Deno.test("a provider that drops the connection in the middle of a large request is left; the next gets all of it", async () => {
  using dropping = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dropped = (async () => {
    const connection = await dropping.accept();
    const buffer = new Uint8Array(64 * 1024);
    for (let read = 0; read < 1024 * 1024;) read += await connection.read(buffer) ?? 1024 * 1024;
    connection.close();
  })();
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: inOrder,
    providers: [{ url: `http://127.0.0.1:${dropping.addr.port}`, ...ahead }, good.url],
  });
  const body = `{"model":"m","image":"${"A".repeat(9 * 1024 * 1024)}"}`;
  assert.equal(await statusOf(gateway.chat(body)), 200);
  await dropped;
  assert.ok(good.requests[0]?.text === body.replace('"m"', '"upstream-model-2"'));
  assert.deepEqual((await gateway.logs(2)).map((row) => row.Outcome), ["network", "completed"]);
});
