/** Rules of `src/access/admin_token.ts`. @module */
import assert from "node:assert/strict";
import { Hono } from "@hono/hono";
import { adminToken, parseBearer, requireAdminToken } from "../../src/access/admin_token.ts";

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
];

for (const [value, credential, message] of HEADERS) {
  Deno.test(`parseBearer() reads ${JSON.stringify(value)} as ${credential ?? `"${message}"`}`, () => {
    const expected = credential === null ? { ok: false, message } : { ok: true, credential };
    assert.deepEqual(parseBearer(value), expected);
  });
}

Deno.test("requireAdminToken() answers 401 with the reason and the scheme that would be accepted", async () => {
  const token = adminToken("tok");
  assert.ok(token);
  const app = new Hono().use(requireAdminToken(token)).get("/", (c) => c.text("in"));
  const refused = await app.request("/", { headers: { authorization: "Bearer nope" } });
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate") ?? "", /^Bearer/);
  assert.deepEqual(await refused.json(), { code: 401, message: "Invalid token" });
  const twice = new Headers([["authorization", "Bearer tok"], ["authorization", "Bearer tok"]]);
  assert.equal((await app.request("/", { headers: twice })).status, 401);
  assert.equal(await (await app.request("/", { headers: { authorization: "bearer tok" } })).text(), "in");
});

Deno.test("requireAdminToken() lets other routes refuse in their own shape", async () => {
  const token = adminToken("tok");
  assert.ok(token);
  const guard = requireAdminToken(token, (c, status, message) => c.json({ error: { message } }, status));
  const refused = await new Hono().use(guard).request("/");
  assert.deepEqual(await refused.json(), { error: { message: "Authorization header is missing" } });
});
