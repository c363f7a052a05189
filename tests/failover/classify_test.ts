import assert from "node:assert/strict";
import fc from "fast-check";
import { classify } from "../../src/failover/classify.ts";
import { FAILURE_CLASSES, type FailureClass } from "../../src/failover/failure_class.ts";
import type { BadAnswerKind, Protocol, StatedError } from "../../src/failover/outcome.ts";
import { RULES } from "../../src/failover/vendor_errors.ts";
import { answer, ANSWERS, gemini, HTML, openai } from "./sample_answers.ts";
import { NOW } from "./samples.ts";

for (const [what, outcome, failure, reason] of ANSWERS) {
  Deno.test(`classify() takes ${what} as ${failure} (${reason})`, () => {
    const verdict = classify(outcome, NOW);
    assert.deepEqual([verdict.class, verdict.reason], [failure, reason]);
  });
}

Deno.test("classify() reads Retry-After for limits, overload and quota, and for nothing else", () => {
  const headers = new Headers({ "retry-after": "7" });
  const waits = [429, 503, 529, 402].map((status) =>
    classify(answer(status, null, { headers }), NOW).retryAfterMs
  );
  assert.deepEqual(waits, [7_000, 7_000, 7_000, 7_000]);
  const none = [400, 401, 404, 500, 502].map((status) =>
    classify(answer(status, null, { headers }), NOW).retryAfterMs
  );
  assert.deepEqual(none, [null, null, null, null, null]);
});

Deno.test("classify() takes rate-limit headers as a hint for a rate limit, but not for an overload", () => {
  const headers = new Headers({ "x-ratelimit-reset-requests": "12s" });
  assert.equal(classify(answer(429, null, { headers }), NOW).retryAfterMs, 12_000);
  assert.equal(classify(answer(503, null, { headers }), NOW).retryAfterMs, null);
});

Deno.test("classify() does not believe the seconds that Gemini states for a daily quota", () => {
  const details = [{ violations: [{ quotaId: "RequestsPerDay" }] }, { retryDelay: "34s" }];
  const body = gemini("RESOURCE_EXHAUSTED", "quota", details);
  assert.equal(classify(answer(429, body), NOW).retryAfterMs, null);
  assert.equal(
    classify(answer(429, body, { headers: new Headers({ "retry-after": "9" }) }), NOW).retryAfterMs,
    9_000,
  );
});

Deno.test("classify() says status, names and words of the vendor in one short line", () => {
  assert.equal(
    classify(
      answer(429, openai("insufficient_quota", "You exceeded\n  your quota", "insufficient_quota")),
      NOW,
    ).detail,
    "HTTP 429 insufficient_quota: You exceeded your quota",
  );
  assert.equal(classify(answer(502, null, HTML), NOW).detail, "HTTP 502: web page");
  assert.equal(
    classify(answer(502, null, { text: "service busy", contentType: "text/plain" }), NOW).detail,
    "HTTP 502: service busy",
  );
  assert.equal(classify(answer(502, {}), NOW).detail, "HTTP 502");
  assert.ok(classify(answer(500, openai(null, "x".repeat(5_000))), NOW).detail.length <= 300);
});

Deno.test("classify() knows a web page by its first bytes when its type lies", () => {
  const page = { contentType: "application/json", text: "\n <!DOCTYPE html><html>" };
  assert.equal(classify(answer(403, null, page), NOW).reason, "blocked_page");
});

// --- answers that are none ------------------------------------------------------------------------------------------

function badAnswer(what: BadAnswerKind, error?: StatedError) {
  return classify({ type: "bad_answer", what, error, detail: "seen" }, NOW);
}

const KINDS: readonly (readonly [BadAnswerKind, string])[] = [
  ["html", "html_answer"],
  ["empty", "empty_answer"],
  ["not_json", "answer_not_json"],
  ["error_body", "error_in_answer"],
  ["error_event", "error_in_stream"],
  ["no_output", "answer_without_output"],
  ["truncated", "answer_cut_off"],
  ["redirect", "redirect"],
  ["matched", "error_matcher"],
  ["too_large", "answer_too_large"],
  ["malformed", "answer_malformed"],
];

for (const [what, reason] of KINDS) {
  Deno.test(`classify() takes a 200 that is ${what} as bad_answer (${reason})`, () => {
    assert.deepEqual(badAnswer(what), { class: "bad_answer", reason, retryAfterMs: null, detail: "seen" });
  });
}

