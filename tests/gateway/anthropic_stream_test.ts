import assert from "node:assert/strict";
import fc from "fast-check";
import { StreamTap } from "../../src/gateway/stream_tap.ts";
import { messageStream } from "../../src/protocols/anthropic/answer.ts";
import { EVENT, MESSAGE_TOKENS, OK_EVENTS, textDelta } from "../upstream/anthropic_fixtures.ts";
import { concatBytes } from "../upstream/http_reader.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Pushes a text in pieces, asserts that it comes out as it went in, and answers what was seen in it. */
function seen(text: string, ...cuts: readonly number[]) {
  const bytes = encode(text);
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const tap = new StreamTap(messageStream, false);
  const out = edges.slice(1).flatMap((edge, index) => tap.push(bytes.slice(edges[index], edge)));
  assert.deepEqual(concatBytes([...out, ...tap.end()]), bytes);
  const { sawOutput, ended, complete, incomplete, error, usage, events, junk } = tap;
  return { sawOutput, ended, complete, incomplete, error, usage, events, junk };
}

Deno.test("a message stream is understood the same wherever it is cut, in every framing", () => {
  const events = OK_EVENTS.join("");
  for (const text of [events, events.replaceAll("\n", "\r\n"), events.replaceAll("\n", "\r")]) {
    const whole = seen(text);
    assert.deepEqual([whole.sawOutput, whole.ended, whole.complete, whole.junk], [true, true, true, 0]);
    assert.deepEqual([whole.usage?.promptTokens, whole.usage?.completionTokens, whole.usage?.cachedTokens], [
      MESSAGE_TOKENS.prompt,
      MESSAGE_TOKENS.completion,
      MESSAGE_TOKENS.cached,
    ]);
    for (let at = 1; at < text.length; at++) assert.deepEqual(seen(text, at), whole, `cut at ${at}`);
  }
});

Deno.test("a message stream of any events in any pieces passes unchanged and is understood as if it came whole", () => {
  const frame = fc.oneof(
    fc.string({ unit: "binary" }).map((text) => textDelta(text)),
    fc.constantFrom(...OK_EVENTS, ": c\n\n", "retry: 1\n\n", "data: junk\n\n", "\n"),
  );
  const cuts = fc.array(fc.nat(), { maxLength: 8 });
  fc.assert(fc.property(fc.array(frame, { maxLength: 12 }), cuts, (frames, at) => {
    const text = frames.join("");
    assert.deepEqual(seen(text, ...at), seen(text));
  }));
});

Deno.test("two message streams keep their figures apart", () => {
  const first = new StreamTap(messageStream, false);
  const second = new StreamTap(messageStream, false);
  first.push(encode(EVENT.start));
  second.push(encode(EVENT.delta));
  assert.deepEqual([second.usage?.promptTokens, second.usage?.completionTokens], [
    null,
    MESSAGE_TOKENS.completion,
  ]);
  assert.deepEqual([first.usage?.promptTokens, first.usage?.completionTokens], [MESSAGE_TOKENS.prompt, 3]);
});
