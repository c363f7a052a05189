/** Streams that are made of whole answers, as the vendors' own SDKs read them. @module */
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { type Candidate, type Content, GoogleGenAI, type Part } from "@google/genai";
import OpenAI from "openai";
import { serveGemini } from "../integration/gemini_client.ts";
import { REQUEST, serveMessages } from "../integration/messages_client.ts";
import { responsesProvider } from "../integration/openai_client.ts";
import { type ProviderSetup, TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const FAKE = { provider: { fake_stream: true } };
/** Long enough for several pieces, with characters of several units at many places. */
const TEXT = `Grüße 👨‍👩‍👧‍👦 und 🇩🇪🇯🇵 e\u0301 — \r\n`.repeat(13);
const ARGUMENTS = JSON.stringify({ city: "Zürich", note: TEXT, "2": 1, "1": 12345 });

async function openaiClient(upstream: ScriptedUpstream, setup: Omit<ProviderSetup, "url"> = FAKE) {
  const gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ ...setup, url: upstream.url }] });
  const client = new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  return { gateway, client, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
}

const toolCall = (id: string, name: string, args: string) => ({
  id,
  type: "function" as const,
  function: { name, arguments: args },
});
const chat = (choices: readonly Record<string, unknown>[]) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "upstream",
  system_fingerprint: "fp_1",
  choices: choices.map((choice, index) => ({ index, logprobs: null, ...choice })),
  usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
});
const said = (content: string | null, more: Record<string, unknown> = {}) => ({
  message: { role: "assistant", content, refusal: null, ...more },
  finish_reason: "stop",
});

const CHATS: Readonly<Record<string, ReturnType<typeof chat>>> = {
  "text": chat([said(TEXT)]),
  "two tool calls": chat([{
    ...said(null, {
      tool_calls: [toolCall("call_a", "weather", ARGUMENTS), toolCall("call_b", "time", "{}")],
    }),
    finish_reason: "tool_calls",
  }]),
  "text and a tool call": chat([{
    ...said(TEXT, { tool_calls: [toolCall("call_a", "weather", ARGUMENTS)] }),
    finish_reason: "tool_calls",
  }]),
  "several choices": chat([said(TEXT), said("short"), said(TEXT.toUpperCase())]),
  "a refusal": chat([said(null, { refusal: TEXT })]),
  "an early end": chat([{ ...said("cut"), finish_reason: "length" }]),
};

