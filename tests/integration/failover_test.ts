import assert from "node:assert/strict";
import { FRAME, OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import {
  answer,
  hang,
  head,
  json,
  pause,
  type Reply,
  reset,
  sse,
  until,
  write,
} from "../upstream/replies.ts";
import { closedPort } from "../upstream/closed_port.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

/** A model whose first provider is asked first: `rotor` goes by weight. */
const inOrder = { strategy: "rotor" };
const first = { association: { weight: 9 } };

async function textOf(response: Response): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text;
}

Deno.test("a provider that refuses connections costs the client nothing", async () => {
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: inOrder,
    providers: [{ url: `http://127.0.0.1:${closedPort()}`, ...first }, good.url],
  });
  const response = await gateway.chat({});
  assert.equal(JSON.parse(await textOf(response)).choices[0].message.content, "Hello");
  assert.equal(response.headers.get("x-llmio-attempts"), "2");
  assert.equal(response.headers.get("x-llmio-provider"), "provider-2");
  const rows = await gateway.logs(2);
  assert.deepEqual(rows.map((row) => [row.Status, row.Outcome, row.Retry]), [["error", "network", 0], [
    "success",
    "completed",
    1,
  ]]);
  assert.equal(rows[0]?.TraceID, rows[1]?.TraceID);
  assert.equal(rows[0]?.TraceID, response.headers.get("x-llmio-trace-id"));
});

const failures: [name: string, reply: Reply, outcome: string][] = [
  ["500", json(500, { error: { message: "boom" } }), "server"],
  ["429", json(429, { error: { message: "slow down" } }, { "retry-after": "7" }), "rate_limit"],
  ["401", json(401, { error: { message: "bad key" } }), "credential"],
  ["529", json(529, { error: { type: "overloaded_error" } }), "overload"],
  ["524 with a web page", answer(524, "<html>timeout</html>", { "content-type": "text/html" }), "server"],
  ["a reset before the answer", [reset], "network"],
  [
    "a web page under 200",
    answer(200, "<!doctype html><p>hi", { "content-type": "text/html" }),
    "bad_answer",
  ],
  ["an error under 200", json(200, { error: { message: "busy" } }), "bad_answer"],
  ["plain text under 200", answer(200, "service busy", { "content-type": "text/plain" }), "bad_answer"],
  ["an empty answer", answer(200, ""), "bad_answer"],
  ["a redirect", answer(302, "", { location: "http://127.0.0.1:1/" }), "bad_answer"],
  ["an answer cut short", [
    write(head(200, { "content-length": "500", "content-type": "application/json" })),
    write('{"a":'),
    reset,
  ], "network"],
];

for (const stream of [false, true]) {
  for (const [name, reply, outcome] of failures) {
    Deno.test(`${stream ? "a stream" : "a whole answer"} moves on from ${name}`, async () => {
      await using bad = await ScriptedUpstream.start(reply);
      await using good = await ScriptedUpstream.start(stream ? okSse() : okChat());
      await using gateway = await TestGateway.start();
      await gateway.serveModel({ model: inOrder, providers: [{ url: bad.url, ...first }, good.url] });
      const text = await textOf(await gateway.chat({ stream }));
      assert.match(text, stream ? /\[DONE\]/ : /Hello/);
      assert.equal(bad.requests.length, 1);
      const rows = await gateway.logs(2);
      assert.deepEqual(rows.map((row) => row.Outcome), [outcome, "completed"]);
    });
  }
}

const streamFailures: [name: string, reply: Reply, outcome: string][] = [
  [
    "comments and then only an error event",
    sse([": wait\n\n", ": wait\n\n", 'data: {"error":{"message":"boom","type":"server_error"}}\n\n']),
    "bad_answer",
  ],
  ["a stream without any event", sse([]), "bad_answer"],
  ["a preamble without output", sse([FRAME.role, FRAME.done]), "bad_answer"],
  ["a preamble and a reset", sse([FRAME.role], { end: "reset" }), "network"],
  [
    "an overload inside the stream",
    sse(['data: {"error":{"message":"overloaded","type":"overloaded_error","code":529}}\n\n']),
    "overload",
  ],
];

for (const [name, reply, outcome] of streamFailures) {
  Deno.test(`a stream moves on from ${name}, and its client sees only the other provider`, async () => {
    await using bad = await ScriptedUpstream.start(reply);
    await using good = await ScriptedUpstream.start(okSse());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ model: inOrder, providers: [{ url: bad.url, ...first }, good.url] });
    const text = await textOf(await gateway.chat({ stream: true, stream_options: { include_usage: true } }));
    assert.equal(text, OK_SSE.join(""));
    const rows = await gateway.logs(2);
    assert.deepEqual(rows.map((row) => row.Outcome), [outcome, "completed"]);
  });
}

