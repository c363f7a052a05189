import assert from "node:assert/strict";
import { countsOf, usageOf } from "../../../src/protocols/gemini/usage.ts";

function usage(usageMetadata: Record<string, unknown>) {
  const counts = countsOf({ usageMetadata });
  assert.ok(counts);
  return usageOf(counts);
}
const inOut = (usageMetadata: Record<string, unknown>) => {
  const { promptTokens, completionTokens, totalTokens } = usage(usageMetadata);
  return [promptTokens, completionTokens, totalTokens];
};

Deno.test("usage: thoughts are output, the cached part is inside the input", () => {
  assert.deepEqual(
    usage({
      promptTokenCount: 100,
      cachedContentTokenCount: 75,
      candidatesTokenCount: 6,
      thoughtsTokenCount: 4,
      totalTokenCount: 110,
    }),
    {
      promptTokens: 100,
      completionTokens: 10,
      totalTokens: 110,
      cachedTokens: 75,
      reasoningTokens: 4,
      audioTokens: null,
    },
  );
});

Deno.test("usage: what the vendor's tools have found is input", () => {
  assert.deepEqual(
    inOut({
      promptTokenCount: 40,
      toolUsePromptTokenCount: 9,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 7,
      totalTokenCount: 61,
    }),
    [49, 12, 61],
  );
  // Some relays leave tool use out of the total; that takes nothing from the output.
  assert.deepEqual(
    inOut({
      promptTokenCount: 40,
      toolUsePromptTokenCount: 9,
      candidatesTokenCount: 12,
      totalTokenCount: 52,
    }),
    [49, 12, 52],
  );
});

Deno.test("usage: what the total tells of the output counts, even when its part is left out", () => {
  assert.deepEqual(inOut({ promptTokenCount: 40, candidatesTokenCount: 5, totalTokenCount: 75 }), [
    40,
    35,
    75,
  ]);
  assert.deepEqual(inOut({ promptTokenCount: 40, totalTokenCount: 40 }), [40, 0, 40]);
  assert.deepEqual(inOut({ promptTokenCount: 40, totalTokenCount: 75 }), [40, 35, 75]);
});

Deno.test("usage: a missing or zero total is made up from the parts", () => {
  assert.deepEqual(inOut({ promptTokenCount: 40, candidatesTokenCount: 5 }), [40, 5, 45]);
  assert.deepEqual(inOut({ promptTokenCount: 40, candidatesTokenCount: 5, totalTokenCount: 0 }), [40, 5, 45]);
});

Deno.test("usage: what is not said is not known", () => {
  assert.equal(countsOf({}), null);
  assert.equal(countsOf({ usageMetadata: null }), null);
  assert.deepEqual(inOut({}), [null, null, null]);
  assert.deepEqual(inOut({ promptTokenCount: null, candidatesTokenCount: "7" }), [null, null, null]);
  assert.deepEqual(inOut({ promptTokenCount: 7 }), [7, null, null]);
});

Deno.test("usage: sound in the input is told from the rest", () => {
  const details = [{ modality: "TEXT", tokenCount: 3 }, { modality: "AUDIO", tokenCount: 5 }, null, 7];
  assert.equal(
    usage({
      promptTokensDetails: details,
      toolUsePromptTokensDetails: [{ modality: "audio", tokenCount: 2 }],
    })
      .audioTokens,
    7,
  );
});
