import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { REQUEST, serveMessages } from "../integration/messages_client.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import {
  errorEvent,
  EVENT,
  event,
  MESSAGE,
  MESSAGE_TOKENS,
  okEvents,
  okMessage,
  textDelta,
} from "../upstream/anthropic_fixtures.ts";
import { byteByByte, json, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const client = (gateway: TestGateway, path = "/anthropic", apiKey: string | null = TOKEN) =>
  new Anthropic({ apiKey, authToken: null, baseURL: gateway.url + path, maxRetries: 0 });

const textOf = (message: Anthropic.Message) =>
  message.content.map((block) => block.type === "text" ? block.text : "").join("");

Deno.test("anthropic SDK: a message arrives whole, on both base URLs, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  for (const path of ["/anthropic", ""]) {
    const message = await client(gateway, path).messages.create(REQUEST);
    assert.equal(textOf(message), "Bonjour");
    assert.equal(message.usage.cache_read_input_tokens, MESSAGE.usage.cache_read_input_tokens);
    assert.equal(message._request_id, "req_fixture");
  }
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1/messages");
  assert.equal((request?.json() as { model: string }).model, "upstream-model-1");
  assert.equal(request?.header("x-api-key"), "sk-upstream-1-secret");
  assert.equal(request?.header("authorization"), undefined);
  for (const row of await gateway.logs(2)) {
    assert.deepEqual([row.Style, row.prompt_tokens, row.completion_tokens, row.total_tokens], [
      "anthropic",
      MESSAGE_TOKENS.prompt,
      MESSAGE_TOKENS.completion,
      MESSAGE_TOKENS.total,
    ]);
    assert.deepEqual(row.prompt_tokens_details, { cached_tokens: MESSAGE_TOKENS.cached, audio_tokens: 0 });
    assert.equal(row.UsageSource, "measured");
  }
});

Deno.test("anthropic SDK: a stream arrives piece by piece, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start(okEvents());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const stream = client(gateway).messages.stream(REQUEST);
  const pieces: string[] = [];
  stream.on("text", (piece) => pieces.push(piece));
  const message = await stream.finalMessage();
  assert.deepEqual(pieces, ["Bon", "jour"]);
  assert.deepEqual([textOf(message), message.stop_reason, message.usage.output_tokens], [
    "Bonjour",
    "end_turn",
    19,
  ]);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.prompt_tokens, row?.completion_tokens], [
    MESSAGE_TOKENS.prompt,
    MESSAGE_TOKENS.completion,
  ]);
  assert.deepEqual(row?.prompt_tokens_details, { cached_tokens: MESSAGE_TOKENS.cached, audio_tokens: 0 });
});

Deno.test("anthropic SDK: a Bearer token is as good as an API key", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const bearer = new Anthropic({
    apiKey: null,
    authToken: TOKEN,
    baseURL: `${gateway.url}/anthropic`,
    maxRetries: 0,
  });
  assert.equal(textOf(await bearer.messages.create(REQUEST)), "Bonjour");
  assert.ok(!new TextDecoder().decode(upstream.connections[0]?.bytes()).includes(TOKEN));
});

Deno.test("anthropic SDK: tool calls go there and back, whole and streamed", async () => {
  const call = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Nanjing" } } as const;
  const started = (index: number, id: string) =>
    event("content_block_start", {
      index,
      content_block: { type: "tool_use", id, name: "weather", input: {} },
    });
  const piece = (index: number, partial_json: string) =>
    event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json } });
  const stopped = (index: number) => event("content_block_stop", { index });
  const pieces = [
    started(0, "toolu_1"),
    started(1, "toolu_2"),
    piece(0, '{"city":'),
    piece(1, '{"city":"Al'),
    piece(0, '"Nanjing"}'),
    piece(1, 'ès"}'),
    stopped(0),
    stopped(1),
  ];
  const finish = event("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 19 } });
  await using upstream = await ScriptedUpstream.start((request) =>
    request.text.includes('"stream":true')
      ? okEvents([EVENT.start, ...pieces, finish, EVENT.stop])
      : json(200, { ...MESSAGE, content: [call], stop_reason: "tool_use" })
  );
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{ url: upstream.url, association: { structured_output: false } }]);
  const tools = [{ name: "weather", input_schema: { type: "object" as const } }];
  const whole = await client(gateway).messages.create({ ...REQUEST, tools });
  assert.deepEqual(whole.content, [call]);
  assert.deepEqual((upstream.requests[0]?.json() as { tools: unknown }).tools, tools);
  const streamed = await client(gateway).messages.stream({ ...REQUEST, tools }).finalMessage();
  assert.deepEqual(streamed.content.map((block) => block.type === "tool_use" ? block.input : null), [
    { city: "Nanjing" },
    { city: "Alès" },
  ]);
});

