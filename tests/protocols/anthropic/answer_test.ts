import assert from "node:assert/strict";
import fc from "fast-check";
import { mergeUsage } from "../../../src/accounting/usage.ts";
import { messageStream, readMessage } from "../../../src/protocols/anthropic/answer.ts";
import type { EventReading, Usage } from "../../../src/protocols/protocol.ts";

const read = (value: unknown, name = ""): EventReading =>
  messageStream.open().readEvent(name, typeof value === "string" ? value : JSON.stringify(value));

/** What a whole stream of `usage` objects comes to; the first is that of `message_start`. */
function usageOf(start: unknown, ...deltas: unknown[]): Usage | null {
  const reader = messageStream.open();
  const events = [
    { type: "message_start", message: { usage: start } },
    ...deltas.map((usage) => ({ type: "message_delta", delta: {}, usage })),
  ];
  let known: Usage | null = null;
  for (const event of events) {
    const { usage } = reader.readEvent("", JSON.stringify(event));
    if (usage !== undefined) known = mergeUsage(known, usage);
  }
  return known;
}

Deno.test("message streams: what the client can see something of is output", () => {
  const start = (content_block: unknown) => ({ type: "content_block_start", index: 0, content_block });
  const delta = (delta: unknown) => ({ type: "content_block_delta", index: 0, delta });
  const cases: [unknown, string][] = [
    [{ type: "message_start", message: { id: "m" } }, "preamble"],
    [{ type: "ping" }, "preamble"],
    [start({ type: "text", text: "" }), "preamble"],
    [start({ type: "text", text: "", citations: null }), "preamble"],
    [start({ type: "thinking", thinking: "", signature: "" }), "preamble"],
    [start({ type: "text", text: "a" }), "output"],
    [start({ type: "redacted_thinking", data: "xyz" }), "output"],
    [start({ type: "tool_use", id: "t", name: "f", input: {} }), "output"],
    [start({ type: "web_search_tool_result", tool_use_id: "t", content: [] }), "output"],
    [delta({ type: "text_delta", text: "" }), "preamble"],
    [delta({ type: "input_json_delta", partial_json: "" }), "preamble"],
    [delta({ type: "text_delta", text: "a" }), "output"],
    [delta({ type: "thinking_delta", thinking: "a" }), "output"],
    [delta({ type: "input_json_delta", partial_json: "{" }), "output"],
    [delta({ type: "signature_delta", signature: "s" }), "output"],
    [delta({ type: "citations_delta", citation: { cited_text: "x" } }), "output"],
    [delta(null), "preamble"],
    [{ type: "content_block_stop", index: 0 }, "preamble"],
    [{ type: "message_delta", delta: {}, usage: { output_tokens: 1 } }, "preamble"],
    [{ type: "message_delta", delta: { stop_reason: "end_turn" } }, "output"],
    [{ type: "message_stop" }, "end"],
    [{ type: "something_new", value: 1 }, "preamble"],
    [{ type: "something_new", error: null }, "preamble"],
    [{ choices: [] }, "junk"],
    ["[1]", "junk"],
    ["<html>", "junk"],
  ];
  for (const [event, kind] of cases) assert.equal(read(event).kind, kind, JSON.stringify(event));
});

Deno.test("message streams: the event's name counts where the data does not say what it is", () => {
  assert.equal(read("", "ping").kind, "preamble");
  assert.equal(read({}, "message_stop").kind, "end");
  assert.equal(read({ delta: { type: "text_delta", text: "a" } }, "content_block_delta").kind, "output");
  assert.deepEqual(read("upstream is busy", "error"), {
    kind: "error",
    error: { code: "", type: "", message: "upstream is busy", status: null },
  });
});

Deno.test("message streams: an error event names the status that its type stands for", () => {
  const statuses = {
    invalid_request_error: 400,
    authentication_error: 401,
    billing_error: 402,
    permission_error: 403,
    not_found_error: 404,
    request_too_large: 413,
    rate_limit_error: 429,
    api_error: 500,
    timeout_error: 504,
    overloaded_error: 529,
    made_up_error: null,
  };
  for (const [type, status] of Object.entries(statuses)) {
    const { kind, error } = read({ type: "error", error: { type, message: "no" } });
    assert.deepEqual([kind, error], ["error", { code: "", type, message: "no", status }], type);
  }
  assert.equal(read({ error: { message: "x" } }).error?.message, "x");
  assert.equal(read({ type: "error" }).kind, "error");
});

Deno.test("message streams: the stop reason makes the answer whole and says whether it was cut short", () => {
  const reasons: [string, boolean][] = [
    ["end_turn", false],
    ["stop_sequence", false],
    ["tool_use", false],
    ["pause_turn", false],
    ["max_tokens", true],
    ["model_context_window_exceeded", true],
    ["refusal", true],
  ];
  for (const [stop_reason, incomplete] of reasons) {
    const reading = read({ type: "message_delta", delta: { stop_reason } });
    assert.deepEqual([reading.complete, reading.incomplete], [true, incomplete], stop_reason);
    assert.equal(readMessage({ type: "message", stop_reason }).incomplete, incomplete, stop_reason);
  }
  const more = read({ type: "message_delta", delta: { stop_reason: null } });
  assert.deepEqual([more.complete, more.incomplete], [undefined, undefined]);
  assert.equal(read({ type: "message_stop" }).complete, true);
});

