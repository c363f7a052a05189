import assert from "node:assert/strict";
import fc from "fast-check";
import { mergeUsage } from "../../../src/accounting/usage.ts";
import type { Usage } from "../../../src/protocols/protocol.ts";
import { readChatAnswer, readChatEvent } from "../../../src/protocols/openai/answer.ts";
import { OK_SSE } from "../../upstream/fixtures.ts";

/** Everything that a vendor could send as a count. */
const count = fc.oneof(fc.nat(), fc.constantFrom(null, "7", -1, 1.5, Infinity, {}, [], true));
const usage = fc.record({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: fc.oneof(
    fc.record({ cached_tokens: count, audio_tokens: count }),
    fc.constantFrom(null, 3, "x"),
  ),
}, { requiredKeys: [] });

/** A count as the slow reference takes it, after a trip through JSON. */
function counted(value: unknown): number | null {
  const sent: unknown = JSON.parse(JSON.stringify(value ?? null));
  return typeof sent === "number" && sent >= 0 ? Math.trunc(sent) : null;
}

Deno.test("readChatEvent() and readChatAnswer() never throw, whatever comes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      readChatAnswer(value);
      readChatEvent(JSON.stringify(value));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void readChatEvent(text)), {
    numRuns: 2_000,
  });
});

Deno.test("readChatEvent() survives events with a character changed or lost", () => {
  const event = fc.constantFrom(...OK_SSE.map((frame) => frame.slice("data: ".length).trimEnd()));
  fc.assert(
    fc.property(event, fc.nat(), fc.string({ maxLength: 2 }), (data, at, insert) => {
      const place = at % data.length;
      const reading = readChatEvent(data.slice(0, place) + insert + data.slice(place + 1));
      assert.ok(["output", "preamble", "end", "error", "junk"].includes(reading.kind));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("the last known figures of a stream are those of a slow reference", () => {
  fc.assert(
    fc.property(fc.array(fc.option(usage), { maxLength: 8 }), (reports) => {
      let known: Usage | null = null;
      const last = {
        prompt: null as number | null,
        completion: null as number | null,
        cached: null as number | null,
      };
      for (const report of reports) {
        const reading = readChatEvent(JSON.stringify({ choices: [], usage: report }));
        if (reading.usage !== undefined) known = mergeUsage(known, reading.usage);
        const details = report?.prompt_tokens_details;
        last.prompt = counted(report?.prompt_tokens) ?? last.prompt;
        last.completion = counted(report?.completion_tokens) ?? last.completion;
        const cached = typeof details === "object" ? counted(details?.cached_tokens) : null;
        last.cached = cached ?? last.cached;
      }
      assert.deepEqual(
        {
          prompt: known?.promptTokens ?? null,
          completion: known?.completionTokens ?? null,
          cached: known?.cachedTokens ?? null,
        },
        last,
      );
    }),
    { numRuns: 2_000 },
  );
});
