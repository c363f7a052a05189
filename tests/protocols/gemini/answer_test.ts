import assert from "node:assert/strict";
import fc from "fast-check";
import {
  GeminiStreamReader,
  readGeminiAnswer,
  readGeminiFigures,
} from "../../../src/protocols/gemini/answer.ts";
import { GEMINI_ANSWER, GEMINI_BLOCK, GEMINI_CHUNKS, geminiChunk } from "../../upstream/gemini_fixtures.ts";

const read = (value: unknown) => new GeminiStreamReader().readEvent("", JSON.stringify(value));
const last = (events: readonly unknown[]) => {
  const reader = new GeminiStreamReader();
  return events.map((event) => reader.readEvent("", JSON.stringify(event))).at(-1);
};

Deno.test("GeminiStreamReader knows what shows the client something", () => {
  const cases: [unknown, string][] = [
    [geminiChunk({ parts: [{ text: "x" }] }), "output"],
    [geminiChunk({ parts: [{ text: "x", thought: true }] }), "output"],
    [geminiChunk({ parts: [{ functionCall: { name: "f", args: {} } }] }), "output"],
    [geminiChunk({ parts: [{ inlineData: { mimeType: "image/png", data: "AA" } }] }), "output"],
    [geminiChunk({ parts: [{ text: "", thoughtSignature: "s" }] }), "output"],
    [geminiChunk({ parts: [{ text: "" }], finishReason: "STOP" }), "output"],
    [geminiChunk({ finishReason: "STOP" }), "output"],
    [geminiChunk({ parts: [{ text: "" }] }), "preamble"],
    [geminiChunk({ parts: [{ text: "", thought: true }] }), "preamble"],
    [geminiChunk({}), "preamble"],
    [{ candidates: [] }, "preamble"],
    [{ usageMetadata: { promptTokenCount: 3 } }, "preamble"],
    [{ promptFeedback: { safetyRatings: [] } }, "preamble"],
    [GEMINI_BLOCK, "output"],
    [{ error: { code: 503, message: "busy", status: "UNAVAILABLE" } }, "error"],
    [{ error: "busy" }, "error"],
    [{ error: null, ...geminiChunk({ parts: [{ text: "x" }] }) }, "output"],
    [[1], "junk"],
    ["text", "junk"],
  ];
  for (const [value, kind] of cases) assert.equal(read(value).kind, kind, JSON.stringify(value));
  assert.equal(new GeminiStreamReader().readEvent("", "<html>").kind, "junk");
});

Deno.test("GeminiStreamReader: an answer is whole at its finishReason, and only STOP is a regular end", () => {
  const cases: [string | undefined, boolean | undefined, boolean | undefined][] = [
    ["STOP", true, false],
    ["MAX_TOKENS", true, true],
    ["SAFETY", true, true],
    ["RECITATION", true, true],
    ["MALFORMED_FUNCTION_CALL", true, true],
    ["A_REASON_OF_THE_FUTURE", true, true],
    ["FINISH_REASON_UNSPECIFIED", undefined, undefined],
    ["", undefined, undefined],
    [undefined, undefined, undefined],
  ];
  for (const [finishReason, complete, incomplete] of cases) {
    const chunk = { candidates: [{ content: { parts: [{ text: "x" }] }, finishReason }] };
    const reading = read(chunk);
    assert.deepEqual([reading.complete, reading.incomplete], [complete, incomplete], String(finishReason));
    assert.equal(readGeminiAnswer(chunk).incomplete, incomplete ?? false, String(finishReason));
  }
});

Deno.test("a blocked prompt is a whole answer that ended early, in a stream and as a body", () => {
  const { kind, complete, incomplete, usage } = read(GEMINI_BLOCK);
  assert.deepEqual([kind, complete, incomplete], ["output", true, true]);
  assert.deepEqual([usage?.promptTokens, usage?.completionTokens], [13, 0]);
  const whole = readGeminiAnswer(GEMINI_BLOCK);
  assert.deepEqual([whole.kind, whole.incomplete], ["output", true]);
  assert.deepEqual([whole.usage?.promptTokens, whole.usage?.completionTokens], [13, 0]);
});

