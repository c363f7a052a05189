import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { serveMessages } from "../integration/messages_client.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import {
  errorEvent,
  EVENT,
  event,
  MESSAGE,
  MESSAGE_TOKENS,
  okEvents,
  okMessage,
} from "../upstream/anthropic_fixtures.ts";
import { json, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const model = (gateway: TestGateway, apiKey = TOKEN) =>
  createAnthropic({ baseURL: `${gateway.url}/anthropic/v1`, apiKey })("m");

const SETTINGS = { maxRetries: 0, maxOutputTokens: 64 };

const weather = (run: (city: string) => string) =>
  tool({
    description: "Tells the weather",
    inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
    execute: ({ city }) => run(city),
  });

Deno.test("ai SDK, anthropic: a text arrives whole with its usage", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const { text, usage, finishReason } = await generateText({
    model: model(gateway),
    prompt: "hi",
    ...SETTINGS,
  });
  assert.deepEqual([text, finishReason], ["Bonjour", "stop"]);
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [
    MESSAGE_TOKENS.prompt,
    MESSAGE_TOKENS.completion,
  ]);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.prompt_tokens, row?.completion_tokens], [usage.inputTokens, usage.outputTokens]);
});

Deno.test("ai SDK, anthropic: a stream arrives piece by piece", async () => {
  await using upstream = await ScriptedUpstream.start(okEvents());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const result = streamText({ model: model(gateway), prompt: "hi", ...SETTINGS });
  const pieces: string[] = [];
  for await (const piece of result.textStream) pieces.push(piece);
  assert.deepEqual(pieces, ["Bon", "jour"]);
  assert.equal((await result.usage).outputTokens, MESSAGE_TOKENS.completion);
});

Deno.test("ai SDK, anthropic: an agent's tool runs and its result goes back", async () => {
  const call = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Nanjing" } };
  await using upstream = await ScriptedUpstream.start(okMessage());
  upstream.enqueue(json(200, { ...MESSAGE, content: [call], stop_reason: "tool_use" }));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const asked: string[] = [];
  const { text, steps } = await generateText({
    model: model(gateway),
    prompt: "what is it like in Nanjing?",
    tools: { weather: weather((city) => `${asked.push(city)}: sunny`) },
    stopWhen: stepCountIs(3),
    ...SETTINGS,
  });
  assert.deepEqual([text, steps.length, asked], ["Bonjour", 2, ["Nanjing"]]);
  assert.match(upstream.requests[1]?.text ?? "", /"tool_result".*sunny/);
});

Deno.test("ai SDK, anthropic: a streamed tool call comes together", async () => {
  const piece = (partial_json: string) =>
    event("content_block_delta", { index: 0, delta: { type: "input_json_delta", partial_json } });
  await using upstream = await ScriptedUpstream.start(okEvents());
  upstream.enqueue(okEvents([
    EVENT.start,
    event("content_block_start", {
      index: 0,
      content_block: { type: "tool_use", id: "toolu_1", name: "weather", input: {} },
    }),
    piece('{"city":'),
    piece('"Nanjing"}'),
    EVENT.close,
    event("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } }),
    EVENT.stop,
  ]));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [upstream.url]);
  const asked: string[] = [];
  const result = streamText({
    model: model(gateway),
    prompt: "what is it like in Nanjing?",
    tools: { weather: weather((city) => `${asked.push(city)}: sunny`) },
    stopWhen: stepCountIs(3),
    ...SETTINGS,
  });
  assert.equal(await result.text, "Bonjour");
  assert.deepEqual(asked, ["Nanjing"]);
});

Deno.test("ai SDK, anthropic: errors of the gateway are understood", async () => {
  await using gateway = await TestGateway.start();
  for (
    const [key, status, type] of [["sk-wrong", 401, /invalid token/i], [
      TOKEN,
      404,
      /does not exist/,
    ]] as const
  ) {
    await assert.rejects(
      generateText({ model: model(gateway, key), prompt: "hi", ...SETTINGS }),
      (error) => APICallError.isInstance(error) && error.statusCode === status && type.test(error.message),
    );
  }
});

Deno.test("ai SDK, anthropic: a stream that breaks or fails in the middle ends in an error", async () => {
  const beginning = [EVENT.start, EVENT.open, EVENT.bon];
  const endings = [
    sse(beginning, { end: "reset" }),
    sse([...beginning, errorEvent("overloaded_error", "Overloaded")]),
  ];
  for (const reply of endings) {
    await using upstream = await ScriptedUpstream.start(reply);
    await using gateway = await TestGateway.start();
    await serveMessages(gateway, [upstream.url]);
    const errors: unknown[] = [];
    const result = streamText({
      model: model(gateway),
      prompt: "hi",
      ...SETTINGS,
      onError: ({ error }) => void errors.push(error),
    });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.deepEqual([text, errors.length], ["Bon", 1]);
    assert.equal((await gateway.logs(1))[0]?.Status, "error");
  }
});
