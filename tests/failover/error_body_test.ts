import assert from "node:assert/strict";
import fc from "fast-check";
import { readErrorBody, readStatedError } from "../../src/failover/error_body.ts";

function names(body: unknown): string[] {
  return [...readErrorBody(body).names];
}

Deno.test("readErrorBody() reads the shape of every protocol", () => {
  const openai = {
    error: { message: "No", type: "invalid_request_error", param: null, code: "invalid_api_key" },
  };
  assert.deepEqual(names(openai), ["invalid_api_key", "invalid_request_error"]);
  assert.equal(readErrorBody(openai).message, "No");
  assert.deepEqual(names({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }), [
    "overloaded_error",
  ]);
  const gemini = {
    error: { code: 400, status: "INVALID_ARGUMENT", details: [{ reason: "API_KEY_INVALID" }, 7] },
  };
  assert.deepEqual(names(gemini), ["invalid_argument", "api_key_invalid"]);
  assert.equal(readErrorBody(gemini).status, 400);
  assert.deepEqual(names([gemini]), ["invalid_argument", "api_key_invalid"]);
  const azure = { error: { code: "content_filter", innererror: { code: "ResponsibleAIPolicyViolation" } } };
  assert.deepEqual(names(azure), ["content_filter", "responsibleaipolicyviolation"]);
});

Deno.test("readErrorBody() reads errors without an object of their own", () => {
  const bare = { object: "error", message: "Invalid model: x", type: "invalid_model", code: "1500" };
  assert.deepEqual(names(bare), ["1500", "invalid_model"]);
  const text = readErrorBody({
    code: "Client specified an invalid argument",
    error: "Incorrect API key provided",
  });
  assert.deepEqual([...text.names], ["client specified an invalid argument"]);
  assert.equal(text.message, "Incorrect API key provided");
  assert.equal(readErrorBody({ detail: "Not Found" }).message, "Not Found");
});

Deno.test("readErrorBody() reads a code beside the error object", () => {
  assert.deepEqual(names({ code: "slow_down", error: { message: "x" } }), ["slow_down"]);
});

Deno.test("readErrorBody() takes an HTTP status in a code as a status, and other numbers as a vendor's name", () => {
  assert.equal(readErrorBody({ error: { code: "401" } }).status, 401);
  assert.deepEqual(names({ error: { code: 404 } }), []);
  assert.deepEqual(names({ error: { code: 1113 } }), ["1113"]);
  assert.deepEqual(names({ error: { code: "" } }), []);
});

Deno.test("readErrorBody() finds a limit by the day in both of Gemini's places", () => {
  const failure = { violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] };
  assert.equal(readErrorBody({ error: { details: [failure] } }).dailyQuota, true);
  assert.equal(
    readErrorBody({ error: { details: [{ violations: [{ quotaId: "RequestsPerMinute" }, {}] }] } })
      .dailyQuota,
    false,
  );
  const info = { reason: "RATE_LIMIT_EXCEEDED", metadata: { quota_limit: "Gemini25ProRequestsPerDay" } };
  assert.equal(readErrorBody({ error: { details: [info] } }).dailyQuota, true);
});

Deno.test("readErrorBody() finds OpenRouter's moderation", () => {
  assert.deepEqual(names({ error: { code: 403, metadata: { reasons: ["violence"] } } }), [
    "metadata.reasons",
  ]);
});

Deno.test("readErrorBody() takes any JSON value without complaint", () => {
  for (const body of [null, 7, "text", [], {}, { error: null }, { error: [] }]) {
    assert.deepEqual(names(body), []);
  }
  fc.assert(fc.property(fc.jsonValue(), (body) => {
    assert.equal(typeof readErrorBody(body).message, "string");
  }));
});

Deno.test("readStatedError() reads names, status and text of an error inside an answer", () => {
  const read = readStatedError({ code: "server_is_overloaded", type: "error", message: "busy", status: 503 });
  assert.deepEqual([...read.names], ["server_is_overloaded", "error"]);
  assert.equal(read.status, 503);
  assert.equal(read.message, "busy");
  assert.equal(readStatedError({ code: 429 }).status, 429);
  assert.equal(readStatedError({}).status, null);
  assert.equal(readStatedError({}).message, "");
});
