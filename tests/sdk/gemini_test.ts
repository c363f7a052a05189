import assert from "node:assert/strict";
import { ApiError, type GenerateContentResponse, GoogleGenAI } from "@google/genai";
import { CONTENTS, rankedGemini, serveGemini } from "../integration/gemini_client.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import {
  GEMINI_BLOCK,
  GEMINI_EVENTS,
  GEMINI_TOKENS,
  geminiChunk,
  geminiError,
  geminiEvent,
  okGemini,
  okGeminiSse,
} from "../upstream/gemini_fixtures.ts";
import { byteByByte, json, pause, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const asked = { model: "m", contents: "hi" };
const client = (gateway: TestGateway, base = "", apiKey = TOKEN) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.url + base } });

/** The SDK leaves the body open when it throws on an event. */
const UNCLOSED = { sanitizeResources: false };

async function collect(stream: AsyncIterable<GenerateContentResponse>): Promise<GenerateContentResponse[]> {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Whether the SDK's error has this status; its message is the body of the answer. */
function apiError(status: number, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.status, status);
    assert.match(error.message, text);
    return true;
  };
}

Deno.test("genai SDK: an answer arrives whole, on every base URL and version", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await rankedGemini([upstream]);
  for (
    const [base, apiVersion] of [["", "v1beta"], ["/gemini", "v1beta"], ["/gemini/", "v1"], [
      "",
      "v1",
    ]] as const
  ) {
    const genai = new GoogleGenAI({
      apiKey: TOKEN,
      apiVersion,
      httpOptions: { baseUrl: gateway.url + base },
    });
    const response = await genai.models.generateContent(asked);
    assert.equal(response.text, "Guten Tag");
    assert.equal(response.usageMetadata?.totalTokenCount, GEMINI_TOKENS.total);
  }
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1beta/models/upstream-model-1:generateContent");
  assert.deepEqual(request?.json(), CONTENTS);
  assert.equal(request?.header("x-goog-api-key"), "sk-upstream-1-secret");
});

Deno.test("genai SDK: a stream arrives piece by piece, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  for (const events of [GEMINI_EVENTS, byteByByte(GEMINI_EVENTS.join(""))]) {
    upstream.enqueue(okGeminiSse(events));
    const chunks = await collect(await client(gateway).models.generateContentStream(asked));
    assert.equal(chunks.length, GEMINI_EVENTS.length);
    assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), "Guten Tag");
    assert.equal(chunks.at(-1)?.candidates?.[0]?.finishReason, "STOP");
  }
  assert.equal(upstream.requests[0]?.target, "/v1beta/models/upstream-model-1:streamGenerateContent?alt=sse");
  for (const row of await gateway.logs(2)) {
    assert.deepEqual([row.prompt_tokens, row.completion_tokens, row.total_tokens, row.UsageSource], [
      GEMINI_TOKENS.prompt,
      GEMINI_TOKENS.completion,
      GEMINI_TOKENS.total,
      "measured",
    ]);
  }
});

Deno.test("genai SDK: names with slashes, colons and a collection of their own are found", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  for (const name of ["org/model:free", "tunedModels/mine", "模型"]) {
    await serveGemini(gateway, [upstream.url], { name });
    for (const model of name.startsWith("tuned") ? [name] : [name, `models/${name}`]) {
      const response = await client(gateway).models.generateContent({ ...asked, model });
      assert.equal(response.text, "Guten Tag", model);
    }
  }
});

Deno.test("genai SDK: function calls go there and back, whole and streamed", async () => {
  const functionCall = { name: "weather", args: { city: "Nanjing" }, id: "call-1" };
  const called = geminiChunk({ parts: [{ functionCall, thoughtSignature: "c2ln" }], finishReason: "STOP" });
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target.includes(":stream") ? okGeminiSse([geminiEvent(called)]) : json(200, called)
  );
  await using gateway = await rankedGemini([upstream]);
  const tools = [{
    functionDeclarations: [{ name: "weather", parametersJsonSchema: { type: "object", properties: {} } }],
  }];
  const contents = [
    { role: "user", parts: [{ text: "weather?" }] },
    { role: "model", parts: [{ functionCall, thoughtSignature: "c2ln" }] },
    {
      role: "user",
      parts: [{ functionResponse: { name: "weather", id: "call-1", response: { ok: true } } }],
    },
  ];
  const { models } = client(gateway);
  const whole = await models.generateContent({ ...asked, contents, config: { tools } });
  assert.deepEqual(whole.functionCalls, [functionCall]);
  const [piece] = await collect(
    await models.generateContentStream({ ...asked, contents, config: { tools } }),
  );
  assert.deepEqual(piece?.functionCalls, [functionCall]);
  assert.equal(piece?.candidates?.[0]?.content?.parts?.[0]?.thoughtSignature, "c2ln");
  for (const request of upstream.requests) {
    const sent = request.json() as { contents: unknown; tools: unknown };
    assert.deepEqual([sent.contents, sent.tools], [contents, tools]);
  }
});

Deno.test("genai SDK: images go in and come out, megabytes of them", async () => {
  const data = btoa("\x89PNG\r\n".repeat(300_000));
  const image = { inlineData: { mimeType: "image/png", data } };
  await using upstream = await ScriptedUpstream.start(
    okGeminiSse([geminiEvent(geminiChunk({ parts: [image], finishReason: "STOP" }))]),
  );
  await using gateway = await rankedGemini([upstream]);
  const contents = [{ role: "user", parts: [image, { text: "again" }] }];
  const [chunk] = await collect(await client(gateway).models.generateContentStream({ ...asked, contents }));
  assert.ok(chunk?.candidates?.[0]?.content?.parts?.[0]?.inlineData?.data === data, "the image differs");
  assert.ok(upstream.requests[0]?.text.includes(data), "the image did not reach the provider");
});

