/** The Responses route on the wire: bytes, framings, ends and faults. @module */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import OpenAI from "openai";
import { okChat } from "../upstream/fixtures.ts";
import { cut, json, pause, sse, write } from "../upstream/replies.ts";
import {
  EVENT,
  OK_RESPONSE_SSE,
  okResponse,
  okResponseSse,
  RESPONSE_USAGE,
  responseEvent,
  responseEvents,
  responseObject,
} from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { respond, responsesProvider, statusOf } from "./openai_client.ts";
import { type ProviderSetup, TestGateway, TOKEN } from "./test_gateway.ts";

const inOrder = { strategy: "rotor" };
const ahead = { association: { weight: 9 } };
const whole = OK_RESPONSE_SSE.join("");

async function serve(gateway: TestGateway, ...providers: ProviderSetup[]): Promise<void> {
  await gateway.serveModel({ model: inOrder, providers });
}

Deno.test("Responses: the provider gets the client's bytes, but for the model's name, stream or not", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.text.includes('"stream" : true') ? okResponseSse() : okResponse()
  );
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  for (const stream of [true, false]) {
    const body =
      `{ "zebra" : [1.0, 1e400, -0.0], "10":2 ,"2" :3, "big":9007199254740993, "model"\t: "m" ,\n` +
      `"stream" : ${stream}, "input":[ {"role":"user","content":"m"} ], "dup":1,"dup":2,"text":"\\u00e9\\/"}`;
    await (await respond(gateway, body)).text();
    assert.equal(upstream.requests.at(-1)?.text, body.replace('"m" ,', '"upstream-model-1" ,'));
  }
});

Deno.test("Responses: an answer's bytes pass as they came", async () => {
  const body = `{ "id":"resp_x", "zebra":1.0, "10":9007199254740993,\n "status":"completed","output":[]}`;
  await using upstream = await ScriptedUpstream.start([
    write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  ]);
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  assert.equal(await (await respond(gateway)).text(), body);
});

Deno.test("Responses: bodies in zstd, as Codex sends them, and in gzip are read and sent on plain", async () => {
  await using upstream = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  const plain = new TextEncoder().encode('{"model":"m","input":"hi"}');
  for (const [coding, bytes] of [["zstd", zstdCompressSync(plain)], ["gzip", gzipSync(plain)]] as const) {
    assert.equal(
      await statusOf(respond(gateway, new Uint8Array(bytes), { "content-encoding": coding })),
      200,
    );
    assert.equal(upstream.requests.at(-1)?.text, '{"model":"upstream-model-1","input":"hi"}');
    assert.equal(upstream.requests.at(-1)?.header("content-encoding"), undefined);
  }
});

Deno.test("Responses: every framing of SSE passes unchanged and is understood, wherever it is cut", async () => {
  const usage = JSON.stringify(RESPONSE_USAGE);
  const framings: [string, string][] = [
    ["LF", whole],
    ["CRLF", whole.replaceAll("\n", "\r\n")],
    ["CR", whole.replaceAll("\n", "\r")],
    ["no space", whole.replaceAll(/^(data|event): /gm, "$1:")],
    ["two data lines", whole.replace(`"usage":${usage}`, `\ndata: "usage":${usage}`)],
    ["data first", whole.replaceAll(/^(event: .*)\n(data: .*)\n/gm, "$2\n$1\n")],
    ["no event names", whole.replaceAll(/^event: .*\n/gm, "")],
    ["comments, ids and retry", `: hi\n\nretry: 3000\n\n${whole.replaceAll("data: ", "id: 1\ndata: ")}:\n\n`],
    ["another protocol's end mark", `${whole}data: [DONE]\n\ndata: [DONE]\n\n`],
    ["no last blank line", whole.trimEnd()],
  ];
  for (const [name, stream] of framings) {
    const everySeventh = Array.from({ length: stream.length - 1 }, (_, i) => i + 1).filter((i) =>
      i % 7 === 0
    );
    for (const pieces of [[stream], cut(stream, ...everySeventh)]) {
      await using upstream = await ScriptedUpstream.start(okResponseSse(pieces));
      await using gateway = await TestGateway.start();
      await serve(gateway, responsesProvider(upstream.url));
      assert.equal(await (await respond(gateway, { stream: true })).text(), stream, name);
      const [row] = await gateway.logs(1);
      assert.deepEqual([row?.Status, row?.total_tokens], ["success", RESPONSE_USAGE.total_tokens], name);
    }
  }
});

