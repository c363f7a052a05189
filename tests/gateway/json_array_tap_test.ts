import assert from "node:assert/strict";
import fc from "fast-check";
import { JsonArrayTap } from "../../src/gateway/json_array_tap.ts";
import { streamGenerateContent } from "../../src/protocols/gemini/operations.ts";
import { eventByEvent, type StreamGrammar } from "../../src/protocols/protocol.ts";
import { GEMINI_CHUNKS, geminiArray, geminiChunk } from "../upstream/gemini_fixtures.ts";
import { concatBytes } from "../upstream/http_reader.ts";
import { bytesOf, cut } from "../upstream/replies.ts";

const gemini = streamGenerateContent.stream ?? assert.fail();

/** A grammar that keeps what it is given. */
function keeping(): { seen: unknown[]; grammar: StreamGrammar } {
  const seen: unknown[] = [];
  const grammar = eventByEvent((_name, data) => {
    seen.push(JSON.parse(data));
    return { kind: "output" };
  });
  return { seen, grammar };
}

function pass(tap: JsonArrayTap, pieces: readonly Uint8Array[]): Uint8Array {
  const out = pieces.flatMap((piece) => tap.push(new Uint8Array(piece)));
  return concatBytes([...out, ...tap.end()]);
}

const facts = (tap: JsonArrayTap) => [tap.sawOutput, tap.ended, tap.complete, tap.incomplete, tap.error];

Deno.test("JsonArrayTap passes an array on byte for byte and reads it, wherever it is cut", () => {
  const text = geminiArray([...GEMINI_CHUNKS, geminiChunk({ parts: [{ text: '}]"\\,[{ 北京 🌍' }] })]);
  const { length } = bytesOf(text);
  for (let at = 0; at <= length; at++) {
    const tap = new JsonArrayTap(gemini);
    assert.deepEqual(pass(tap, cut(text, at)), bytesOf(text));
    assert.deepEqual(facts(tap), [true, true, true, false, null], `cut at ${at}`);
    assert.deepEqual([tap.events, tap.junk, tap.size], [GEMINI_CHUNKS.length + 1, 0, length]);
    assert.equal(tap.usage?.totalTokens, 94);
  }
});

Deno.test("JsonArrayTap finds the same elements as a parser of the whole, for any array cut anywhere", () => {
  const layout = fc.record({
    values: fc.array(fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" })), { maxLength: 6 }),
    indent: fc.constantFrom(undefined, 1, "\t"),
    before: fc.constantFrom("", " ", "\r\n", "\ufeff"),
    between: fc.constantFrom(",", "\r\n,\r\n", " ,\t"),
    cuts: fc.array(fc.nat(), { maxLength: 9 }),
  });
  fc.assert(fc.property(layout, ({ values, indent, before, between, cuts }) => {
    const text = `${before}[${values.map((value) => JSON.stringify(value, null, indent)).join(between)}\n]\n`;
    const bytes = bytesOf(text);
    const offsets = cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b);
    const { seen, grammar } = keeping();
    const tap = new JsonArrayTap(grammar);
    assert.deepEqual(pass(tap, cut(bytes, ...offsets)), bytes);
    assert.deepEqual(seen, JSON.parse(text.replace("\ufeff", "")));
    assert.deepEqual([tap.ended, tap.complete], [true, true]);
  }));
});

Deno.test("JsonArrayTap never throws, whatever bytes come", () => {
  const pieces = fc.array(
    fc.oneof(fc.uint8Array(), fc.constantFrom('"', "\\", "[", "]", "{", "}", ",", "1").map(bytesOf)),
  );
  fc.assert(fc.property(pieces, (given) => {
    assert.deepEqual(pass(new JsonArrayTap(gemini), given), concatBytes(given));
  }));
});

Deno.test("JsonArrayTap calls an array whole when its bracket closes, and not before", () => {
  const [whole] = [geminiArray()];
  const tap = new JsonArrayTap(gemini);
  tap.push(new Uint8Array(bytesOf(whole.slice(0, whole.lastIndexOf("]")))));
  assert.deepEqual([tap.sawOutput, tap.ended, tap.complete], [true, false, false]);
  tap.push(new Uint8Array(bytesOf("]")));
  assert.deepEqual([tap.ended, tap.complete], [true, true]);
});

Deno.test("JsonArrayTap reads an error in an array, and one that comes alone", () => {
  const error = { error: { code: 503, message: "busy", status: "UNAVAILABLE" } };
  for (const text of [`[${JSON.stringify(error, null, 2)}]`, JSON.stringify(error, null, 2)]) {
    const tap = new JsonArrayTap(gemini);
    pass(tap, [bytesOf(text)]);
    assert.deepEqual([tap.sawOutput, tap.error?.type, tap.error?.status], [false, "UNAVAILABLE", 503]);
  }
});

Deno.test("JsonArrayTap takes values without an array one after another", () => {
  const tap = new JsonArrayTap(gemini);
  pass(tap, cut(GEMINI_CHUNKS.map((each) => JSON.stringify(each)).join("\n"), 10, 200));
  assert.deepEqual(facts(tap), [true, false, true, false, null]);
  assert.equal(tap.usage?.totalTokens, 94);
});

Deno.test("JsonArrayTap calls what is no JSON of its protocol junk", () => {
  for (const text of ["<html><body>no</body></html>", "service busy", "[1, null]", '["x"]', "7"]) {
    const tap = new JsonArrayTap(gemini);
    pass(tap, [bytesOf(text)]);
    assert.ok(tap.events > 0 && tap.junk === tap.events, text);
  }
});

Deno.test("JsonArrayTap lets an element pass unread that is larger than it keeps, and reads on behind it", () => {
  const { seen, grammar } = keeping();
  const tap = new JsonArrayTap(grammar, 1000);
  const text = JSON.stringify([{ a: 1 }, { long: "x".repeat(5000) }, { b: 2 }]);
  assert.deepEqual(pass(tap, cut(text, 500, 1500, 3000)), bytesOf(text));
  assert.deepEqual(seen, [{ a: 1 }, { b: 2 }]);
  assert.deepEqual([tap.events, tap.sawOutput, tap.complete], [3, true, true]);
});

Deno.test("JsonArrayTap takes time in proportion to the bytes", () => {
  const text = geminiArray([
    geminiChunk({ parts: [{ text: "x", thoughtSignature: "A".repeat(8_000_000) }] }),
  ]);
  const pieces = cut(text, ...Array.from({ length: 500 }, (_, i) => (i + 1) * 16_000));
  const started = performance.now();
  const tap = new JsonArrayTap(gemini);
  pass(tap, pieces);
  assert.equal(tap.junk, 0);
  assert.ok(performance.now() - started < 2_000);
});