for (const [what, whole] of Object.entries(CHATS)) {
  Deno.test(`openai SDK: a stream made of a whole chat completion with ${what} comes to the same`, async () => {
    await using upstream = await ScriptedUpstream.start(json(200, whole));
    await using served = await openaiClient(upstream);
    const stream = served.client.chat.completions.stream({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    stream.on("content", (delta) => pieces.push(delta));
    const ends = await stream.finalChatCompletion();
    const { choices, usage } = ends;
    const facts = choices.map(({ index, finish_reason, message }) => ({
      index,
      finish_reason,
      content: message.content,
      refusal: message.refusal ?? null,
      calls: (message.tool_calls ?? []).map((call) => {
        assert.ok(call.type === "function");
        return toolCall(call.id, call.function.name, call.function.arguments);
      }),
    }));
    assert.deepEqual(
      facts,
      whole.choices.map((choice) => {
        const { message, finish_reason, index } = choice as unknown as {
          index: number;
          finish_reason: string;
          message: { content: string | null; refusal: string | null; tool_calls?: unknown[] };
        };
        const { content, refusal, tool_calls: calls = [] } = message;
        return { index, finish_reason, content, refusal, calls };
      }),
    );
    assert.deepEqual(usage, whole.usage);
    assert.deepEqual([ends.id, ends.created, ends.model], [whole.id, whole.created, whole.model]);
    if (what === "text") assert.ok(pieces.length > 5 && pieces.every((piece) => piece.isWellFormed()));
  });
}

Deno.test("openai SDK: reasoning in a whole chat completion comes piece by piece, before the answer", async () => {
  await using upstream = await ScriptedUpstream.start(
    json(200, chat([said("done", { reasoning_content: TEXT, annotations: [{ type: "x" }] })])),
  );
  await using served = await openaiClient(upstream);
  const stream = await served.client.chat.completions.create({
    model: "m",
    messages: [{ role: "user", content: "hi" }],
    stream: true,
  });
  let thought = "";
  let content = "";
  const annotations: unknown[] = [];
  for await (const chunk of stream) {
    assert.equal(chunk.choices.length, 1, "nobody asked for usage");
    const delta = chunk.choices[0]?.delta as Record<string, unknown>;
    if (typeof delta.reasoning_content === "string") {
      assert.equal(content, "");
      thought += delta.reasoning_content;
    }
    if (typeof delta.content === "string") content += delta.content;
    if (Array.isArray(delta.annotations)) annotations.push(...delta.annotations);
  }
  assert.deepEqual([thought, content, annotations], [TEXT, "done", [{ type: "x" }]]);
});

Deno.test("openai SDK: calls of a whole chat completion stay apart, even if a relay numbers all of them 0", async () => {
  const calls = ["a", "b"].map((id) => ({ index: 0, ...toolCall(id, id, "{}") }));
  await using upstream = await ScriptedUpstream.start(
    json(200, chat([{ ...said(null, { tool_calls: calls }), finish_reason: "tool_calls" }])),
  );
  await using served = await openaiClient(upstream);
  const { choices } = await served.client.chat.completions
    .stream({ model: "m", messages: [{ role: "user", content: "hi" }] }).finalChatCompletion();
  assert.deepEqual(choices[0]?.message.tool_calls?.map(({ id }) => id), ["a", "b"]);
});

Deno.test("openai SDK: sound in a whole chat completion comes to the same", async () => {
  const audio = { id: "audio_1", data: "QUJD".repeat(1 << 18), expires_at: 1_800_000_000, transcript: TEXT };
  await using upstream = await ScriptedUpstream.start(json(200, chat([said(null, { audio })])));
  await using served = await openaiClient(upstream);
  const { choices } = await served.client.chat.completions
    .stream({ model: "m", messages: [{ role: "user", content: "hi" }] }).finalChatCompletion();
  const message = choices[0]?.message as { audio?: unknown } | undefined;
  assert.deepEqual(message?.audio, audio);
});

const RESPONSE = {
  id: "resp_1",
  object: "response",
  created_at: 1_700_000_000,
  status: "completed",
  error: null,
  incomplete_details: null,
  model: "upstream",
  output: [
    {
      id: "rs_1",
      type: "reasoning",
      summary: [{ type: "summary_text", text: TEXT }, { type: "summary_text", text: "more" }],
      encrypted_content: "gAAA",
    },
    {
      id: "msg_1",
      type: "message",
      role: "assistant",
      status: "completed",
      content: [
        {
          type: "output_text",
          text: TEXT,
          logprobs: [],
          annotations: [{ type: "url_citation", start_index: 0, end_index: 3, title: "t", url: "https://x" }],
        },
        { type: "refusal", refusal: TEXT },
      ],
    },
    {
      id: "fc_1",
      type: "function_call",
      status: "completed",
      call_id: "call_1",
      name: "f",
      arguments: ARGUMENTS,
    },
    { id: "ct_1", type: "custom_tool_call", status: "completed", call_id: "call_2", name: "g", input: TEXT },
    { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "q" } },
  ],
  parallel_tool_calls: true,
  usage: {
    input_tokens: 3,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 2 },
    total_tokens: 8,
  },
};