Deno.test("anthropic SDK: an image goes to a provider that takes images, and no other", async () => {
  await using blind = await ScriptedUpstream.start(okMessage());
  await using seeing = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{ url: blind.url, association: { image: false, weight: 100 } }, seeing.url]);
  const source = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } as const;
  await client(gateway).messages.create({
    ...REQUEST,
    messages: [{ role: "user", content: [{ type: "image", source }, { type: "text", text: "what is it?" }] }],
  });
  assert.deepEqual([blind.requests.length, seeing.requests.length], [0, 1]);
  assert.match(seeing.requests[0]?.text ?? "", /iVBORw0KGgo=/);
});

Deno.test("anthropic SDK: a schema for the answer goes to a provider that keeps to it, and comes back parsed", async () => {
  const content = [{ type: "text", text: '{"answer":42}' }];
  await using loose = await ScriptedUpstream.start(okMessage());
  await using strict = await ScriptedUpstream.start(json(200, { ...MESSAGE, content }));
  await using gateway = await TestGateway.start();
  const association = { structured_output: false, weight: 100 };
  await serveMessages(gateway, [{ url: loose.url, association }, strict.url]);
  const message = await client(gateway).messages.create({
    ...REQUEST,
    output_config: {
      format: { type: "json_schema", schema: { type: "object", properties: { answer: { type: "number" } } } },
    },
  });
  assert.equal(textOf(message), '{"answer":42}');
  assert.deepEqual([loose.requests.length, strict.requests.length], [0, 1]);
});

Deno.test("anthropic SDK: a model that does not exist is a NotFoundError", async () => {
  await using gateway = await TestGateway.start();
  await assert.rejects(client(gateway).messages.create({ ...REQUEST, model: "nobody" }), (error) => {
    assert.ok(error instanceof Anthropic.NotFoundError);
    assert.equal(error.type, "not_found_error");
    return true;
  });
});

Deno.test("anthropic SDK: a wrong key is an AuthenticationError, and nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const stranger = client(gateway, "/anthropic", "sk-wrong");
  for (
    const call of [
      () => stranger.messages.create(REQUEST),
      () => stranger.messages.countTokens(REQUEST),
      () => stranger.models.list(),
    ]
  ) await assert.rejects(call(), Anthropic.AuthenticationError);
  assert.equal(upstream.requests.length, 0);
});

Deno.test("anthropic SDK: a refusal of the provider is told in the provider's own words", async () => {
  const refusal = {
    type: "error",
    error: { type: "invalid_request_error", message: "max_tokens: too many" },
  };
  await using upstream = await ScriptedUpstream.start(json(400, refusal, { "request-id": "req_vendor" }));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  await assert.rejects(client(gateway).messages.create(REQUEST), (error) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    assert.deepEqual(error.error, refusal);
    assert.equal(error.requestID, "req_vendor");
    return true;
  });
});

Deno.test("anthropic SDK: models are listed and found by name", async () => {
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, ["http://127.0.0.1:59999"], { name: "org/claude:free" });
  await gateway.serveModel({ name: "of-another-protocol", providers: ["http://127.0.0.1:59998"] });
  for (const path of ["/anthropic", ""]) {
    const { models } = client(gateway, path);
    const page = await models.list();
    assert.deepEqual(page.data.map(({ id, display_name, type }) => [id, display_name, type]), [
      ["org/claude:free", "org/claude:free", "model"],
    ]);
    assert.deepEqual([page.has_more, page.first_id, page.last_id], [
      false,
      "org/claude:free",
      "org/claude:free",
    ]);
    assert.ok(Date.parse(page.data[0]?.created_at ?? "") > Date.parse("2020-01-01"));
    assert.equal((await models.retrieve("org/claude:free")).id, "org/claude:free");
    await assert.rejects(models.retrieve("of-another-protocol"), Anthropic.NotFoundError);
  }
});

