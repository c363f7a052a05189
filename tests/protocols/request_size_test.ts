import assert from "node:assert/strict";
import { FILE_TOKENS, requestSize, wordsOf } from "../../src/protocols/request_size.ts";

const text = (characters: number) => "word ".repeat(characters / 5);

Deno.test("requestSize() counts all words of a request, whatever its protocol", () => {
  const bodies: Record<string, unknown>[] = [
    { messages: [{ role: "user", content: text(3_000) }] },
    { system: text(1_500), messages: [{ role: "user", content: [{ type: "text", text: text(1_500) }] }] },
    { input: text(3_000) },
    { contents: [{ parts: [{ text: text(3_000) }] }] },
  ];
  for (const body of bodies) {
    const { inputTokens } = requestSize(body);
    assert.ok(inputTokens >= 1_000 && inputTokens < 1_015, `${inputTokens}`);
  }
});

Deno.test("requestSize() takes a character beyond the alphabets for a token", () => {
  assert.equal(requestSize({ inputs: "模型".repeat(50) }).inputTokens, 102);
});

Deno.test("requestSize() counts a picture as a picture, not by its letters", () => {
  const base64 = "iVBORw0KGgo".repeat(1_000);
  assert.equal(requestSize({ url: base64 }).inputTokens, FILE_TOKENS + 1);
  assert.equal(requestSize({ url: `data:image/png;base64,${base64}` }).inputTokens, FILE_TOKENS + 1);
  const words = { texts: ["hi"], files: 2, nameCharacters: 2, listedNumbers: 0 };
  assert.deepEqual(wordsOf({ a: base64, b: ["data:,x", "hi"] }), words);
});

Deno.test("requestSize() takes no text for a picture because it begins like one", () => {
  for (const beginning of ["=".repeat(5_000), "x".repeat(300), "data:image/png;base64,"]) {
    const { inputTokens } = requestSize({ input: beginning + text(30_000) });
    assert.ok(inputTokens >= 10_000, `${beginning.slice(0, 30)}: ${inputTokens}`);
  }
});

Deno.test("requestSize() counts the names of members, and numbers in lists as the tokens that they may be", () => {
  const properties = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`property_${1000 + i}`, {}]));
  assert.ok(requestSize({ tools: [{ properties }] }).inputTokens >= 430);
  assert.equal(requestSize({ inp: [[1, 2, 3], [4, 5]], max: 7 }).inputTokens, 2 + 5);
});

Deno.test("requestSize() takes the output that a request allows itself, times the answers that it wants", () => {
  const cases: [Record<string, unknown>, number][] = [
    [{ max_tokens: 100 }, 100],
    [{ max_tokens: 5, max_completion_tokens: 200 }, 200],
    [{ max_tokens: 200, max_completion_tokens: 5 }, 200],
    [{ max_tokens: 1, generationConfig: { maxOutputTokens: 50, candidateCount: 3 }, n: 1 }, 150],
    [{ max_tokens: 10, n: 1e9 }, 1_280],
    [{ max_tokens: 1e308, n: 128 }, 10_000_000],
    [{ max_output_tokens: 300, n: 2 }, 600],
    [{ generationConfig: { maxOutputTokens: 50, candidateCount: 3 } }, 150],
    [{ generation_config: { max_output_tokens: 50 } }, 50],
    [{ max_tokens: 0.5 }, 1],
    [{ max_tokens: -1 }, 4_096],
    [{ max_tokens: "9", n: -3 }, 4_096],
    [{ max_tokens: null, generationConfig: [] }, 4_096],
  ];
  for (const [body, expected] of cases) assert.equal(requestSize(body).outputTokens, expected);
});

Deno.test("requestSize() survives a body of any depth", () => {
  let body: unknown = "x";
  for (let depth = 0; depth < 100_000; depth++) body = [body];
  assert.equal(requestSize({ in: body }).inputTokens, 1);
  for (let depth = 0; depth < 100_000; depth++) body = { a: body };
  assert.equal(requestSize({ in: body }).inputTokens, 33_335);
});