Deno.test("openai SDK, Responses: a stream made of a whole response tells all of it in order, and ends with it", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, RESPONSE));
  await using served = await openaiClient(upstream, responsesProvider(upstream.url, FAKE));
  const events: OpenAI.Responses.ResponseStreamEvent[] = [];
  for await (const event of await served.client.responses.create({ model: "m", input: "hi", stream: true })) {
    events.push(event);
  }
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, index) => index));
  assert.deepEqual([events[0]?.type, events[1]?.type], ["response.created", "response.in_progress"]);
  const last = events.at(-1);
  assert.ok(last?.type === "response.completed");
  assert.deepEqual(last.response.output, RESPONSE.output);
  assert.deepEqual(last.response.usage, RESPONSE.usage);
  const joined = (type: string) =>
    events.map((event) => event.type === type && "delta" in event ? event.delta : "").join("");
  assert.equal(joined("response.output_text.delta"), TEXT);
  assert.equal(joined("response.refusal.delta"), TEXT);
  assert.equal(joined("response.function_call_arguments.delta"), ARGUMENTS);
  assert.equal(joined("response.custom_tool_call_input.delta"), TEXT);
  assert.equal(joined("response.reasoning_summary_text.delta"), `${TEXT}more`);
  const added = events.filter((event) => event.type === "response.output_item.added");
  assert.deepEqual(added.map((event) => event.output_index), [0, 1, 2, 3, 4]);
  const done = events.filter((event) => event.type === "response.output_item.done");
  assert.deepEqual(done.map((event) => event.item), RESPONSE.output);
});

Deno.test("openai SDK, Responses: the SDK's own accumulator comes to the whole response", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, RESPONSE));
  await using served = await openaiClient(upstream, responsesProvider(upstream.url, FAKE));
  const final = await served.client.responses.stream({ model: "m", input: "hi" }).finalResponse();
  assert.equal(final.output_text, TEXT);
  assert.equal(final.output.length, RESPONSE.output.length);
  assert.equal((await served.gateway.logs(1))[0]?.total_tokens, 8);
});

const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "upstream",
  content: [
    { type: "thinking", thinking: TEXT, signature: "sig" },
    { type: "redacted_thinking", data: "xyz" },
    {
      type: "text",
      text: TEXT,
      citations: [{
        type: "char_location",
        cited_text: "c",
        document_index: 0,
        document_title: "d",
        start_char_index: 0,
        end_char_index: 1,
        file_id: null,
      }],
    },
    { type: "tool_use", id: "toolu_1", name: "f", input: JSON.parse(ARGUMENTS), caller: { type: "direct" } },
    { type: "tool_use", id: "toolu_2", name: "g", input: {}, caller: { type: "direct" } },
  ],
  stop_reason: "tool_use",
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 5, cache_read_input_tokens: 2, cache_creation_input_tokens: 1 },
};

Deno.test("anthropic SDK: a stream made of a whole message comes to the same", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, MESSAGE));
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{ url: upstream.url, ...FAKE }]);
  const client = new Anthropic({ apiKey: TOKEN, authToken: null, baseURL: gateway.url, maxRetries: 0 });
  const stream = client.messages.stream(REQUEST);
  let text = "";
  stream.on("text", (delta) => text += delta);
  const final = await stream.finalMessage();
  const { content, stop_reason, stop_sequence, usage, id, model, role } = final;
  assert.equal(text, TEXT);
  assert.deepEqual(
    JSON.parse(JSON.stringify({ content, stop_reason, stop_sequence, id, model, role })),
    {
      content: MESSAGE.content,
      stop_reason: "tool_use",
      stop_sequence: null,
      id: "msg_1",
      model: "upstream",
      role: "assistant",
    },
  );
  assert.deepEqual({ ...usage }, MESSAGE.usage);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.prompt_tokens, row?.completion_tokens, row?.UsageSource], [6, 5, "measured"]);
});