Deno.test("Responses: a line end that is cut in two makes no event more and loses none", async () => {
  const stream = whole.replaceAll("\n", "\r\n");
  const afterCrs = Array.from(stream.matchAll(/\r/g), (match) => match.index + 1);
  await using upstream = await ScriptedUpstream.start(okResponseSse(cut(stream, ...afterCrs)));
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  assert.equal(await (await respond(gateway, { stream: true })).text(), stream);
  assert.equal((await gateway.logs(1))[0]?.total_tokens, RESPONSE_USAGE.total_tokens);
});

Deno.test("Responses: the SDK reads a stream with ids, a retry field, comments and keepalives without harm", async () => {
  const keepalive = responseEvent("keepalive", { sequence_number: 4 });
  const events = [
    "retry: 3000\n\n",
    ...OK_RESPONSE_SSE.map((event, i) => `: ping\n\nid: ${i}\n${event}`),
    keepalive,
  ];
  await using upstream = await ScriptedUpstream.start([pause(400), ...okResponseSse(events)]);
  // The gateway's own comment comes as well.
  await using gateway = await TestGateway.start({ "open-after-seconds": "0.2" });
  await serve(gateway, responsesProvider(upstream.url));
  const client = new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  let text = "";
  for await (const event of await client.responses.create({ model: "m", input: "hi", stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, "Hello");
});

Deno.test("Responses: an event of many megabytes passes whole and quickly, and all around it is understood", async () => {
  for (const megabytes of [0.07, 1.2, 6]) {
    const picture = responseEvent("response.image_generation_call.partial_image", {
      partial_image_b64: "A".repeat(megabytes * 1024 * 1024),
    });
    const stream = [EVENT.created, EVENT.inProgress, picture, EVENT.hel, EVENT.lo, EVENT.completed].join("");
    const size = 16 * 1024;
    const cuts = Array.from({ length: Math.floor(stream.length / size) }, (_, i) => (i + 1) * size);
    await using upstream = await ScriptedUpstream.start(okResponseSse(cut(stream, ...cuts)));
    await using gateway = await TestGateway.start();
    await serve(gateway, responsesProvider(upstream.url));
    const started = performance.now();
    const text = await (await respond(gateway, { stream: true })).text();
    assert.ok(performance.now() - started < 2_000, `${megabytes} MB took too long`);
    assert.ok(text === stream, `${megabytes} MB came out different`);
    assert.equal((await gateway.logs(1))[0]?.total_tokens, RESPONSE_USAGE.total_tokens);
  }
});

Deno.test("Responses: a provider that keeps its connection open after the end does not keep the client", async () => {
  await using upstream = await ScriptedUpstream.start(okResponseSse(OK_RESPONSE_SSE, { end: "hang" }));
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  const started = performance.now();
  assert.equal(await (await respond(gateway, { stream: true })).text(), whole);
  assert.ok(performance.now() - started < 5_000);
  assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
});

Deno.test("Responses: an error in mid-stream reaches the client in the provider's words, and nothing follows it", async () => {
  const failed = responseObject({
    status: "failed",
    error: { code: "server_error", message: "overloaded" },
    usage: { input_tokens: 31, output_tokens: 2, total_tokens: 33 },
  });
  const events = [
    EVENT.created,
    EVENT.hel,
    responseEvent("error", { code: "server_error", message: "overloaded", param: null, sequence_number: 3 }),
    responseEvent("response.failed", { response: failed }),
  ];
  await using upstream = await ScriptedUpstream.start(okResponseSse(events));
  await using spare = await ScriptedUpstream.start(okResponseSse());
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url, ahead), responsesProvider(spare.url));
  assert.equal(await (await respond(gateway, { stream: true })).text(), events.join(""));
  assert.equal(spare.requests.length, 0);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Status, row?.Outcome, row?.total_tokens], ["error", "bad_answer", 33]);
});

