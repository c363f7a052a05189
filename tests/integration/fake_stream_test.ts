/** Streams for clients of providers that cannot stream. @module */
import assert from "node:assert/strict";
import { MAX_EVENT_BYTES } from "../../src/gateway/sse.ts";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { okGemini } from "../upstream/gemini_fixtures.ts";
import { answer, hang, json, pause } from "../upstream/replies.ts";
import { okResponse } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postGemini, serveGemini, STREAM } from "./gemini_client.ts";
import { postMessage, serveMessages } from "./messages_client.ts";
import { respond, responsesProvider } from "./openai_client.ts";
import { type ProviderSetup, TestGateway } from "./test_gateway.ts";

const provider = { fake_stream: true };
const fake = (upstream: ScriptedUpstream, setup: Partial<ProviderSetup> = {}): ProviderSetup => ({
  url: upstream.url,
  provider,
  ...setup,
});

/** Numbers that JavaScript would spoil, members that nobody knows, and a short text. */
const WHOLE =
  '{"id":"c-1","object":"chat.completion","created":12345678901234567890,"vendor":{"ratio":1.0},' +
  '"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],' +
  '"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"big":98765432109876543210}}';
const HEAD =
  '{"id":"c-1","created":12345678901234567890,"vendor":{"ratio":1.0},"object":"chat.completion.chunk",';
const FRAMES = [
  `${HEAD}"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
  `${HEAD}"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}`,
  `${HEAD}"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
];
const USAGE_FRAME =
  `${HEAD}"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"big":98765432109876543210}}`;
const wire = (frames: readonly string[]) =>
  [...frames, "[DONE]"].map((frame) => `data: ${frame}\n\n`).join("");
const whole = () => answer(200, WHOLE, { "content-type": "application/json", "x-request-id": "r1" });

Deno.test("a provider that cannot stream is asked for a whole answer; its client gets that as a stream", async () => {
  await using upstream = await ScriptedUpstream.start(whole());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const response = await gateway.chat(
    '{ "stream_options":{"include_obfuscation":false}, "model":"m","seed":12345678901234567890,"stream" : true , "stream_options":{}}',
  );
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("cache-control"), "no-cache");
  assert.equal(response.headers.get("x-request-id"), "r1");
  assert.equal(response.headers.get("content-length"), null);
  assert.equal(await response.text(), wire(FRAMES));
  const [request] = upstream.requests;
  assert.equal(
    request?.text,
    '{ "model":"upstream-model-1","seed":12345678901234567890,"stream" : false}',
  );
  assert.equal(request?.header("accept"), "application/json");
  const [row] = await gateway.logs(1);
  assert.deepEqual(
    [row?.Outcome, row?.prompt_tokens, row?.completion_tokens, row?.UsageSource],
    ["completed", 7, 2, "measured"],
  );
});

Deno.test("the usage of a stream that is made here goes to the client that asked for it", async () => {
  await using upstream = await ScriptedUpstream.start(whole());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const response = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
  assert.equal(await response.text(), wire([...FRAMES, USAGE_FRAME]));
  assert.deepEqual(Object.keys(upstream.requests[0]?.json() as object), ["model", "messages", "stream"]);
});

Deno.test("who does not ask for a stream gets the bytes of the whole answer", async () => {
  await using upstream = await ScriptedUpstream.start(whole());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const response = await gateway.chat({ stream_options: null });
  assert.equal(await response.text(), WHOLE);
  assert.deepEqual(Object.keys(upstream.requests[0]?.json() as object), [
    "model",
    "messages",
    "stream_options",
  ]);
});

Deno.test("a provider that streams all the same is relayed as it is, without the usage that nobody asked for", async () => {
  await using upstream = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const text = await (await gateway.chat({ stream: true })).text();
  assert.equal(text, OK_SSE.filter((frame) => !frame.includes('"choices":[]')).join(""));
});

const FAILURES = {
  "a server error": json(500, { error: { message: "boom" } }),
  "a web page": answer(200, "<html>no</html>", { "content-type": "text/html" }),
  "an error in the answer": json(200, { error: { message: "boom", type: "x" } }),
  "no choices": json(200, { id: "x", choices: [] }),
};
for (const [what, reply] of Object.entries(FAILURES)) {
  Deno.test(`after ${what} from a provider that cannot stream the next one serves the stream`, async () => {
    await using bad = await ScriptedUpstream.start(reply);
    await using good = await ScriptedUpstream.start(okSse());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      model: { strategy: "rotor" },
      providers: [fake(bad, { association: { weight: 9 } }), good.url],
    });
    const asked = { stream: true, stream_options: { include_usage: true } };
    assert.equal(await (await gateway.chat(asked)).text(), OK_SSE.join(""));
    // What was changed for the one is not changed for the other.
    const { stream, stream_options: options } = good.requests[0]?.json() as Record<string, unknown>;
    assert.deepEqual({ stream, stream_options: options }, asked);
    assert.equal((await gateway.logs(2)).length, 2);
  });
}

Deno.test("the caller's own fault keeps its status, since nothing of the stream has gone out", async () => {
  const fault = { error: { message: "no such parameter", type: "invalid_request_error" } };
  await using upstream = await ScriptedUpstream.start(json(400, fault));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), fault);
});

Deno.test("a provider that cannot stream has the time of a whole answer, and the client sees comments meanwhile", async () => {
  await using upstream = await ScriptedUpstream.start([pause(1_600), ...whole()]);
  await using gateway = await TestGateway.start({ "open-after-seconds": "0.2" });
  // A third of this, as long as a stream's headers may take, would be one second.
  await gateway.serveModel({ model: { time_out: 3, first_token_timeout: 1 }, providers: [fake(upstream)] });
  const text = await (await gateway.chat({ stream: true })).text();
  assert.equal(text, `: waiting for the provider\n\n${wire(FRAMES)}`);
  assert.equal(upstream.requests.length, 1);
});