Deno.test("message usage: input is fresh, cache reads and cache writes; repeated totals count once", () => {
  const start = {
    input_tokens: 12,
    cache_creation_input_tokens: 3,
    cache_read_input_tokens: 60,
    output_tokens: 1,
  };
  const expected: Usage = {
    promptTokens: 75,
    completionTokens: 21,
    totalTokens: 96,
    cachedTokens: 60,
    cacheWriteTokens: 3,
    audioTokens: null,
  };
  assert.deepEqual(usageOf(start, { output_tokens: 21 }), expected);
  assert.deepEqual(usageOf(start, { ...start, output_tokens: 21 }), expected);
  assert.deepEqual(
    usageOf(start, { output_tokens: 7 }, { output_tokens: 15 }, { output_tokens: 21 }),
    expected,
  );
  assert.deepEqual(readMessage({ type: "message", usage: { ...start, output_tokens: 21 } }).usage, expected);
});

Deno.test("message usage: parts that come in different events are put together", () => {
  const zeros = { input_tokens: 0, output_tokens: 0 };
  const late = usageOf(zeros, { input_tokens: 12, cache_read_input_tokens: 60, output_tokens: 21 });
  assert.deepEqual([late?.promptTokens, late?.cachedTokens, late?.completionTokens], [72, 60, 21]);
  const split = usageOf({ input_tokens: 12 }, { cache_read_input_tokens: 60 }, { output_tokens: 21 });
  assert.deepEqual([split?.promptTokens, split?.cachedTokens, split?.totalTokens], [72, 60, 93]);
});

Deno.test("message usage: null, missing and zero never erase what is known", () => {
  const start = { input_tokens: 12, cache_read_input_tokens: 60, output_tokens: 2 };
  for (const unknown of [null, undefined, 0, "12", -1, NaN]) {
    const usage = usageOf(start, {
      input_tokens: unknown,
      cache_read_input_tokens: unknown,
      output_tokens: 21,
    });
    assert.deepEqual([usage?.promptTokens, usage?.cachedTokens, usage?.totalTokens], [72, 60, 93]);
  }
  assert.equal(usageOf(null, null), null);
  assert.deepEqual(usageOf({ output_tokens: 5 })?.promptTokens, null);
});

Deno.test("readMessage() tells an answer from an error and from nothing", () => {
  assert.equal(readMessage({ type: "message", content: [] }).kind, "output");
  assert.equal(readMessage({ id: "x", error: null }).kind, "output");
  for (const nothing of [{}, [], null, "x"]) assert.equal(readMessage(nothing).kind, "empty");
  const { kind, error } = readMessage({
    type: "error",
    error: { type: "overloaded_error", message: "busy" },
  });
  assert.deepEqual([kind, error?.type, error?.status], ["error", "overloaded_error", 529]);
  assert.equal(readMessage({ error: "busy" }).error?.message, "busy");
});

Deno.test("message streams: no data makes the reader throw", () => {
  const names = fc.constantFrom(
    "",
    "ping",
    "error",
    "message_start",
    "message_delta",
    "content_block_start",
    "x",
  );
  const data = fc.oneof(fc.string(), fc.json());
  fc.assert(fc.property(fc.array(fc.tuple(names, data)), (events) => {
    const reader = messageStream.open();
    for (const [name, text] of events) assert.ok(reader.readEvent(name, text).kind);
  }));
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.ok(readMessage(value).kind)));
});

Deno.test("message usage: any order of parts comes to what adding up the last known parts gives", () => {
  const names = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];
  const count = fc.option(fc.nat({ max: 1_000_000 }), { nil: null });
  const usage = fc.record(Object.fromEntries(names.map((name) => [name, count])), { requiredKeys: [] });
  fc.assert(fc.property(usage, fc.array(usage, { maxLength: 5 }), (start, deltas) => {
    const last = (name: string) => {
      const told = [start, ...deltas].map((each) => each[name] ?? null).filter((value) => value !== null);
      return told.filter((value) => value > 0).at(-1) ?? (told.length > 0 ? 0 : null);
    };
    const [fresh = null, cached = null, written = null, output = null] = names.map(last);
    const prompt = fresh === null ? null : fresh + (cached ?? 0) + (written ?? 0);
    const total = prompt === null || output === null ? null : prompt + output;
    assert.deepEqual(usageOf(start, ...deltas), {
      promptTokens: prompt,
      completionTokens: output,
      totalTokens: total,
      cachedTokens: cached,
      ...(written !== null && { cacheWriteTokens: written }),
      audioTokens: null,
    });
  }));
});