Deno.test("Responses: an answer that the vendor cut short is an answer, and marked so", async () => {
  const response = responseObject({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
  });
  const replies = [
    okResponse(response),
    okResponseSse([EVENT.created, EVENT.hel, responseEvent("response.incomplete", { response })]),
    // All of it in the last event: that is output, too.
    okResponseSse([EVENT.created, responseEvent("response.incomplete", { response })]),
  ];
  for (const [index, reply] of replies.entries()) {
    await using upstream = await ScriptedUpstream.start(reply);
    await using gateway = await TestGateway.start();
    await serve(gateway, responsesProvider(upstream.url));
    assert.equal(await statusOf(await respond(gateway, { stream: index > 0 }).then(read)), 200);
    const [row] = await gateway.logs(1);
    assert.deepEqual(
      [row?.Status, row?.Outcome, row?.total_tokens],
      ["success", "incomplete", RESPONSE_USAGE.total_tokens],
    );
  }
});

/** The same answer, read to its end. */
async function read(response: Response): Promise<Response> {
  return new Response(await response.bytes(), response);
}

Deno.test("Responses: an answer that says it has failed is none: the next provider is asked", async () => {
  const failed = okResponse({ status: "failed", error: { code: "server_error", message: "no capacity" } });
  await using bad = await ScriptedUpstream.start(failed);
  await using good = await ScriptedUpstream.start(okResponse({ id: "resp_good" }));
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(bad.url, ahead), responsesProvider(good.url));
  assert.equal((await (await respond(gateway)).json()).id, "resp_good");
  assert.deepEqual((await gateway.logs(2)).map((row) => row.Outcome), ["bad_answer", "completed"]);
});

Deno.test("Responses: a stream for a client that asked for none, and JSON for one that asked for a stream, pass with their usage counted", async () => {
  for (const stream of [false, true]) {
    await using upstream = await ScriptedUpstream.start(stream ? okResponse() : okResponseSse());
    await using gateway = await TestGateway.start();
    await serve(gateway, responsesProvider(upstream.url));
    const response = await respond(gateway, { stream });
    assert.match(response.headers.get("content-type") ?? "", stream ? /json/ : /event-stream/);
    assert.match(await response.text(), stream ? /^\{/ : /response\.completed/);
    const [row] = await gateway.logs(1);
    assert.deepEqual([row?.Status, row?.total_tokens], ["success", RESPONSE_USAGE.total_tokens]);
  }
});

Deno.test("Responses: a stream of a failure, for a client that asked for none, is answered by the next provider", async () => {
  const failed = responseObject({
    status: "failed",
    output: [],
    error: { code: "server_error", message: "no capacity" },
  });
  await using bad = await ScriptedUpstream.start(
    okResponseSse([EVENT.created, responseEvent("response.failed", { response: failed })]),
  );
  await using good = await ScriptedUpstream.start(okResponse({ id: "resp_good" }));
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(bad.url, ahead), responsesProvider(good.url));
  assert.equal((await (await respond(gateway)).json()).id, "resp_good");
});

Deno.test("Responses: if a stream begins with an error everywhere, the client gets a real HTTP error", async () => {
  const failing = sse([
    ": one\n\n: two\n\n",
    responseEvent("error", { code: "server_error", message: "no capacity", param: null }),
  ]);
  await using one = await ScriptedUpstream.start(failing);
  await using two = await ScriptedUpstream.start(sse([]));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { max_retry: 2 },
    providers: [responsesProvider(one.url), responsesProvider(two.url)],
  });
  const response = await respond(gateway, { stream: true });
  assert.equal(response.status, 502);
  assert.equal((await response.json()).error.code, "all_providers_failed");
});

