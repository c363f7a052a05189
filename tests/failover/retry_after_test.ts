import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseDuration,
  parseRetryAfter,
  rateLimitReset,
  RETRY_AFTER_MAX_MS,
  retryAfterInMessage,
  retryInfo,
  statedRetryAfter,
} from "../../src/failover/retry_after.ts";
import { NOW } from "./samples.ts";

function parse(headers: Record<string, string>, body: unknown = null): number | null {
  return parseRetryAfter(new Headers(headers), body, NOW);
}

const inSeconds = (seconds: number) => new Date(NOW + seconds * 1_000);

const HEADER: readonly [value: string, expectedMs: number | null][] = [
  ["5", 5_000],
  [" 7 ", 7_000],
  ["1.5", 1_500],
  ["0.0004", 1],
  ["0", null],
  ["0.0", null],
  ["-1", null],
  ["", null],
  ["abc", null],
  ["abc 5", null],
  ["5 seconds", null],
  ["1e3", null],
  ["0x10", null],
  ["NaN", null],
  ["Infinity", null],
  ["999999999", RETRY_AFTER_MAX_MS],
  ["9".repeat(400), RETRY_AFTER_MAX_MS],
  [inSeconds(5).toUTCString(), 5_000],
  [inSeconds(-5).toUTCString(), null],
  [inSeconds(0).toUTCString(), null],
  ["Tuesday, 14-Nov-23 22:13:30 GMT", 10_000],
  ["Tue Nov 14 22:13:30 2023", 10_000],
  ["Sun, 06 Nov 1994 08:49:37 GMT", null],
  ["Sun, 99 Nov 2094 08:49:37 GMT", null],
  [inSeconds(9).toISOString(), 9_000],
];

for (const [value, expected] of HEADER) {
  const shown = value.length > 40 ? `${value.slice(0, 5)}… (${value.length} digits)` : value;
  Deno.test(`parseRetryAfter() reads "${shown}" as ${expected === null ? "no usable time" : `${expected} ms`}`, () => {
    assert.equal(parse({ "retry-after": value }), expected);
  });
}

Deno.test("parseRetryAfter() prefers retry-after-ms, and falls back when it is junk", () => {
  assert.equal(parse({ "retry-after-ms": "1500", "retry-after": "9" }), 1_500);
  assert.equal(parse({ "retry-after-ms": "soon", "retry-after": "9" }), 9_000);
  assert.equal(parse({ "retry-after-ms": "-3", "retry-after": "9" }), 9_000);
});

Deno.test("parseRetryAfter() gives nothing when nothing is stated", () => {
  assert.equal(parse({}), null);
  assert.equal(parse({}, { error: { details: "none" } }), null);
});

Deno.test("parseRetryAfter() reads Gemini's RetryInfo, also inside the array of a stream", () => {
  const body = { error: { details: [{ reason: "X" }, null, { retryDelay: "34.5s" }] } };
  assert.equal(parse({}, body), 34_500);
  assert.equal(parse({}, [body]), 34_500);
  assert.equal(retryInfo({ error: { details: [{ retryDelay: "soon" }] } }), null);
  assert.equal(retryInfo({ error: { details: [{ retryDelay: 3 }] } }), null);
  assert.equal(retryInfo("text"), null);
});

Deno.test("parseRetryAfter() takes the header before the body, and the body before hints", () => {
  const body = { error: { details: [{ retryDelay: "3s" }] } };
  const hint = { "x-ratelimit-reset-requests": "9s" };
  assert.equal(parse({ "retry-after": "1", ...hint }, body), 1_000);
  assert.equal(parse(hint, body), 3_000);
  assert.equal(parse(hint), 9_000);
});

Deno.test("statedRetryAfter() ignores hints, which go with every answer", () => {
  assert.equal(statedRetryAfter(new Headers({ "x-ratelimit-reset-requests": "9s" }), null, NOW), null);
});

Deno.test("rateLimitReset() waits for the longest of the limits that are used up", () => {
  const headers = new Headers({
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-remaining-tokens": "120",
    "x-ratelimit-reset-tokens": "900ms",
    "anthropic-ratelimit-tokens-remaining": "0",
    "anthropic-ratelimit-tokens-reset": inSeconds(30).toISOString(),
  });
  assert.equal(rateLimitReset(headers, NOW), 360_000);
});

Deno.test("rateLimitReset() takes the shortest when none says that it is used up", () => {
  const headers = new Headers({ "x-ratelimit-reset-requests": "8s", "x-ratelimit-reset-tokens": "120ms" });
  assert.equal(rateLimitReset(headers, NOW), 120);
});

Deno.test("rateLimitReset() reads seconds, epoch seconds and epoch milliseconds", () => {
  const at = (value: string) => rateLimitReset(new Headers({ "x-ratelimit-reset": value }), NOW);
  assert.equal(at("12"), 12_000);
  assert.equal(at(String(NOW / 1_000 + 20)), 20_000);
  assert.equal(at(String(NOW + 1_234)), 1_234);
  assert.equal(at(String(NOW - 1)), null);
  assert.equal(at("tomorrow"), null);
  assert.equal(at(inSeconds(-1).toISOString()), null);
});

Deno.test("parseDuration() adds up units and refuses everything else", () => {
  assert.equal(parseDuration("1h2m3s4ms"), 3_723_004);
  assert.equal(parseDuration("1d"), 86_400_000);
  assert.equal(parseDuration(" 1.5S "), 1_500);
  for (const junk of ["", "5", "s", "1x", "-1s", "1s tail", "1..2s"]) assert.equal(parseDuration(junk), null);
});

Deno.test("retryAfterInMessage() reads what an error in a stream says in words", () => {
  assert.equal(retryAfterInMessage("Rate limit reached. Please try again in 1.2s. Visit"), 1_200);
  assert.equal(retryAfterInMessage("Please try again in 6m0s."), 360_000);
  assert.equal(retryAfterInMessage("try again in 20ms"), 20);
  assert.equal(retryAfterInMessage("try again in a while"), null);
  assert.equal(retryAfterInMessage(""), null);
});

Deno.test("parseRetryAfter() is never NaN, negative, zero or for ever, whatever the headers hold", () => {
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
  );
  fc.assert(fc.property(value, value, value, (a, b, c) => {
    const headers = { get: (name: string) => name === "retry-after" ? a : name === "retry-after-ms" ? b : c };
    const ms = parseRetryAfter(headers, null, NOW);
    assert.ok(ms === null || (Number.isSafeInteger(ms) && ms > 0 && ms <= RETRY_AFTER_MAX_MS), String(ms));
  }));
});
