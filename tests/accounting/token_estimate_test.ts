import assert from "node:assert/strict";
import { estimateTokens } from "../../src/accounting/token_estimate.ts";

/** Texts with what OpenAI's o200k tokenizer makes of them. */
const COUNTED: readonly [text: string, tokens: number, off: number][] = [
  ["The gateway relays what the provider says, byte for byte.", 13, 0.2],
  ["const total = rows.reduce((sum, row) => sum + row.count, 0);", 19, 0.3],
  ['{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}', 22, 0.3],
  ["今天天气很好，我们去公园散步吧。", 12, 0.4],
];

Deno.test("estimateTokens() comes near to what a tokenizer counts", () => {
  for (const [text, tokens, off] of COUNTED) {
    const estimate = estimateTokens(text);
    assert.ok(Math.abs(estimate / tokens - 1) <= off, `${estimate} for ${tokens}: ${text}`);
  }
  assert.equal(estimateTokens(""), 0);
});

Deno.test("estimateTokens() knows that encoded bytes take many tokens", () => {
  const bytes = Uint8Array.from({ length: 3_000 }, (_, index) => (index * 7919) % 251);
  const estimate = estimateTokens(`here it is: ${btoa(String.fromCharCode(...bytes))}`);
  assert.ok(estimate > 2_000 && estimate < 3_500, String(estimate));
});

Deno.test("estimateTokens() reads pieces of a long text, and comes near to the whole", () => {
  const sentence = "The gateway relays what the provider says, byte for byte. ";
  const one = estimateTokens(sentence);
  const many = estimateTokens(sentence.repeat(100_000));
  assert.ok(Math.abs(many / (one * 100_000) - 1) < 0.1, `${many} for ${one * 100_000}`);
});

Deno.test("estimateTokens() takes no longer for a text of many megabytes or a word without end", () => {
  const started = performance.now();
  for (const text of ["a".repeat(30_000_000), "é ".repeat(15_000_000), "+".repeat(30_000_000)]) {
    assert.ok(estimateTokens(text) > 1_000);
  }
  assert.ok(performance.now() - started < 4_000);
});