Deno.test("genai SDK: a blocked prompt is an answer", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, GEMINI_BLOCK));
  await using gateway = await rankedGemini([upstream]);
  const response = await client(gateway).models.generateContent(asked);
  assert.equal(response.promptFeedback?.blockReason, "PROHIBITED_CONTENT");
  assert.equal((await gateway.logs(1))[0]?.Status, "success");
});

Deno.test("genai SDK: a wrong key, an unknown model and the vendor's refusal are ApiErrors", async () => {
  await using upstream = await ScriptedUpstream.start(
    geminiError(400, "INVALID_ARGUMENT", "contents is not specified"),
  );
  await using gateway = await rankedGemini([upstream]);
  const good = client(gateway).models;
  const stranger = client(gateway, "", "wrong").models;
  await assert.rejects(stranger.generateContent(asked), apiError(401, /UNAUTHENTICATED/));
  await assert.rejects(stranger.generateContentStream(asked), apiError(401, /UNAUTHENTICATED/));
  await assert.rejects(stranger.list(), apiError(401, /UNAUTHENTICATED/));
  await assert.rejects(good.generateContent({ ...asked, model: "nobody" }), apiError(404, /NOT_FOUND/));
  await assert.rejects(good.get({ model: "nobody" }), apiError(404, /NOT_FOUND/));
  assert.equal(upstream.requests.length, 0);
  await assert.rejects(good.generateContent(asked), apiError(400, /contents is not specified/));
  await assert.rejects(good.generateContentStream(asked), apiError(400, /contents is not specified/));
});

Deno.test("genai SDK: an error as the first event is served by the next provider, unnoticed", async () => {
  const fault = { error: { code: 503, message: "overloaded", status: "UNAVAILABLE" } };
  await using bad = await ScriptedUpstream.start(okGeminiSse([geminiEvent(fault)]));
  await using good = await ScriptedUpstream.start(okGeminiSse());
  await using gateway = await rankedGemini([bad, good]);
  const chunks = await collect(await client(gateway).models.generateContentStream(asked));
  assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), "Guten Tag");
  assert.deepEqual([bad.requests.length, good.requests.length], [1, 1]);
});

Deno.test(
  "genai SDK: a provider that breaks off in mid-stream is an ApiError, not an end",
  UNCLOSED,
  async () => {
    await using upstream = await ScriptedUpstream.start();
    await using gateway = await rankedGemini([upstream]);
    for (const end of ["clean", "close", "reset"] as const) {
      upstream.enqueue(sse(GEMINI_EVENTS.slice(0, 2), { end }));
      const stream = await client(gateway).models.generateContentStream(asked);
      let text = "";
      await assert.rejects(async () => {
        for await (const chunk of stream) text += chunk.text ?? "";
      }, apiError(502, /broke off/));
      assert.equal(text, "Guten ");
    }
  },
);

Deno.test(
  "genai SDK: a stream that is opened early carries its answer, or the error that it throws",
  UNCLOSED,
  async () => {
    await using upstream = await ScriptedUpstream.start();
    await using gateway = await rankedGemini([upstream], { "open-after-seconds": "0.1" });
    const { models } = client(gateway);
    upstream.enqueue([pause(400), ...okGeminiSse()]);
    const chunks = await collect(await models.generateContentStream(asked));
    assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), "Guten Tag");
    upstream.enqueue([pause(400), ...geminiError(400, "INVALID_ARGUMENT", "contents is not specified")]);
    const stream = await models.generateContentStream(asked);
    await assert.rejects(collect(stream), apiError(400, /contents is not specified/));
  },
);

Deno.test("genai SDK: tokens are counted and texts embedded", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    json(
      200,
      request.target.includes("count") ? { totalTokens: 5 } : { embeddings: [{ values: [0.25, -1] }] },
    )
  );
  await using gateway = await rankedGemini([upstream]);
  const { models } = client(gateway);
  assert.equal((await models.countTokens(asked)).totalTokens, 5);
  const { embeddings } = await models.embedContent({ model: "m", contents: ["hi"] });
  assert.deepEqual(embeddings?.[0]?.values, [0.25, -1]);
  const { requests } = upstream.requests[1]?.json() as { requests: { model: string }[] };
  assert.equal(requests[0]?.model, "models/upstream-model-1");
});

Deno.test("genai SDK: models are listed and found by name", async () => {
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, ["http://127.0.0.1:59999"], { name: "org/model:free" });
  await serveGemini(gateway, ["http://127.0.0.1:59999"], { name: "plain" });
  const names = [];
  for await (const model of await client(gateway, "/gemini").models.list()) names.push(model.name);
  assert.deepEqual(names, ["models/org/model:free", "models/plain"]);
  for (const name of names) {
    assert.equal((await client(gateway).models.get({ model: name ?? "" })).name, name);
  }
});

Deno.test("genai SDK: a chat keeps its turns", async () => {
  const said = geminiEvent(geminiChunk({ parts: [{ text: "Guten Tag" }], finishReason: "STOP" }));
  await using upstream = await ScriptedUpstream.start(okGeminiSse([said]));
  await using gateway = await rankedGemini([upstream]);
  const chat = client(gateway).chats.create({ model: "m" });
  await collect(await chat.sendMessageStream({ message: "one" }));
  await collect(await chat.sendMessageStream({ message: "two" }));
  const { contents } = upstream.requests[1]?.json() as { contents: { role: string }[] };
  assert.deepEqual(contents.map(({ role }) => role), ["user", "model", "user"]);
});
