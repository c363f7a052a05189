/**
 * Faults that users of other gateways reported about failover, replayed against this one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FRAME, OK_SSE, okChat, okSse, textFrame } from "../upstream/fixtures.ts";
import { answer, hang, head, json, pause, sse, until, write } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const inOrder = { strategy: "rotor" };
const ahead = { association: { weight: 9 } };

async function status(response: Response | Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

Deno.test("clients' mistakes do not get a provider out of use", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const mistakes = [
    json(400, {
      error: { code: "context_length_exceeded", message: "too long", type: "invalid_request_error" },
    }),
    json(400, { error: { code: "content_filter", message: "filtered" } }),
    json(413, { error: { message: "too large" } }),
    json(422, { error: { message: "bad field" } }),
  ];
  for (let round = 0; round < 10; round++) {
    for (const mistake of mistakes) {
      upstream.enqueue(mistake);
      const code = await status(gateway.chat({}));
      assert.ok(code >= 400 && code < 500);
    }
  }
  const before = upstream.requests.length;
  assert.equal(before, 40);
  assert.equal(await status(gateway.chat({})), 200);
  assert.equal(upstream.requests.length, before + 1);
});

Deno.test("a provider that limits for two seconds serves again as soon as it can, and nobody is shut out for long", async () => {
  let limited = true;
  const script = () => limited ? json(429, { error: { message: "slow" } }, { "retry-after": "1" }) : okChat();
  await using one = await ScriptedUpstream.start(script);
  await using two = await ScriptedUpstream.start(script);
  await using three = await ScriptedUpstream.start(script);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [one.url, two.url, three.url] });
  const refused = await gateway.chat({});
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "1");
  await refused.body?.cancel();
  limited = false;
  // All three are cooling: a cooling provider is better than an instant error.
  for (let i = 0; i < 6; i++) assert.equal(await status(gateway.chat({})), 200);
});

Deno.test("a provider that has cooled off takes its share again without an operator", async () => {
  await using one = await ScriptedUpstream.start(okChat());
  await using two = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: inOrder, providers: [{ url: one.url, ...ahead }, two.url] });
  one.enqueue(json(429, { error: {} }, { "retry-after-ms": "300" }));
  assert.equal(await status(gateway.chat({})), 200);
  assert.equal(await status(gateway.chat({})), 200);
  // While it cools, the other serves; within the request that caused it, it was tried once.
  assert.deepEqual([one.requests.length, two.requests.length], [1, 2]);
  const cooled = Date.now() + 300;
  while (Date.now() <= cooled) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await status(gateway.chat({})), 200);
  assert.equal(one.requests.length, 2);
});

Deno.test("no request tries a provider twice while another is left, whatever the weights", async () => {
  await using bad = await ScriptedUpstream.start(json(500, { error: {} }));
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { max_retry: 2 },
    providers: [{ url: bad.url, association: { weight: 99 } }, good.url],
  });
  for (let i = 0; i < 100; i++) {
    const before = bad.requests.length;
    assert.equal(await status(gateway.chat({})), 200);
    assert.ok(bad.requests.length - before <= 1);
  }
});

Deno.test("instant failures do not attract traffic: the failing provider is soon asked no more", async () => {
  await using failing = await ScriptedUpstream.start(json(503, { error: {} }));
  await using slow = await ScriptedUpstream.start([pause(30), ...okChat()]);
  for (
    const strategy of ["lottery", "rotor", "round_robin", "least_used", "least_busy", "fastest", "sticky"]
  ) {
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ model: { strategy }, providers: [{ url: failing.url, ...ahead }, slow.url] });
    const before = failing.requests.length;
    for (let round = 0; round < 5; round++) {
      const codes = await Promise.all(Array.from({ length: 10 }, () => status(gateway.chat({}))));
      assert.ok(codes.every((code) => code === 200), `${strategy}: ${codes}`);
    }
    // At the most the first wave finds it; five failures in a row make it unhealthy.
    assert.ok(failing.requests.length - before <= 15, `${strategy}: ${failing.requests.length - before}`);
  }
});

Deno.test("a provider that reads the request too slowly is left when its time is over", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { port } = listener.addr as Deno.NetAddr;
  await gateway.serveModel({
    model: { ...inOrder, time_out: 1 },
    providers: [{ url: `http://127.0.0.1:${port}`, ...ahead }, good.url],
  });
  const started = performance.now();
  assert.equal(await status(gateway.chat({ padding: "x".repeat(8 * 1024 * 1024) })), 200);
  const tookMs = performance.now() - started;
  assert.ok(tookMs > 900 && tookMs < 1_990, `${tookMs}`);
  listener.close();
  await accepting.catch(() => {});
  for (const connection of connections) connection.close();
});

Deno.test("headers and then nothing, or comments for ever, are no answer: the next provider is asked", async () => {
  const comments = [write(head(200, { "content-type": "text/event-stream" }))];
  for (let i = 0; i < 100; i++) comments.push(pause(50) as typeof comments[0], write(": ping\n\n"));
  for (const reply of [sse([], { end: "hang" }), [...comments, hang]]) {
    await using silent = await ScriptedUpstream.start(reply);
    await using good = await ScriptedUpstream.start(okSse());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      model: { ...inOrder, time_out: 30, first_token_timeout: 1 },
      providers: [{ url: silent.url, ...ahead }, good.url],
    });
    const response = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
    assert.equal(await response.text(), OK_SSE.join(""));
    assert.equal((await gateway.logs(2))[0]?.Outcome, "timeout");
    await silent.connections[0]?.closed;
  }
});

Deno.test("a long answer that keeps moving is never cut by a total time limit", async () => {
  const frames = [
    FRAME.role,
    ...Array.from({ length: 24 }, (_, i) => textFrame(`${i} `)),
    FRAME.finish,
    FRAME.done,
  ];
  await using upstream = await ScriptedUpstream.start(okSse(frames, { pauseMs: 100 }));
  await using gateway = await TestGateway.start({ "stream-idle-seconds": "1" });
  await gateway.serveModel({ model: { time_out: 1 }, providers: [upstream.url] });
  const text = await (await gateway.chat({ stream: true })).text();
  assert.equal(text, frames.join(""));
});

Deno.test("a client that leaves while it still sends its request causes no call", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { hostname, port } = new URL(gateway.url);
  const client = await Deno.connect({ hostname, port: Number(port) });
  await client.write(new TextEncoder().encode(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000\r\n\r\n{"model":"m"`,
  ));
  client.close();
  assert.equal(await status(gateway.chat({})), 200);
  assert.equal(upstream.requests.length, 1);
});

Deno.test("a client that leaves before the first byte closes the provider's connection, stream or not", async () => {
  for (const stream of [false, true]) {
    await using upstream = await ScriptedUpstream.start([hang]);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    // A request that arrives in one piece: the runtime sees only then that its client has gone (docs/failover.md).
    const { hostname, port } = new URL(gateway.url);
    const client = await Deno.connect({ hostname, port: Number(port) });
    const body = JSON.stringify({ model: "m", stream });
    await client.write(new TextEncoder().encode(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ));
    await upstream.waitForRequest(1);
    const left = performance.now();
    client.close();
    const end = await upstream.connections[0]?.closed;
    assert.equal(end?.by, "client");
    assert.ok((end?.atMs ?? Infinity) - left < 1_000);
    assert.equal((await gateway.logs(1))[0]?.Outcome, "client_gone");
  }
});

Deno.test("an event stream for a client that asked for none, and JSON for one that asked for a stream, pass with their usage counted", async () => {
  for (const stream of [false, true]) {
    await using upstream = await ScriptedUpstream.start(stream ? okChat() : okSse());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    const response = await gateway.chat({ stream });
    assert.match(response.headers.get("content-type") ?? "", stream ? /json/ : /event-stream/);
    assert.match(await response.text(), stream ? /Hello/ : /\[DONE\]/);
    const [row] = await gateway.logs(1);
    assert.deepEqual([row?.Status, row?.total_tokens], ["success", 40]);
  }
});

Deno.test("an event stream that begins with a failure is not passed to a client that asked for none", async () => {
  const failure = sse(['data: {"error":{"message":"no capacity","type":"server_error"}}\n\n']);
  await using bad = await ScriptedUpstream.start(failure);
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: inOrder, providers: [{ url: bad.url, ...ahead }, good.url] });
  assert.equal((await (await gateway.chat({})).json()).choices[0].message.content, "Hello");
});

Deno.test("a provider's error rule turns a 200 into a failure, and the next provider is asked", async () => {
  await using bad = await ScriptedUpstream.start(
    json(200, { "status": "439", "msg": "API Token has EXPIRED" }),
  );
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: inOrder,
    providers: [
      { url: bad.url, ...ahead, provider: { error_matcher: "no match;token has expired" } },
      good.url,
    ],
  });
  assert.equal(await status(gateway.chat({})), 200);
  const [row] = await gateway.logs(2);
  assert.equal(row?.Outcome, "bad_answer");
  assert.match(String(row?.Error), /token has expired/);
});

Deno.test("a refused key is never echoed: not to the client, not into the log", async () => {
  const key = "sk-canary-0123456789abcdef";
  await using upstream = await ScriptedUpstream.start((request) =>
    json(500, { error: { message: `upstream says: ${request.header("authorization")} is odd` } })
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: { max_retry: 1 }, providers: [{ url: upstream.url, key }] });
  const text = await (await gateway.chat({})).text();
  const rows = JSON.stringify(await gateway.logs(1));
  assert.ok(!rows.includes("canary"), rows);
  assert.ok(!text.includes("canary"), text);
});

Deno.test("Retry-After in any spelling leads to a sane pause", async () => {
  const spellings: [Record<string, string>, RegExp][] = [
    [{ "retry-after": "5" }, /^5$/],
    [{ "retry-after": new Date(Date.now() + 5_000).toUTCString() }, /GMT$/],
    [{}, /^1[345]$/],
    [{ "retry-after-ms": "1500" }, /^[12]$/],
  ];
  for (const [headers, expected] of spellings) {
    await using upstream = await ScriptedUpstream.start(json(429, { error: { message: "x" } }, headers));
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    const response = await gateway.chat({});
    await response.body?.cancel();
    assert.match(response.headers.get("retry-after") ?? "", expected, JSON.stringify(headers));
  }
});

Deno.test("an unreachable answer is not waited for twice: a hung provider's request is closed when the next one answers", async () => {
  const answered = Promise.withResolvers<void>();
  await using hung = await ScriptedUpstream.start([until(answered.promise), ...answer(200, "{}")]);
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { ...inOrder, time_out: 1 },
    providers: [{ url: hung.url, ...ahead }, good.url],
  });
  assert.equal(await status(gateway.chat({})), 200);
  assert.equal((await hung.connections[0]?.closed)?.by, "client");
  answered.resolve();
});