Deno.test("Responses: if all fails in an opened stream, the error goes in-band and the SDK throws it", async () => {
  const fault = {
    error: { message: "too long", type: "invalid_request_error", code: "context_length_exceeded" },
  };
  for (
    const [reply, code] of [
      [json(400, fault), "context_length_exceeded"],
      [json(401, { error: {} }), "provider_credentials_refused"],
    ] as const
  ) {
    await using upstream = await ScriptedUpstream.start([pause(400), ...reply]);
    await using gateway = await TestGateway.start({ "open-after-seconds": "0.2" });
    await gateway.serveModel({ model: { max_retry: 1 }, providers: [responsesProvider(upstream.url)] });
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const stream = await client.responses.create({ model: "m", input: "hi", stream: true });
    await assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      (thrown) => thrown instanceof OpenAI.APIError && thrown.code === code,
    );
  }
});

Deno.test("Responses and chats go to providers of their own type, and to no other", async () => {
  await using chats = await ScriptedUpstream.start(okChat());
  await using responses = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await serve(gateway, { url: chats.url }, responsesProvider(responses.url));
  assert.equal(await statusOf(respond(gateway)), 200);
  assert.equal(await statusOf(gateway.chat({})), 200);
  assert.deepEqual([chats, responses].map(({ requests }) => requests.map(({ target }) => target)), [
    ["/v1/chat/completions"],
    ["/v1/responses"],
  ]);
  await gateway.serveModel({ name: "chat-only", providers: [chats.url] });
  assert.equal(await statusOf(respond(gateway, { model: "chat-only" })), 503);
});

Deno.test("Responses: a request that needs tools or pictures goes to a provider that has them", async () => {
  await using plain = await ScriptedUpstream.start(okResponse());
  await using capable = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  const none = { tool_call: false, image: false, structured_output: false };
  await serve(
    gateway,
    responsesProvider(plain.url, { association: { weight: 9, ...none } }),
    responsesProvider(capable.url),
  );
  const picture = { role: "user", content: [{ type: "input_image", image_url: "data:," }] };
  for (const need of [{ tools: [{ type: "web_search" }] }, { input: [picture] }]) {
    assert.equal(await statusOf(respond(gateway, need)), 200);
  }
  assert.deepEqual([plain.requests.length, capable.requests.length], [0, 2]);
});

Deno.test("Responses: conversations are made shorter and counted on the same terms", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target.endsWith("/compact")
      ? json(200, { id: "resp_c", object: "response.compaction", output: [], usage: RESPONSE_USAGE })
      : json(200, { object: "response.input_tokens", input_tokens: 31 })
  );
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  const client = new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  assert.equal((await client.responses.compact({ model: "m", input: "hi" })).usage.total_tokens, 45);
  assert.equal((await client.responses.inputTokens.count({ model: "m", input: "hi" })).input_tokens, 31);
  assert.deepEqual(upstream.requests.map(({ target }) => target), [
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
  ]);
  assert.deepEqual((await gateway.logs(2)).map((row) => row.total_tokens), [45, 0]);
});

Deno.test("Responses: a cut at any byte of a short stream changes nothing", async () => {
  const { created, hel, completed } = responseEvents();
  const stream = created + hel.replace("Hel", "é🌍") + completed;
  const { length } = new TextEncoder().encode(stream);
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await TestGateway.start();
  await serve(gateway, responsesProvider(upstream.url));
  let rows = 0;
  for (let at = 1; at < length; at += 1) {
    upstream.enqueue(okResponseSse(cut(stream, at)));
    assert.equal(await (await respond(gateway, { stream: true })).text(), stream, `cut at ${at}`);
    rows++;
  }
  const page = await gateway.logs(Math.min(rows, 100));
  assert.ok(page.every((row) => row.total_tokens === RESPONSE_USAGE.total_tokens));
});