Deno.test("an error says its status, name and exact reason", () => {
  const details = [{ "@type": "x/google.rpc.Help" }, {
    "@type": "x/google.rpc.ErrorInfo",
    reason: "API_KEY_INVALID",
  }];
  const error = { code: 400, message: "bad key", status: "INVALID_ARGUMENT" };
  assert.deepEqual(read({ error: { ...error, details } }).error, {
    code: "API_KEY_INVALID",
    type: "INVALID_ARGUMENT",
    message: "bad key",
    status: 400,
  });
  assert.deepEqual(
    readGeminiAnswer([{ error: { code: 8, message: "x", status: "RESOURCE_EXHAUSTED" } }]).error,
    {
      code: "8",
      type: "RESOURCE_EXHAUSTED",
      message: "x",
      status: null,
    },
  );
  assert.equal(readGeminiAnswer({ error: "busy" }).error?.message, "busy");
});

Deno.test("usage of a stream is its last word, field by field, never a sum over events", () => {
  assert.deepEqual(last(GEMINI_CHUNKS)?.usage, {
    promptTokens: 61,
    completionTokens: 33,
    totalTokens: 94,
    cachedTokens: 14,
    reasoningTokens: 25,
    audioTokens: null,
  });
  const usage = (counts: Record<string, unknown>) => ({ usageMetadata: counts });
  // What a later event leaves out or calls null stays as it was.
  const later = last([
    usage({ promptTokenCount: 70, thoughtsTokenCount: 20, totalTokenCount: 90 }),
    usage({ candidatesTokenCount: 4, thoughtsTokenCount: null }),
  ]);
  assert.deepEqual([later?.usage?.promptTokens, later?.usage?.completionTokens, later?.usage?.totalTokens], [
    70,
    24,
    94,
  ]);
});

Deno.test("readGeminiAnswer() tells an answer from an error and from nothing", () => {
  const cases: [unknown, string][] = [
    [GEMINI_ANSWER, "output"],
    [geminiChunk({ finishReason: "STOP" }), "output"],
    [GEMINI_CHUNKS, "output"],
    [[...GEMINI_CHUNKS, { error: { code: 500 } }], "error"],
    [{ error: { code: 500 } }, "error"],
    [{ error: null, ...GEMINI_ANSWER }, "output"],
    [{}, "empty"],
    [[], "empty"],
    [{ usageMetadata: { promptTokenCount: 1 } }, "empty"],
    [{ candidates: [] }, "empty"],
    ["text", "empty"],
    [null, "empty"],
  ];
  for (const [body, kind] of cases) assert.equal(readGeminiAnswer(body).kind, kind, JSON.stringify(body));
  assert.equal(readGeminiAnswer(GEMINI_CHUNKS).usage?.totalTokens, 94);
});

Deno.test("readGeminiFigures() takes every answer of a side operation that is no error", () => {
  assert.equal(readGeminiFigures({ totalTokens: 5 }).kind, "output");
  assert.equal(
    readGeminiFigures({ embeddings: [], usageMetadata: { promptTokenCount: 6 } }).usage?.promptTokens,
    6,
  );
  assert.equal(readGeminiFigures({ error: { code: 400 } }).kind, "error");
  assert.equal(readGeminiFigures([{ error: { code: 400 } }]).kind, "error");
  assert.equal(readGeminiFigures({}).kind, "empty");
});

Deno.test("no reader ever throws, whatever comes, nor counts less than nothing", () => {
  const count = fc.oneof(fc.integer(), fc.double(), fc.constant(null), fc.string());
  const chunk = fc.record({
    candidates: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ content: fc.jsonValue(), finishReason: fc.jsonValue() })),
    ),
    usageMetadata: fc.oneof(
      fc.jsonValue(),
      fc.record({
        promptTokenCount: count,
        toolUsePromptTokenCount: count,
        candidatesTokenCount: count,
        thoughtsTokenCount: count,
        totalTokenCount: count,
        promptTokensDetails: fc.jsonValue(),
      }, { requiredKeys: [] }),
    ),
    error: fc.jsonValue(),
    promptFeedback: fc.jsonValue(),
  }, { requiredKeys: [] });
  fc.assert(fc.property(fc.array(fc.oneof(chunk, fc.jsonValue())), fc.string(), (chunks, junk) => {
    const reader = new GeminiStreamReader();
    for (const each of chunks) {
      const { usage } = reader.readEvent("", JSON.stringify(each));
      for (const value of Object.values(usage ?? {})) assert.ok(value === null || value >= 0);
      readGeminiFigures(each);
    }
    reader.readEvent("", junk);
    readGeminiAnswer(chunks);
  }));
});
