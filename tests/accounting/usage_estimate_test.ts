import assert from "node:assert/strict";
import { estimatedStreamUsage, estimatedUsage, SaidText } from "../../src/accounting/usage_estimate.ts";
import { estimateTokens } from "../../src/accounting/token_estimate.ts";

const PROSE = "The gateway relays what the provider says, and counts it as it passes. ".repeat(200);
const REQUEST = { model: "m", messages: [{ role: "user", content: PROSE }] };

/** Within a tenth, which is what an estimate is good for. */
function near(actual: number | null, expected: number): void {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= expected / 10,
    `${actual} is not near ${expected}`,
  );
}

Deno.test("the estimate of a whole answer comes from the words of both sides", () => {
  const answer = new TextEncoder().encode(JSON.stringify({ choices: [{ message: { content: PROSE } }] }));
  const usage = estimatedUsage(REQUEST, answer);
  near(usage.promptTokens, estimateTokens(PROSE));
  near(usage.completionTokens, estimateTokens(PROSE));
  assert.equal(usage.totalTokens, (usage.promptTokens ?? 0) + (usage.completionTokens ?? 0));
  assert.equal(usage.cachedTokens, null);
});

Deno.test("the estimate of a stream comes from its pieces, of which a sample stands for all", () => {
  const said = new SaidText();
  for (let at = 0; at < PROSE.length; at += 4) said.add(PROSE.slice(at, at + 4));
  near(estimatedStreamUsage(REQUEST, said).completionTokens, estimateTokens(PROSE));
});

Deno.test("nothing said is no token", () => {
  assert.equal(new SaidText().tokens(), 0);
  assert.equal(estimatedStreamUsage({}, new SaidText()).totalTokens, 0);
});