Deno.test("a provider that never answers is left when its time is over, and its connection is closed", async () => {
  for (const stream of [false, true]) {
    await using silent = await ScriptedUpstream.start([hang]);
    await using good = await ScriptedUpstream.start(stream ? okSse() : okChat());
    await using gateway = await TestGateway.start();
    // A stream waits a third of the model's time for its headers, a whole answer all of it.
    await gateway.serveModel({
      model: { ...inOrder, time_out: stream ? 2 : 1 },
      providers: [{ url: silent.url, ...first }, good.url],
    });
    const started = performance.now();
    await textOf(await gateway.chat({ stream }));
    const tookMs = performance.now() - started;
    assert.ok(tookMs > 600 && tookMs < 1_900, `${tookMs} ms`);
    await silent.connections[0]?.closed;
    assert.equal((await gateway.logs(2))[0]?.Outcome, "timeout");
  }
});

Deno.test("a caller's fault is answered by one provider, unchanged, and held against nobody", async () => {
  const body = '{"error": {"message":"messages: field required","type":"invalid_request_error", "n": 1.0}}';
  for (const status of [400, 413, 422]) {
    const fault = answer(status, body, { "content-type": "application/json", "x-request-id": "req_1" });
    await using one = await ScriptedUpstream.start(fault);
    await using two = await ScriptedUpstream.start(fault);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [one.url, two.url] });
    for (let i = 1; i <= 20; i++) {
      const response = await gateway.chat({ stream: i % 2 === 0 });
      assert.equal(response.status, status);
      assert.equal(await response.text(), body);
      assert.equal(response.headers.get("x-request-id"), "req_1");
      assert.equal(one.requests.length + two.requests.length, i);
    }
    one.fallback = two.fallback = okChat();
    await textOf(await gateway.chat({}));
    assert.equal((await gateway.logs(21))[0]?.Outcome, "caller_fault");
  }
});

Deno.test("a caller's fault that a provider reports inside a stream is a real refusal for the client", async () => {
  const error = { message: "too long", type: "invalid_request_error", code: "context_length_exceeded" };
  await using upstream = await ScriptedUpstream.start(sse([`data: ${JSON.stringify({ error })}\n\n`]));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.status, 400);
  assert.equal((await response.json()).error.code, "context_length_exceeded");
  assert.equal(upstream.requests.length, 1);
});

Deno.test("when every key is refused the client is not told that its own is wrong", async () => {
  await using one = await ScriptedUpstream.start(json(401, { error: { code: "invalid_api_key" } }));
  await using two = await ScriptedUpstream.start(json(403, { error: { code: "forbidden" } }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [one.url, two.url] });
  const response = await gateway.chat({});
  assert.equal(response.status, 502);
  const { error } = await response.json();
  assert.match(error.message, /provider-1/);
  assert.match(error.message, /provider-2/);
  assert.equal(one.requests.length + two.requests.length, 2);
});

Deno.test("the last answer that says something reaches the client: 529 stays 529", async () => {
  const overloaded = json(529, { error: { type: "overloaded_error", message: "overloaded" } });
  await using upstream = await ScriptedUpstream.start(overloaded);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: { max_retry: 2 }, providers: [upstream.url] });
  const response = await gateway.chat({});
  assert.equal(response.status, 529);
  assert.equal((await response.json()).error.message, "overloaded");
  assert.equal(upstream.requests.length, 2);
});

Deno.test("attempts never exceed the model's max_retry", async () => {
  await using upstream = await ScriptedUpstream.start(json(500, { error: {} }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: { max_retry: 3 }, providers: [upstream.url] });
  const response = await gateway.chat({});
  assert.equal(response.status, 500);
  await response.body?.cancel();
  assert.equal(upstream.requests.length, 3);
});

Deno.test("a lone provider that failed once is asked again, not locked out", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  upstream.enqueue(json(503, { error: {} }));
  for (let i = 0; i < 5; i++) await textOf(await gateway.chat({}));
});

Deno.test("all providers limited: 429 with Retry-After, whatever the client asks for", async () => {
  await using upstream = await ScriptedUpstream.start(
    json(429, { error: { message: "limited" } }, { "retry-after": "7" }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("retry-after"), "7");
  assert.equal((await response.json()).error.message, "limited");
});

Deno.test("nothing of a second provider follows once the first has shown output", async () => {
  for (const end of ["close", "reset"] as const) {
    await using breaking = await ScriptedUpstream.start(sse([FRAME.role, FRAME.hel, FRAME.lo], { end }));
    await using other = await ScriptedUpstream.start(okSse());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ model: inOrder, providers: [{ url: breaking.url, ...first }, other.url] });
    const text = await textOf(await gateway.chat({ stream: true }));
    assert.ok(text.startsWith(FRAME.role + FRAME.hel + FRAME.lo));
    const rest = text.slice((FRAME.role + FRAME.hel + FRAME.lo).length);
    assert.match(rest, /^data: \{"error":.*upstream_stream_broken.*\}\n\n$/);
    assert.equal(other.requests.length, 0);
  }
});

