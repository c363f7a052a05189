import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embed, generateText, jsonSchema, streamText, tool } from "ai";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { CHAT_USAGE, FRAME, okChat, okSse } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import {
  EVENT,
  okResponse,
  okResponseSse,
  RESPONSE_USAGE,
  responseEvent,
  responseObject,
} from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

/** A provider of the Vercel SDK, and what makes either kind of its models. */
function models(gateway: TestGateway, apiKey = TOKEN) {
  const openai = createOpenAI({ apiKey, baseURL: `${gateway.url}/openai/v1` });
  return { chat: openai.chat("m"), responses: openai.responses("m"), openai };
}

const KINDS = [
  {
    kind: "chat",
    type: "openai",
    whole: okChat(),
    stream: okSse(),
    tokens: CHAT_USAGE.total_tokens,
    cut: okSse([FRAME.role, FRAME.hel], { end: "close" }),
  },
  {
    kind: "responses",
    type: "openai-res",
    whole: okResponse(),
    stream: okResponseSse(),
    tokens: RESPONSE_USAGE.total_tokens,
    cut: okResponseSse([EVENT.created, EVENT.itemAdded, EVENT.hel], { end: "close" }),
  },
] as const;

for (const { kind, type, whole, stream, tokens, cut } of KINDS) {
  Deno.test(`ai SDK, ${kind}: text arrives whole, with its usage`, async () => {
    await using upstream = await ScriptedUpstream.start(whole);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type } }] });
    const { text, usage } = await generateText({ model: models(gateway)[kind], prompt: "hi", maxRetries: 0 });
    assert.deepEqual([text, usage.totalTokens], ["Hello", tokens]);
    assert.equal((await gateway.logs(1))[0]?.total_tokens, tokens);
  });

  Deno.test(`ai SDK, ${kind}: text arrives as a stream, with its usage`, async () => {
    await using upstream = await ScriptedUpstream.start(stream);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type } }] });
    const result = streamText({ model: models(gateway)[kind], prompt: "hi", maxRetries: 0 });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    assert.deepEqual(pieces, ["Hel", "lo"]);
    assert.equal((await result.usage).totalTokens, tokens);
    assert.equal((await gateway.logs(1))[0]?.Status, "success");
  });

  Deno.test(`ai SDK, ${kind}: a picture goes there`, async () => {
    await using upstream = await ScriptedUpstream.start(whole);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      providers: [
        { url: "http://127.0.0.1:59999", provider: { type }, association: { image: false } },
        { url: upstream.url, provider: { type } },
      ],
    });
    const image = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
    await generateText({
      model: models(gateway)[kind],
      messages: [{
        role: "user",
        content: [{ type: "text", text: "what is it?" }, {
          type: "file",
          data: image,
          mediaType: "image/png",
        }],
      }],
      maxRetries: 0,
    });
    assert.match(upstream.requests[0]?.text ?? "", /data:image\/png;base64,iVBORw0KGgo=/);
  });

  Deno.test(`ai SDK, ${kind}: a wrong key, an unknown model and a provider's refusal are API errors with their status`, async () => {
    await using upstream = await ScriptedUpstream.start(
      json(400, { error: { message: "bad value", type: "invalid_request_error", param: null, code: null } }),
    );
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type } }] });
    const { openai } = models(gateway);
    for (
      const [model, status] of [
        [models(gateway, "sk-wrong")[kind], 401],
        [openai[kind]("nobody"), 404],
        [models(gateway)[kind], 400],
      ] as const
    ) {
      await assert.rejects(generateText({ model, prompt: "hi", maxRetries: 0 }), (error) => {
        assert.ok(APICallError.isInstance(error), String(error));
        assert.equal(error.statusCode, status);
        return true;
      });
    }
  });

  Deno.test(`ai SDK, ${kind}: a provider that breaks off in mid-stream is an error, not an end`, async () => {
    await using upstream = await ScriptedUpstream.start(cut);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type } }] });
    const errors: unknown[] = [];
    const result = streamText({
      model: models(gateway)[kind],
      prompt: "hi",
      maxRetries: 0,
      onError: ({ error }) => void errors.push(error),
    });
    let text = "";
    for await (const part of result.fullStream) if (part.type === "text-delta") text += part.text;
    assert.deepEqual([text, errors.length], ["Hel", 1]);
  });
}

const weather = tool({
  description: "Tells the weather.",
  inputSchema: jsonSchema<{ city: string }>({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  }),
  execute: ({ city }) => `rain in ${city}`,
});

Deno.test("ai SDK, chat: a tool is called and its result goes back", async () => {
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "weather", arguments: '{"city":"Nanjing"}' },
  };
  await using upstream = await ScriptedUpstream.start(okChat());
  upstream.enqueue(json(200, {
    id: "c",
    object: "chat.completion",
    created: 1,
    model: "x",
    choices: [{
      index: 0,
      message: { role: "assistant", content: null, tool_calls: [call] },
      finish_reason: "tool_calls",
    }],
  }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await checkToolRound(upstream, models(gateway).chat);
});

Deno.test("ai SDK, responses: a tool is called and its result goes back", async () => {
  const item = {
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "weather",
    arguments: '{"city":"Nanjing"}',
    status: "completed",
  };
  await using upstream = await ScriptedUpstream.start(okResponse());
  upstream.enqueue(okResponse({ output: [item] }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type: "openai-res" } }] });
  await checkToolRound(upstream, models(gateway).responses);
});

async function checkToolRound(
  upstream: ScriptedUpstream,
  model: ReturnType<typeof models>["chat" | "responses"],
): Promise<void> {
  const { text } = await generateText({
    model,
    prompt: "the weather?",
    tools: { weather },
    stopWhen: ({ steps }) => steps.length === 2,
    maxRetries: 0,
  });
  assert.equal(text, "Hello");
  assert.match(upstream.requests[1]?.text ?? "", /rain in Nanjing/);
}

Deno.test("ai SDK, responses: an error in the stream arrives with the vendor's words", async () => {
  const error = { code: "server_error", message: "no more capacity" };
  await using upstream = await ScriptedUpstream.start(okResponseSse([
    EVENT.created,
    EVENT.itemAdded,
    EVENT.hel,
    responseEvent("response.failed", {
      sequence_number: 5,
      response: responseObject({ status: "failed", error, incomplete_details: null }),
    }),
  ]));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type: "openai-res" } }] });
  const errors: unknown[] = [];
  const result = streamText({
    model: models(gateway).responses,
    prompt: "hi",
    maxRetries: 0,
    onError: ({ error }) => void errors.push(error),
  });
  await result.consumeStream();
  assert.match(JSON.stringify(errors) + String(errors[0]), /no more capacity/);
});

Deno.test("ai SDK: embeddings pass, with their usage", async () => {
  const data = [{ object: "embedding", index: 0, embedding: [0.5, 1] }];
  await using upstream = await ScriptedUpstream.start(
    json(200, { object: "list", model: "x", data, usage: { prompt_tokens: 4, total_tokens: 4 } }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { embedding, usage } = await embed({
    model: models(gateway).openai.embedding("m"),
    value: "hi",
    maxRetries: 0,
  });
  assert.deepEqual([embedding, usage.tokens], [[0.5, 1], 4]);
});