Deno.test("a silent provider that cannot stream is given up after time_out, and the next one serves", async () => {
  await using silent = await ScriptedUpstream.start([hang]);
  await using good = await ScriptedUpstream.start(whole());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor", time_out: 1 },
    providers: [fake(silent, { association: { weight: 9 } }), fake(good)],
  });
  assert.equal(await (await gateway.chat({ stream: true })).text(), wire(FRAMES));
  assert.equal((await gateway.logs(2))[0]?.Outcome, "timeout");
});

Deno.test("a client that leaves while the whole answer is awaited closes the provider's connection", async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  await using gateway = await TestGateway.start({ "open-after-seconds": "0.1" });
  await gateway.serveModel({ providers: [fake(upstream)] });
  const reader = (await gateway.chat({ stream: true })).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  assert.equal((await upstream.connections[0]?.closed)?.by, "client");
  assert.equal((await gateway.logs(1))[0]?.Outcome, "client_gone");
});

Deno.test("a client that leaves in the middle of the stream is charged for the whole answer that was made", async () => {
  // Too long for the buffers on the way.
  const content = "word ".repeat(1 << 22);
  const message = {
    ...JSON.parse(WHOLE),
    choices: [{ index: 0, message: { content }, finish_reason: "stop" }],
  };
  await using upstream = await ScriptedUpstream.start(json(200, message));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const reader = (await gateway.chat({ stream: true })).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  const [row] = await gateway.logs(1);
  assert.deepEqual(
    [row?.Outcome, row?.prompt_tokens, row?.completion_tokens, row?.UsageSource],
    ["client_gone", 7, 2, "measured"],
  );
});

Deno.test("a whole response with an event longer than any that is read comes through, and is metered", async () => {
  const result = "QUJD".repeat(MAX_EVENT_BYTES / 4);
  const output = [{ id: "ig_1", type: "image_generation_call", status: "completed", result }];
  await using upstream = await ScriptedUpstream.start(okResponse({ output }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url, { provider })] });
  const text = await (await respond(gateway, { stream: true })).text();
  assert.ok(text.slice(text.lastIndexOf("event: ")).startsWith("event: response.completed\n"));
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, row?.UsageSource], ["completed", "measured"]);
});

Deno.test("legacy completions, which are a side operation, stay a stream", async () => {
  await using upstream = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [fake(upstream)] });
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: "Bearer test-admin-token", "content-type": "application/json" },
    body: JSON.stringify({ model: "m", prompt: "hi", stream: true }),
  });
  await response.body?.cancel();
  assert.equal((upstream.requests[0]?.json() as { stream: boolean }).stream, true);
});

Deno.test("Responses: a stream is made of the whole response; one in the background streams itself", async () => {
  await using upstream = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url, { provider })] });
  const text = await (await respond(gateway, { stream: true })).text();
  assert.match(text, /^event: response\.created\ndata: \{"type":"response.created","sequence_number":0,/);
  assert.match(text, /event: response\.completed\ndata: [^\n]+\n\n$/);
  await (await respond(gateway, { stream: true, background: true })).body?.cancel();
  const asked = upstream.requests.map((request) => (request.json() as { stream: unknown }).stream);
  assert.deepEqual(asked, [false, true]);
});

Deno.test("Messages: a stream is made of the whole message", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [fake(upstream)]);
  const text = await (await postMessage(gateway, { stream: true })).text();
  const names = Array.from(text.matchAll(/^event: (\w+)$/gm), ([, name]) => name);
  assert.deepEqual(names, [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
  ]);
  assert.equal((upstream.requests[0]?.json() as { stream: unknown }).stream, false);
});

Deno.test("Gemini: the whole answer comes as events or, without alt=sse, as an array; other parameters stay", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [fake(upstream)]);
  const events = await postGemini(gateway, `${STREAM}?%24alt=sse&x=1&alt=sse`);
  assert.equal(events.headers.get("content-type"), "text/event-stream");
  const data = (await events.text()).split("\r\n\r\n").filter(Boolean).map((line) =>
    JSON.parse(line.replace("data: ", ""))
  );
  const array = await postGemini(gateway, STREAM);
  assert.equal(array.headers.get("content-type"), "application/json");
  assert.deepEqual(await array.json(), data);
  assert.deepEqual(upstream.requests.map(({ target }) => target), [
    "/v1beta/models/upstream-model-1:generateContent?x=1",
    "/v1beta/models/upstream-model-1:generateContent",
  ]);
  for (const row of await gateway.logs(2)) assert.equal(row.Outcome, "completed");
});

Deno.test("a switch of fake_stream acts at once, and explain shows it", async () => {
  await using upstream = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  const { providers: [row] } = await gateway.serveModel({ providers: [upstream.url] });
  const explained = async () =>
    (await gateway.admin<{ candidates: { fake_stream: boolean }[] }>("POST", "/explain", {
      model: "m",
      stream: true,
    })).candidates[0]?.fake_stream;
  assert.equal(await explained(), false);
  await gateway.admin("PUT", `/providers/${row?.ID}`, { fake_stream: true });
  assert.equal(await explained(), true);
  await (await gateway.chat({ stream: true })).body?.cancel();
  assert.equal((upstream.requests[0]?.json() as { stream: unknown }).stream, false);
});
