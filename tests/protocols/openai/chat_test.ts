import assert from "node:assert/strict";
import { readChatAnswer, readChatEvent } from "../../../src/protocols/openai/answer.ts";
import { inspectChat } from "../../../src/protocols/openai/inspect.ts";

const inspect = (body: Record<string, unknown>) => inspectChat(body);

Deno.test("inspectChat() reads model, stream and session", () => {
  assert.deepEqual(inspect({ model: "m", stream: true, session_id: 7 }), {
    model: "m",
    stream: true,
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: "7",
  });
  assert.deepEqual([inspect({}).model, inspect({ model: 3 }).model], ["", ""]);
  for (
    const [stream, expected] of [[1, true], ["true", true], [0, false], ["", false], [null, false]] as const
  ) {
    assert.equal(inspect({ stream }).stream, expected, String(stream));
  }
});

Deno.test("inspectChat() asks for tools only when there are some", () => {
  for (const [tools, expected] of [[[], false], [null, false], [[{}], true], [{ a: 1 }, true]] as const) {
    assert.equal(inspect({ tools }).tools, expected, JSON.stringify(tools));
  }
  assert.equal(inspect({ functions: [{ name: "f" }] }).tools, true);
});

Deno.test("inspectChat() asks for structured output only where the format is not the default", () => {
  const cases: [unknown, boolean][] = [
    [undefined, false],
    [null, false],
    [{ type: "text" }, false],
    [{ type: "json_object" }, true],
    [{ type: "json_schema", json_schema: {} }, true],
  ];
  for (const [response_format, expected] of cases) {
    assert.equal(inspect({ response_format }).structuredOutput, expected, JSON.stringify(response_format));
  }
});

Deno.test("inspectChat() finds an image in a message of any role", () => {
  const part = { type: "image_url", image_url: { url: "data:," } };
  for (const role of ["user", "assistant", "tool"]) {
    assert.equal(
      inspect({ messages: [{ role, content: [{ type: "text", text: "x" }, part] }] }).image,
      true,
      role,
    );
  }
  assert.equal(inspect({ messages: [{ role: "user", content: "image_url" }, null, 3] }).image, false);
});

Deno.test("readChatEvent() knows what shows the client something", () => {
  const delta = (delta: unknown, finish_reason: unknown = null) =>
    JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] });
  const cases: [string, string][] = [
    [delta({ role: "assistant", content: "" }), "preamble"],
    [delta({ role: "assistant", content: null, refusal: null }), "preamble"],
    [delta({ tool_calls: [] }), "preamble"],
    [delta({ content: "x" }), "output"],
    [delta({ reasoning_content: "x" }), "output"],
    [delta({ tool_calls: [{ index: 0 }] }), "output"],
    [delta({}, "stop"), "output"],
    [JSON.stringify({ choices: [{ text: "x" }] }), "output"],
    [JSON.stringify({ choices: [] }), "preamble"],
    [" [DONE] ", "end"],
    ["<html>", "junk"],
    ['{"error":"busy"}', "error"],
    ['{"error":"","choices":[]}', "preamble"],
  ];
  for (const [data, kind] of cases) assert.equal(readChatEvent(data).kind, kind, data);
});

Deno.test("readChatEvent() says when a vendor ended early", () => {
  for (
    const [reason, incomplete] of [["stop", false], ["length", true], ["content_filter", true], [
      "tool_calls",
      false,
    ]]
  ) {
    const reading = readChatEvent(JSON.stringify({ choices: [{ delta: {}, finish_reason: reason }] }));
    assert.deepEqual([reading.complete, reading.incomplete], [true, incomplete], String(reason));
  }
});

Deno.test("readChatAnswer() takes usage as each vendor writes it, and null for what is not said", () => {
  const usage = (given: unknown) => readChatAnswer({ choices: [], usage: given }).usage;
  assert.deepEqual(
    usage({
      prompt_tokens: 11,
      completion_tokens: 7,
      total_tokens: 18,
      prompt_tokens_details: { cached_tokens: 4, audio_tokens: 1 },
    }),
    {
      promptTokens: 11,
      completionTokens: 7,
      totalTokens: 18,
      cachedTokens: 4,
      audioTokens: 1,
    },
  );
  assert.deepEqual(usage({ prompt_tokens: 100, completion_tokens: 10, prompt_cache_hit_tokens: 75 }), {
    promptTokens: 100,
    completionTokens: 10,
    totalTokens: 110,
    cachedTokens: 75,
    audioTokens: null,
  });
  assert.deepEqual(usage({ prompt_tokens: null, completion_tokens: "7" })?.totalTokens, null);
  assert.equal(usage(null), undefined);
});

Deno.test("readChatAnswer() tells an answer from an error and from nothing", () => {
  assert.equal(readChatAnswer({ id: "x" }).kind, "output");
  assert.equal(readChatAnswer({}).kind, "empty");
  assert.equal(readChatAnswer([1]).kind, "empty");
  assert.equal(readChatAnswer({ error: { message: "x" } }).kind, "error");
  assert.equal(readChatAnswer({ error: null, choices: [] }).kind, "output");
});