Deno.test("a stream that breaks off in the middle of an event breaks off for the client too", async () => {
  await using upstream = await ScriptedUpstream.start(
    sse([FRAME.role, FRAME.hel, 'data: {"cho'], { end: "reset" }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
  await assert.rejects(response.text());
  assert.equal((await gateway.logs(1))[0]?.Status, "error");
});

Deno.test("a stream that falls silent is ended with an error after the idle limit; comments do not keep it", async () => {
  const silence = sse([FRAME.role, FRAME.hel], { end: "hang" });
  const comments = [...sse([FRAME.role, FRAME.hel], { end: "hang" }).slice(0, -1)];
  for (let i = 0; i < 60; i++) comments.push(pause(50), write("8\r\n: ping\n\n\r\n"));
  for (const reply of [silence, [...comments, hang]]) {
    await using upstream = await ScriptedUpstream.start(reply);
    await using gateway = await TestGateway.start({ "stream-idle-seconds": "0.5" });
    await gateway.serveModel({ providers: [upstream.url] });
    const text = await textOf(await gateway.chat({ stream: true }));
    assert.match(text, /"error"/);
    await upstream.connections[0]?.closed;
    assert.equal((await gateway.logs(1))[0]?.Outcome, "timeout");
  }
});

Deno.test("a client that leaves in mid-stream closes the provider's connection within a second", async () => {
  await using upstream = await ScriptedUpstream.start(sse([FRAME.role, FRAME.hel], { end: "hang" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const abort = new AbortController();
  const response = await gateway.chat({ stream: true }, { signal: abort.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  const left = performance.now();
  abort.abort();
  await reader?.closed.catch(() => {});
  const end = await upstream.connections[0]?.closed;
  assert.equal(end?.by, "client");
  assert.ok((end?.atMs ?? Infinity) - left < 1_000);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Status, row?.Outcome], ["error", "client_gone"]);
});

Deno.test("a client that leaves while the gateway waits for the next round causes no further attempt", async () => {
  await using upstream = await ScriptedUpstream.start(json(500, { error: {} }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const abort = new AbortController();
  const sent = gateway.chat({}, { signal: abort.signal });
  await upstream.waitForRequest(1);
  abort.abort();
  await assert.rejects(sent);
  await gateway.logs(1);
  // A stop waits for every request under way, so one that went on would have made its further attempts by then.
  await gateway.server.stop("test");
  assert.equal(upstream.requests.length, 1);
});

Deno.test("a switched-off provider gets no attempt, not even in a request under way", async () => {
  const switchedOff = Promise.withResolvers<void>();
  await using one = await ScriptedUpstream.start([until(switchedOff.promise), ...json(500, { error: {} })]);
  await using two = await ScriptedUpstream.start(json(500, { error: {} }));
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    model: { ...inOrder, max_retry: 2 },
    providers: [{ url: one.url, ...first }, two.url],
  });
  const sent = gateway.chat({});
  await one.waitForRequest(1);
  await gateway.admin("PATCH", `/providers/${providers[1]?.ID}/status`, { status: false });
  switchedOff.resolve();
  const response = await sent;
  assert.equal(response.status, 500);
  await response.body?.cancel();
  assert.equal(two.requests.length, 0);
});

Deno.test("a model that nobody can serve is 503 with the reason, and nobody is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.admin("POST", "/models", { name: "lonely" });
  await gateway.serveModel({ providers: [{ url: upstream.url, association: { tool_call: false } }] });
  const lonely = await gateway.chat({ model: "lonely" });
  assert.equal(lonely.status, 503);
  assert.match((await lonely.json()).error.message, /No provider is configured/);
  const tools = await gateway.chat({ tools: [{ type: "function", function: { name: "f" } }] });
  assert.equal(tools.status, 503);
  assert.match((await tools.json()).error.message, /tools/);
  assert.equal(upstream.requests.length, 0);
});

Deno.test("weights share the traffic out", async () => {
  await using one = await ScriptedUpstream.start(okChat());
  await using two = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{ url: one.url, association: { weight: 3 } }, { url: two.url, association: { weight: 1 } }],
  });
  for (let i = 0; i < 200; i++) await textOf(await gateway.chat({}));
  // 150 expected; six standard deviations are 37.
  assert.ok(one.requests.length > 113 && one.requests.length < 187, `${one.requests.length} of 200`);
});