const EDGES = {
  "no content": { content: [] },
  "an empty text": { content: [{ type: "text", text: "" }] },
  "a refusal": {
    content: [{ type: "text", text: "no" }],
    stop_reason: "refusal",
    stop_details: { type: "refusal", category: "cyber", explanation: "why" },
  },
  "no usage": { content: [{ type: "text", text: "x" }], usage: undefined },
};
for (const [what, fields] of Object.entries(EDGES)) {
  Deno.test(`anthropic SDK: a stream made of a whole message with ${what} comes to the same`, async () => {
    const message = { ...MESSAGE, stop_reason: "end_turn", stop_details: null, ...fields };
    await using upstream = await ScriptedUpstream.start(json(200, message));
    await using gateway = await TestGateway.start();
    await serveMessages(gateway, [{ url: upstream.url, ...FAKE }]);
    const client = new Anthropic({ apiKey: TOKEN, authToken: null, baseURL: gateway.url, maxRetries: 0 });
    const { content, stop_reason, stop_details } = await client.messages.stream(REQUEST).finalMessage();
    assert.deepEqual(
      JSON.parse(JSON.stringify({ content, stop_reason, stop_details })),
      { content: message.content, stop_reason: message.stop_reason, stop_details: message.stop_details },
    );
    const source = message.usage === undefined ? "estimated" : "measured";
    assert.equal((await gateway.logs(1))[0]?.UsageSource, source);
  });
}

const CANDIDATES = [
  {
    index: 0,
    content: {
      role: "model",
      parts: [
        { text: TEXT, thought: true },
        { text: TEXT, thoughtSignature: "c2ln" },
        { functionCall: { name: "f", args: JSON.parse(ARGUMENTS) } },
        { inlineData: { mimeType: "image/png", data: "aGk=" } },
      ],
    },
    finishReason: "STOP",
    safetyRatings: [{ category: "HARM_CATEGORY_HARASSMENT", probability: "LOW" }],
  },
  { index: 1, content: { role: "model", parts: [{ text: "short" }] }, finishReason: "MAX_TOKENS" },
];

/** Candidates put together from their pieces, as a reader of a stream would do it. */
function joined(chunks: readonly { candidates?: Candidate[] }[]): Candidate[] {
  const whole = new Map<number, Candidate & { content: Content & { parts: Part[] } }>();
  for (const { content, ...rest } of chunks.flatMap(({ candidates = [] }) => candidates)) {
    const index = rest.index ?? 0;
    const before = whole.get(index);
    const parts = [...(before?.content.parts ?? [])];
    for (const part of content?.parts ?? []) {
      const last = parts.at(-1);
      const goesOn = part.text !== undefined && last?.text !== undefined && last.thought === part.thought;
      if (goesOn) parts[parts.length - 1] = { ...last, ...part, text: `${last.text}${part.text}` };
      else parts.push(part);
    }
    whole.set(index, { ...before, ...rest, content: { ...content, parts } });
  }
  return [...whole.values()];
}

Deno.test("genai SDK: a stream made of a whole answer comes to the same", async () => {
  const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 5, totalTokenCount: 8 };
  await using upstream = await ScriptedUpstream.start(
    json(200, { candidates: CANDIDATES, usageMetadata, modelVersion: "v", responseId: "r" }),
  );
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [{ url: upstream.url, ...FAKE }]);
  const genai = new GoogleGenAI({ apiKey: TOKEN, httpOptions: { baseUrl: gateway.url } });
  const chunks = [];
  for await (const chunk of await genai.models.generateContentStream({ model: "m", contents: "hi" })) {
    chunks.push(chunk);
  }
  assert.ok(chunks.length > 10);
  assert.ok(chunks.every((chunk) => chunk.responseId === "r" && chunk.modelVersion === "v"));
  assert.deepEqual(JSON.parse(JSON.stringify(joined(chunks))), CANDIDATES);
  assert.deepEqual({ ...chunks.at(-1)?.usageMetadata }, usageMetadata);
  assert.equal(upstream.requests[0]?.target, "/v1beta/models/upstream-model-1:generateContent");
  assert.equal((await gateway.logs(1))[0]?.total_tokens, 8);
});