const STATED: readonly [what: string, error: StatedError, failure: FailureClass, reason: string][] = [
  ["a server error", { code: "server_error", message: "x" }, "bad_answer", "error_in_stream"],
  ["Anthropic's api_error", { type: "api_error" }, "bad_answer", "error_in_stream"],
  ["nothing known", { code: "strange", message: "x" }, "bad_answer", "error_in_stream"],
  ["nothing at all", {}, "bad_answer", "error_in_stream"],
  ["a status of a server failure", { code: 500 }, "bad_answer", "error_in_stream"],
  ["a redirect's status", { status: 302 }, "bad_answer", "error_in_stream"],
  ["a number that is no status", { status: 4_711 }, "bad_answer", "error_in_stream"],
  ["Anthropic's overload", { type: "overloaded_error" }, "overload", "overloaded"],
  ["OpenAI's overload", { code: "server_is_overloaded" }, "overload", "overloaded"],
  ["a relayed 503", { code: 503, type: "server_error" }, "overload", "unavailable"],
  ["a rate limit", { code: "rate_limit_exceeded" }, "rate_limit", "rate_limited"],
  ["a relayed 429", { code: 429 }, "rate_limit", "rate_limited"],
  ["an empty account", { code: "insufficient_quota" }, "quota", "quota_exhausted"],
  ["a refused key", { code: "invalid_api_key" }, "credential", "key_refused"],
  ["a relayed 401", { status: 401 }, "credential", "key_refused"],
  ["an unknown model", { code: "model_not_found" }, "no_model", "model_not_found"],
  ["a prompt that is too long", { code: "context_length_exceeded" }, "caller_fault", "context_too_long"],
  ["a refused prompt", { code: "invalid_prompt" }, "caller_fault", "content_refused"],
  ["a bad image", { code: "invalid_base64_image" }, "caller_fault", "invalid_request"],
  ["a bad request", { type: "invalid_request_error" }, "caller_fault", "invalid_request"],
  ["a relayed 400", { code: 400 }, "caller_fault", "invalid_request"],
];

for (const [what, error, failure, reason] of STATED) {
  Deno.test(`classify() takes a stream that begins with ${what} as ${failure} (${reason})`, () => {
    const verdict = badAnswer("error_event", error);
    assert.deepEqual([verdict.class, verdict.reason], [failure, reason]);
  });
}

Deno.test("classify() treats an error as the whole body like one in a stream", () => {
  assert.equal(badAnswer("error_body", { code: "invalid_api_key" }).class, "credential");
  assert.equal(badAnswer("error_body", { code: "server_error" }).reason, "error_in_answer");
});

Deno.test("classify() reads the time of a limit in a stream from its text", () => {
  const error = { code: "rate_limit_exceeded", message: "Please try again in 1.5s." };
  assert.equal(badAnswer("error_event", error).retryAfterMs, 1_500);
  assert.equal(badAnswer("error_event", { ...error, code: "insufficient_quota" }).retryAfterMs, null);
});

Deno.test("classify() lets the operator's error matcher win over what the answer says", () => {
  assert.equal(badAnswer("matched", { code: "invalid_request_error" }).class, "bad_answer");
});

// --- no answer ------------------------------------------------------------------------------------------------------

Deno.test("classify() takes what ended without an answer as what it is", () => {
  const network = classify({ type: "network", detail: "connection refused" }, NOW);
  assert.deepEqual(network, {
    class: "network",
    reason: "unreachable",
    retryAfterMs: null,
    detail: "connection refused",
  });
  assert.equal(classify({ type: "client_gone" }, NOW).class, "client_gone");
  const fault = classify({ type: "gateway_fault", detail: "bug" }, NOW);
  assert.deepEqual([fault.class, fault.detail], ["gateway_fault", "bug"]);
});

const PHASES = [
  ["connect", "connect_timeout"],
  ["headers", "header_timeout"],
  ["first_token", "first_token_timeout"],
  ["body", "body_timeout"],
  ["idle", "idle_timeout"],
  ["deadline", "deadline"],
] as const;

for (const [phase, reason] of PHASES) {
  Deno.test(`classify() names the ${phase} timeout ${reason}`, () => {
    const verdict = classify({ type: "timeout", phase, afterMs: 3_000.4 }, NOW);
    assert.deepEqual([verdict.class, verdict.reason], ["timeout", reason]);
    assert.match(verdict.detail, /3000 ms/);
  });
}

// --- the table ------------------------------------------------------------------------------------------------------

Deno.test("RULES give every reason one class, except where the vendor's words do not decide it", () => {
  const classes = new Map<string, Set<FailureClass>>();
  for (const { reason, class: failure } of RULES) {
    classes.set(reason, (classes.get(reason) ?? new Set()).add(failure));
  }
  assert.deepEqual([...classes].filter(([, set]) => set.size > 1).map(([reason]) => reason), []);
});

Deno.test("RULES have lower-case names, a reason why, and no name in vain", () => {
  for (const { names = [], why, reason } of RULES) {
    assert.ok(why.length > 10, reason);
    assert.match(reason, /^[a-z][a-z_]+$/);
    for (const name of names) assert.equal(name, name.toLowerCase());
  }
});

Deno.test("RULES are reachable: none is hidden behind one above it", () => {
  const seen = new Set<string>();
  for (const { names = [], on } of RULES) {
    for (const name of names) {
      for (const [from] of on) {
        const place = `${name} at ${from}`;
        assert.ok(!seen.has(place), `${place} stands twice`);
        seen.add(place);
      }
    }
  }
});

Deno.test("classify() finds a class for every status and any body, and never blames a provider for a plain 4xx", () => {
  const protocol = fc.constantFrom<Protocol>("openai", "openai-res", "anthropic", "gemini");
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.jsonValue(), protocol, (status, body, spoken) => {
      const verdict = classify(answer(status, body, { protocol: spoken }), NOW);
      assert.ok(verdict.class in FAILURE_CLASSES);
      if ([400, 404, 405, 409, 411, 413, 415, 422].includes(status)) {
        assert.equal(FAILURE_CLASSES[verdict.class].providerFailure, false);
      }
    }),
  );
});
