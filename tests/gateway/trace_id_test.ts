import assert from "node:assert/strict";
import { newTraceId } from "../../src/gateway/trace_id.ts";

Deno.test("newTraceId() makes ten characters of 0-9a-zA-Z, each equally likely, and none twice", () => {
  const ids = Array.from({ length: 20_000 }, newTraceId);
  assert.ok(ids.every((id) => /^[0-9a-zA-Z]{10}$/.test(id)));
  assert.equal(new Set(ids).size, ids.length);
  const counts = new Map<string, number>();
  for (const character of ids.join("")) counts.set(character, (counts.get(character) ?? 0) + 1);
  // 200,000 characters over 62: 3,226 each, with a standard deviation of 56.
  assert.equal(counts.size, 62);
  assert.ok([...counts.values()].every((count) => Math.abs(count - 3_226) < 400));
});
