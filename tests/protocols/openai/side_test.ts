import assert from "node:assert/strict";
import fc from "fast-check";
import { readSideAnswer, readSideEvent } from "../../../src/protocols/openai/side_answer.ts";
import { imageEdits, speech, transcriptions } from "../../../src/protocols/openai/side_routes.ts";
import { sideUsage } from "../../../src/protocols/openai/side_usage.ts";

const call = (json: Record<string, unknown>, form: Record<string, string> = {}) => ({
  pathModel: "",
  query: "",
  json,
  form: new Map(Object.entries(form)),
});

Deno.test("sideUsage() reads tokens under each of the names in use", () => {
  const cases: [Record<string, unknown>, [number | null, number | null, number | null] | null][] = [
    [{ usage: { prompt_tokens: 13, total_tokens: 13 } }, [13, null, 13]],
    [{ usage: { input_tokens: 8, output_tokens: 20, total_tokens: 28 } }, [8, 20, 28]],
    [{ usage: { input_tokens: 8, output_tokens: 20 } }, [8, 20, 28]],
    [{ usage: { total_tokens: 40 } }, [40, null, 40]],
    [{ meta: { tokens: { input_tokens: 5 } } }, [5, null, 5]],
    [{ usage: { type: "duration", seconds: 3 } }, null],
    [{ meta: { billed_units: { search_units: 1 } } }, null],
    [{}, null],
  ];
  for (const [body, expected] of cases) {
    const usage = sideUsage(body);
    assert.deepEqual(
      usage === undefined ? null : [usage.promptTokens, usage.completionTokens, usage.totalTokens],
      expected,
      JSON.stringify(body),
    );
  }
  const transcript = sideUsage({
    usage: { input_tokens: 9, output_tokens: 2, input_token_details: { audio_tokens: 7 } },
  });
  assert.equal(transcript?.audioTokens, 7);
});

Deno.test("readSideAnswer() tells an answer from an error and from nothing", () => {
  assert.equal(readSideAnswer({ data: [] }).kind, "output");
  assert.equal(readSideAnswer([[0.1]]).kind, "output");
  assert.equal(readSideAnswer({ error: { message: "x" } }).kind, "error");
  assert.equal(readSideAnswer({}).kind, "empty");
  assert.equal(readSideAnswer("x").kind, "empty");
});

Deno.test("readSideEvent() sees errors and figures, and takes all else for output", () => {
  assert.equal(readSideEvent("image_generation.partial_image", "{").kind, "output");
  assert.equal(readSideEvent("", '{"type":"transcript.text.delta","delta":"x"}').kind, "output");
  const done = readSideEvent("", '{"type":"speech.audio.done","usage":{"input_tokens":1,"output_tokens":2}}');
  assert.deepEqual([done.kind, done.usage?.totalTokens], ["output", 3]);
  assert.equal(readSideEvent("error", '{"message":"x","code":"c"}').error?.code, "c");
  assert.equal(readSideEvent("", '{"error":{"message":"x"}}').kind, "error");
  assert.equal(readSideEvent("", "[DONE]").kind, "end");
});

Deno.test("a form's model and stream are read from its fields, or from JSON in its place", () => {
  assert.deepEqual(
    [
      transcriptions.inspect(call({}, { model: "m", stream: "true" })),
      imageEdits.inspect(call({ model: "m", stream: true })),
    ].map(({ model, stream }) => [model, stream]),
    [["m", true], ["m", true]],
  );
  assert.equal(transcriptions.inspect(call({}, { model: "m", stream: "false" })).stream, false);
  assert.equal(speech.inspect(call({ model: "m", stream_format: "sse" })).stream, true);
  assert.equal(speech.inspect(call({ model: "m", stream_format: "audio" })).stream, false);
});

Deno.test("the readers of other answers never throw, whatever the vendor sends", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.string(), (value, name) => {
    readSideAnswer(value);
    readSideEvent(name, JSON.stringify(value));
    readSideEvent("error", JSON.stringify(value));
  }));
});
