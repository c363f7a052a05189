import assert from "node:assert/strict";
import { CHAT_COMPLETION, FRAME, OK_SSE, okChat, okSse } from "./fixtures.ts";
import { answer, byteByByte, close, cut, hang, head, json, pause, reset, until, write } from "./replies.ts";
import { ScriptedUpstream } from "./scripted_upstream.ts";

const post = (url: string, body: BodyInit = "{}", init: RequestInit & { client?: Deno.HttpClient } = {}) =>
  fetch(url, { method: "POST", body, ...init });

Deno.test("ScriptedUpstream answers with the queue first and then with the default", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  upstream.enqueue(json(429, { error: { code: "slow_down" } }, { "retry-after": "7" }));
  const first = await post(upstream.url);
  assert.equal(first.status, 429);
  assert.equal(first.headers.get("retry-after"), "7");
  assert.deepEqual(await first.json(), { error: { code: "slow_down" } });
  assert.deepEqual(await (await post(upstream.url)).json(), CHAT_COMPLETION);
});

Deno.test("ScriptedUpstream says so when nothing is scripted", async () => {
  await using upstream = await ScriptedUpstream.start();
  const response = await post(upstream.url);
  assert.equal(response.status, 500);
  assert.match(await response.text(), /no reply was scripted/);
});

Deno.test("ScriptedUpstream chooses a reply by the request", async () => {
  await using upstream = await ScriptedUpstream.start((request) => json(200, { echoed: request.json() }));
  assert.deepEqual(await (await post(upstream.url, '{"a":1}')).json(), { echoed: { a: 1 } });
});

Deno.test("ScriptedUpstream records the bytes of a request as they were sent", async () => {
  await using upstream = await ScriptedUpstream.start(answer(204, ""));
  const body = '{"b":1,  "a":12345678901234567890}';
  await post(`${upstream.url}/v1/x?y=1`, body, { headers: { "x-Test": "one" } });
  const request = await upstream.waitForRequest(1);
  assert.equal(request.method, "POST");
  assert.equal(request.target, "/v1/x?y=1");
  assert.equal(request.header("X-TEST"), "one");
  assert.equal(request.text, body);
  assert.ok(request.head.startsWith("POST /v1/x?y=1 HTTP/1.1\r\n"));
  const raw = new TextDecoder().decode(request.connection.bytes());
  assert.equal(raw, `${request.head}\r\n\r\n${body}`);
});

Deno.test("ScriptedUpstream keeps the chunk framing of a streamed body beside the body", async () => {
  await using upstream = await ScriptedUpstream.start(answer(204, ""));
  using client = await Deno.connect({ hostname: "127.0.0.1", port: upstream.port });
  const rawBody = "3\r\nabc\r\n2;name=value\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
  await client.write(
    new TextEncoder().encode(`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${rawBody}`),
  );
  const request = await upstream.waitForRequest(1);
  assert.equal(request.text, "abcde");
  assert.equal(new TextDecoder().decode(request.rawBody), rawBody);
});

Deno.test("ScriptedUpstream serves several requests on one kept connection", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  using client = Deno.createHttpClient({});
  for (let count = 0; count < 3; count++) await (await post(upstream.url, "{}", { client })).bytes();
  assert.equal(upstream.requests.length, 3);
  assert.equal(upstream.connections.length, 1);
});

Deno.test("ScriptedUpstream streams frames with either framing, whole or byte by byte", async () => {
  await using upstream = await ScriptedUpstream.start();
  const whole = OK_SSE.join("");
  for (const framing of ["chunked", "close"] as const) {
    for (const frames of [OK_SSE, byteByByte(whole), cut(whole, 1, 50, 51)]) {
      upstream.enqueue(okSse(frames, { framing }));
      const response = await post(upstream.url);
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      assert.equal(await response.text(), whole);
    }
  }
});

Deno.test("ScriptedUpstream stays silent until it is told to go on", async () => {
  await using upstream = await ScriptedUpstream.start();
  const gate = Promise.withResolvers<void>();
  upstream.enqueue([
    write(head(200, { "content-length": "4" })),
    write("ab"),
    until(gate.promise),
    pause(1),
    write("cd"),
  ]);
  const response = await post(upstream.url);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader);
  assert.equal((await reader.read()).value, "ab");
  gate.resolve();
  assert.equal((await reader.read()).value, "cd");
  assert.equal((await reader.read()).done, true);
});

Deno.test("ScriptedUpstream breaks a stream off by a close and by a reset", async () => {
  await using upstream = await ScriptedUpstream.start();
  for (const end of ["close", "reset"] as const) {
    upstream.enqueue(okSse([FRAME.role, FRAME.hel], { end }));
    await assert.rejects(async () => await (await post(upstream.url)).text());
    const { by } = await (await upstream.waitForRequest(upstream.requests.length)).connection.closed;
    assert.equal(by, "upstream");
  }
});

Deno.test("ScriptedUpstream sends a RST for a reset and a FIN for a close", async () => {
  await using upstream = await ScriptedUpstream.start();
  upstream.enqueue([close], [reset]);
  const request = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
  using closing = await Deno.connect({ hostname: "127.0.0.1", port: upstream.port });
  await closing.write(request);
  assert.equal(await closing.read(new Uint8Array(1)), null);
  using resetting = await Deno.connect({ hostname: "127.0.0.1", port: upstream.port });
  await resetting.write(request);
  await assert.rejects(() => resetting.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("ScriptedUpstream notices when the client leaves a hanging reply", async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  const leaving = new AbortController();
  const response = post(upstream.url, "{}", { signal: leaving.signal });
  const request = await upstream.waitForRequest(1);
  leaving.abort();
  await assert.rejects(response, { name: "AbortError" });
  const end = await request.connection.closed;
  assert.equal(end.by, "client");
  assert.ok(end.atMs >= request.atMs);
});

Deno.test("ScriptedUpstream.waitForRequest() rejects when the request does not come", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await assert.rejects(upstream.waitForRequest(1, 1), /request 1 did not come; 0 did/);
});

Deno.test("ScriptedUpstream.stop() ends what hangs and rejects who waits", async () => {
  const upstream = await ScriptedUpstream.start([write(head(200, { "content-length": "9" })), hang]);
  const response = await post(upstream.url);
  const rejected = assert.rejects(upstream.waitForRequest(2), /was stopped/);
  await upstream.stop();
  await rejected;
  await assert.rejects(response.text());
});

Deno.test("ScriptedUpstream.stop() throws what a script threw", async () => {
  const upstream = await ScriptedUpstream.start(() => {
    throw new Error("bad script");
  });
  await assert.rejects(post(upstream.url).then((response) => response.text()));
  await assert.rejects(upstream.stop(), /bad script/);
});
