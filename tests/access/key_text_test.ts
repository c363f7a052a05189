import { equal, match, notEqual, ok } from "node:assert/strict";
import { hashKey, keyMask, newAuthKey, newSecretText } from "../../src/access/key_text.ts";

Deno.test("newAuthKey() makes keys of llmio's form, no two alike", () => {
  const keys = Array.from({ length: 1000 }, newAuthKey);
  for (const key of keys) match(key, /^sk-llmio-[0-9a-zA-Z]{36}$/);
  equal(new Set(keys).size, keys.length);
});

Deno.test("newSecretText() uses every character as often as any other", () => {
  const text = Array.from({ length: 620 }, () => newSecretText("", 1000)).join("");
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  equal(counts.size, 62);
  // Each is expected 10,000 times with a deviation of 99; a byte taken modulo 62 would favour eight of them by 21 %.
  for (const [character, count] of counts) ok(Math.abs(count - 10_000) < 800, `${character}: ${count}`);
});

Deno.test("newSecretText() begins with the prefix and is as long as it is told", () => {
  match(newSecretText("llmio-admin-", 40), /^llmio-admin-[0-9a-zA-Z]{40}$/);
  equal(newSecretText("x", 0), "x");
});

Deno.test("hashKey() is SHA-256 in hex", () => {
  equal(hashKey("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  notEqual(hashKey("abc"), hashKey("abC"));
});

Deno.test("keyMask() shows the prefix and the last four characters of a key, and nothing of a short one", () => {
  const cases = [
    ["sk-llmio-0000000000000000000000000000000000aa", "sk-llmio-****00aa"],
    ["sk-llmio-12345678abcd", "sk-llmio-****abcd"],
    ["sk-llmio-1234567abcd", "sk-llmio-****"],
    ["sk-llmio-", "sk-llmio-****"],
    ["a-key-made-by-hand", "****hand"],
    ["short", "****"],
    ["", ""],
  ] as const;
  for (const [key, shown] of cases) equal(keyMask(key), shown);
  equal(keyMask("llmio-admin-0123456789abcd", "llmio-admin-"), "llmio-admin-****abcd");
});
