/** Rules of `src/access/admin_token.ts`. @module */
import assert from "node:assert/strict";
import { adminToken, parseBearer } from "../../src/access/admin_token.ts";

for (const blank of [undefined, null, "", "   ", "\n", "\t \r\n"]) {
  Deno.test(`adminToken() takes ${JSON.stringify(blank)} for not set`, () =>
    assert.equal(adminToken(blank), null));
}

Deno.test("adminToken() ignores blanks around the configured token", () => {
  assert.equal(adminToken(" correct \n")?.matches("correct"), true);
});

const WRONG = [
  ...[
    "",
    " ",
    "c",
    "correc",
    "correct ",
    "correctx",
    "Correct",
    "null",
    "undefined",
    "correct\0",
    "\0",
    "корект",
  ],
  "x".repeat(1024 * 1024),
];

Deno.test("adminToken() matches only the token itself, whatever the length", () => {
  const token = adminToken("correct");
  assert.equal(token?.matches("correct"), true);
  for (const wrong of WRONG) assert.equal(token?.matches(wrong), false, wrong.slice(0, 20));
});

Deno.test("parseBearer() reads the longest headers in a moment, whatever they hold", () => {
  const before = performance.now();
  for (const part of [" ", "\t", ",", ", ", "x ", "bearer ", "bearer,\t"]) {
    parseBearer(`Bearer ${part.repeat(500_000)}x`);
    parseBearer(`${part.repeat(500_000)}x`);
  }
  // Time that grows with the square of the length would be hours.
  assert.ok(performance.now() - before < 20_000);
});

Deno.test("parseBearer() and adminToken() take a token whose last byte looks like a blank", () => {
  // The UTF-8 of "à" ends with a no-break space.
  const bearer = parseBearer("Bearer voil\xc3\xa0");
  assert.equal(bearer.ok && adminToken("voilà")?.matches(bearer.credential), true);
});

Deno.test("adminToken() matches a token beyond ASCII as settings and as headers spell it", () => {
  const token = adminToken("größe-北京");
  const asHeader = Array.from(new TextEncoder().encode("größe-北京"), (byte) => String.fromCharCode(byte))
    .join("");
  assert.equal(token?.matches("größe-北京"), true);
  assert.equal(token?.matches(asHeader), true);
  assert.equal(token?.matches("grosse-北京"), false);
});

/** Header values and what they hold: a credential, or the message of the refusal. */
const HEADERS: readonly [value: string | null, credential: string | null, message: string][] = [
  [null, null, "Authorization header is missing"],
  ["", null, "Authorization header is missing"],
  ["   ", null, "Authorization header is missing"],
  ["Bearer", null, "Invalid authorization header"],
  ["Bearer ", null, "Invalid authorization header"],
  ["Bearer\t", null, "Invalid authorization header"],
  ["Basic dTpw", null, "Invalid authorization header"],
  ["tok", null, "Invalid authorization header"],
  ["Bearertok", null, "Invalid authorization header"],
  ["Token tok", null, "Invalid authorization header"],
  ["Bearer tok, Bearer tok", null, "Invalid authorization header"],
  ["Bearer tok, Basic dTpw", null, "Invalid authorization header"],
  ["Bearer tok", "tok", ""],
  ["bearer tok", "tok", ""],
  ["BEARER   tok  ", "tok", ""],
  ["Bearer two words", "two words", ""],
  ["Bearer null", "null", ""],
  ["Bearer tok\xa0", "tok\xa0", ""],
];

for (const [value, credential, message] of HEADERS) {
  Deno.test(`parseBearer() reads ${JSON.stringify(value)} as ${credential ?? `"${message}"`}`, () => {
    const expected = credential === null ? { ok: false, message } : { ok: true, credential };
    assert.deepEqual(parseBearer(value), expected);
  });
}
