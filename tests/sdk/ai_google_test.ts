import assert from "node:assert/strict";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { APICallError, embedMany, generateText, jsonSchema, streamText, tool } from "ai";
import { rankedGemini, serveGemini } from "../integration/gemini_client.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import {
  GEMINI_CHUNKS,
  GEMINI_EVENTS,
  GEMINI_TOKENS,
  geminiChunk,
  geminiError,
  geminiEvent,
  okGemini,
  okGeminiSse,
} from "../upstream/gemini_fixtures.ts";
import { json, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const google = (gateway: TestGateway, apiKey = TOKEN) =>
  createGoogleGenerativeAI({ apiKey, baseURL: `${gateway.url}/gemini/v1beta` });

Deno.test("ai SDK with Google: a text is generated, its reasoning and usage told", async () => {
  const whole = geminiChunk({
    parts: [{ text: "hm", thought: true }, { text: "Guten Tag" }],
    finishReason: "STOP",
    usageMetadata: GEMINI_CHUNKS.at(-1)?.usageMetadata as Record<string, unknown>,
  });
  await using upstream = await ScriptedUpstream.start(json(200, whole));
  await using gateway = await rankedGemini([upstream]);
  const result = await generateText({ model: google(gateway)("m"), prompt: "hi", maxRetries: 0 });
  assert.deepEqual([result.text, result.reasoningText, result.finishReason], ["Guten Tag", "hm", "stop"]);
  assert.deepEqual([result.usage.inputTokens, result.usage.outputTokens], [
    GEMINI_TOKENS.prompt,
    GEMINI_TOKENS.completion,
  ]);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.prompt_tokens, row?.completion_tokens], [
    GEMINI_TOKENS.prompt,
    GEMINI_TOKENS.completion,
  ]);
});

Deno.test("ai SDK with Google: a name with a slash, for which it leaves the collection out, is found", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target.includes(":stream") ? okGeminiSse() : okGemini()
  );
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [upstream.url], { name: "org/model:free" });
  const model = google(gateway)("org/model:free");
  assert.equal((await generateText({ model, prompt: "hi", maxRetries: 0 })).text, "Guten Tag");
  assert.equal(await streamText({ model, prompt: "hi", maxRetries: 0 }).text, "Guten Tag");
});

Deno.test("ai SDK with Google: a stream is read to its end", async () => {
  await using upstream = await ScriptedUpstream.start(okGeminiSse());
  await using gateway = await rankedGemini([upstream]);
  const result = streamText({ model: google(gateway)("m"), prompt: "hi", maxRetries: 0 });
  let text = "";
  for await (const piece of result.textStream) text += piece;
  assert.deepEqual([text, await result.finishReason], ["Guten Tag", "stop"]);
  assert.equal((await result.usage).outputTokens, GEMINI_TOKENS.completion);
});

Deno.test("ai SDK with Google: tools are called", async () => {
  const functionCall = { name: "weather", args: { city: "Nanjing" } };
  const called = geminiChunk({ parts: [{ functionCall }], finishReason: "STOP" });
  await using upstream = await ScriptedUpstream.start();
  upstream.enqueue(okGeminiSse([geminiEvent(called)]), okGeminiSse());
  await using gateway = await rankedGemini([upstream]);
  const asked: unknown[] = [];
  const weather = tool({
    inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }),
    execute: (input) => {
      asked.push(input);
      return "rain";
    },
  });
  const result = streamText({
    model: google(gateway)("m"),
    prompt: "weather?",
    tools: { weather },
    stopWhen: ({ steps }) => steps.length === 2,
    maxRetries: 0,
  });
  assert.equal(await result.text, "Guten Tag");
  assert.deepEqual(asked, [{ city: "Nanjing" }]);
  assert.match(upstream.requests[1]?.text ?? "", /"functionResponse":\{[^}]*"name":"weather"/);
});

Deno.test("ai SDK with Google: texts are embedded, one and many", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    json(
      200,
      request.target.includes("batch")
        ? { embeddings: [{ values: [1] }, { values: [2] }] }
        : { embedding: { values: [3] } },
    )
  );
  await using gateway = await rankedGemini([upstream]);
  const model = google(gateway).embedding("m");
  assert.deepEqual((await embedMany({ model, values: ["a", "b"], maxRetries: 0 })).embeddings, [[1], [2]]);
  assert.deepEqual((await embedMany({ model, values: ["a"], maxRetries: 0 })).embeddings, [[3]]);
  for (const request of upstream.requests) {
    assert.ok(request.text.includes('"model":"models/upstream-model-1"'));
  }
});

Deno.test("ai SDK with Google: refusals and broken streams are errors with a status", async () => {
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  const status = (expected: number, text: RegExp) => (error: unknown) => {
    assert.ok(APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, expected);
    assert.match(error.message, text);
    return true;
  };
  const ask = (model: string, key = TOKEN) =>
    generateText({ model: google(gateway, key)(model), prompt: "hi", maxRetries: 0 });
  await assert.rejects(ask("m", "wrong"), status(401, /Invalid token/));
  await assert.rejects(ask("nobody"), status(404, /nobody/));
  upstream.enqueue(geminiError(400, "INVALID_ARGUMENT", "contents is not specified"));
  await assert.rejects(ask("m"), status(400, /contents is not specified/));
  upstream.enqueue(sse(GEMINI_EVENTS.slice(0, 2)));
  const errors: unknown[] = [];
  const broken = streamText({
    model: google(gateway)("m"),
    prompt: "hi",
    maxRetries: 0,
    onError: ({ error }) => void errors.push(error),
  });
  for await (const _ of broken.textStream);
  assert.equal(errors.length, 1);
  assert.match(String(errors[0]), /broke off/);
});