Deno.test("anthropic SDK: a provider that breaks off in mid-stream is an error, not an end", async () => {
  for (const end of ["close", "reset", "clean"] as const) {
    await using upstream = await ScriptedUpstream.start(sse([EVENT.start, EVENT.open, EVENT.bon], { end }));
    await using gateway = await TestGateway.start();
    await serveMessages(gateway, [upstream.url]);
    const stream = await client(gateway).messages.create({ ...REQUEST, stream: true });
    const types: string[] = [];
    await assert.rejects(async () => {
      for await (const each of stream) types.push(each.type);
    }, (error) => error instanceof Anthropic.APIError && error.type === "api_error");
    assert.deepEqual(types, ["message_start", "content_block_start", "content_block_delta"]);
    const [row] = await gateway.logs(1);
    assert.equal(row?.Status, "error");
    assert.equal(row?.prompt_tokens, MESSAGE_TOKENS.prompt);
  }
});

Deno.test("anthropic SDK: a stream that begins with an error is served by the next provider", async () => {
  await using busy = await ScriptedUpstream.start(
    sse([EVENT.start, EVENT.ping, errorEvent("overloaded_error", "Overloaded")]),
  );
  await using good = await ScriptedUpstream.start(okEvents());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [busy.url, good.url], { model: { strategy: "rotor" } });
  await gateway.admin("PUT", "/model-providers/1", { weight: 9 });
  const message = await client(gateway).messages.stream(REQUEST).finalMessage();
  assert.equal(textOf(message), "Bonjour");
  assert.deepEqual([busy.requests.length, good.requests.length], [1, 1]);
  const outcomes = (await gateway.logs(2)).map((row) => row.Outcome);
  assert.deepEqual(outcomes, ["overload", "completed"]);
});

Deno.test("anthropic SDK: an overloaded vendor stays one for the client, as its own status", async () => {
  const body = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
  await using upstream = await ScriptedUpstream.start(json(529, body));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url], { model: { max_retry: 1 } });
  await assert.rejects(client(gateway).messages.create(REQUEST), Anthropic.OverloadedError);
});

Deno.test("anthropic SDK: text of any script arrives unharmed wherever the network cuts it", async () => {
  const said = "北京 🌍 é";
  const events = [EVENT.start, EVENT.open, textDelta(said), EVENT.close, EVENT.delta, EVENT.stop].join("");
  await using upstream = await ScriptedUpstream.start(okEvents(byteByByte(events)));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  assert.equal(textOf(await client(gateway).messages.stream(REQUEST).finalMessage()), said);
  assert.equal((await gateway.logs(1))[0]?.completion_tokens, MESSAGE_TOKENS.completion);
});

Deno.test("anthropic SDK: tokens are counted by the provider, under its own name for the model", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { input_tokens: 321 }));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const counted = await client(gateway).messages.countTokens({ model: "m", messages: REQUEST.messages });
  assert.equal(counted.input_tokens, 321);
  assert.equal(upstream.requests[0]?.target, "/v1/messages/count_tokens");
  assert.equal((upstream.requests[0]?.json() as { model: string }).model, "upstream-model-1");
});

Deno.test("anthropic SDK: betas of the client reach a provider that gets its headers", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{ url: upstream.url, association: { with_header: true } }]);
  await client(gateway).beta.messages.create({
    ...REQUEST,
    betas: ["files-api-2025-04-14", "other-2031-01-01"],
  });
  const request = upstream.requests[0];
  assert.equal(request?.header("anthropic-beta"), "files-api-2025-04-14,other-2031-01-01");
  assert.match(request?.header("user-agent") ?? "", /^Anthropic/);
  assert.equal(request?.header("x-stainless-lang"), "js");
});
