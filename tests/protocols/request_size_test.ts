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
    assert.ok(inputTokens >= 1_000 && inputTokens < 1_010, `${inputTokens}`);
  }
});

Deno.test("requestSize() takes a character beyond the alphabets for a token", () => {
  assert.equal(requestSize({ input: "模型".repeat(50) }).inputTokens, 100);
});

Deno.test("requestSize() counts a picture as a picture, not by its letters", () => {
  const base64 = "iVBORw0KGgo".repeat(1_000);
  assert.equal(requestSize({ input: base64 }).inputTokens, FILE_TOKENS);
  assert.equal(requestSize({ url: `data:image/png;base64,${base64}` }).inputTokens, FILE_TOKENS);
  assert.deepEqual(wordsOf({ a: base64, b: ["data:,x", "hi"] }), { texts: ["hi"], files: 2 });
});

Deno.test("requestSize() takes the output that a request allows itself, times the answers that it wants", () => {
  const cases: [Record<string, unknown>, number][] = [
    [{ max_tokens: 100 }, 100],
    [{ max_tokens: 5, max_completion_tokens: 200 }, 200],
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
  assert.equal(requestSize({ body }).inputTokens, 0);
});
