import assert from "node:assert/strict";
import type { NoRoute, Route } from "../../src/failover/candidates.ts";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import { finalWord } from "../../src/failover/final_word.ts";
import { afterAttempt, emptyWalk, type Walk } from "../../src/failover/walk.ts";
import { NOW, route, SampleView, verdict } from "./samples.ts";

const ROUTES = [route(1), route(2), route(3)];

/** A walk over p1, p2, p3 … that ended so; `+` = its answer can be passed on. */
function walked(...ends: readonly (FailureClass | `${FailureClass}+`)[]): Walk {
  return ends.reduce<Walk>((walk, end, i) => {
    const failure = end.replace("+", "") as FailureClass;
    const pick = { route: route(i + 1), key: { id: `k${i + 1}`, weight: 1 } };
    return afterAttempt(walk, pick, verdict(failure), end.endsWith("+"));
  }, emptyWalk);
}

function word(walk: Walk, view = new SampleView(), routes: readonly Route[] = ROUTES, noRoute?: NoRoute) {
  return finalWord(walk, { routes, view, now: NOW, trialUnhealthy: false, noRoute });
}

function gatewayError(walk: Walk, view?: SampleView, routes?: readonly Route[], noRoute?: NoRoute) {
  const final = word(walk, view, routes, noRoute);
  assert.ok(final.type === "gateway_error", JSON.stringify(final));
  return final;
}

/** All keys cool until then. */
function cooling(...untils: readonly number[]): SampleView {
  const view = new SampleView();
  for (const [i, until] of untils.entries()) {
    view.withKey(`k${i + 1}`, { cooldown: { until, setAt: NOW, hits: 1 } });
  }
  return view;
}

Deno.test("finalWord() passes a caller's fault on unchanged", () => {
  assert.deepEqual(word(walked("server+", "caller_fault+")), {
    type: "pass_on",
    attempt: 1,
    retryAfterMs: null,
  });
});

Deno.test("finalWord() says a caller's fault in its own words when the answer cannot be passed on", () => {
  const final = gatewayError(walked("caller_fault"));
  assert.deepEqual([final.status, final.code], [400, "request_refused"]);
  assert.match(final.message, /p1/);
});

Deno.test("finalWord() says nothing to a client that is gone", () => {
  assert.deepEqual(word(walked("server+", "client_gone")), { type: "client_gone" });
});

Deno.test("finalWord() owns up to a bug of the gateway with 500", () => {
  const final = gatewayError(walked("server+", "gateway_fault"));
  assert.deepEqual([final.status, final.code], [500, "gateway_fault"]);
});

for (const failure of ["rate_limit", "overload", "server"] as const) {
  Deno.test(`finalWord() passes on the last answer that says something to the caller: ${failure}`, () => {
    const final = word(walked("server+", `${failure}+`, "network", "credential+"));
    assert.ok(final.type === "pass_on");
    assert.equal(final.attempt, 1);
  });
}

for (const failure of ["credential", "quota", "no_model", "bad_answer"] as const) {
  Deno.test(`finalWord() never passes on a ${failure}`, () => {
    assert.equal(gatewayError(walked(`${failure}+`)).status, 502);
  });
}

Deno.test("finalWord() does not pass on a web page: it answers 502 in its own words", () => {
  assert.equal(gatewayError(walked("server", "overload")).status, 502);
});

Deno.test("finalWord() answers 504 when all attempts timed out, and 502 when only some did", () => {
  const all = gatewayError(walked("timeout", "timeout"));
  assert.deepEqual([all.status, all.code], [504, "all_providers_timed_out"]);
  const some = gatewayError(walked("timeout", "network"));
  assert.deepEqual([some.status, some.code], [502, "all_providers_failed"]);
});

Deno.test("finalWord() answers 502 when every key was refused: never a 401", () => {
  const final = gatewayError(walked("credential+", "credential+"));
  assert.deepEqual([final.status, final.code], [502, "provider_credentials_refused"]);
});

Deno.test("finalWord() answers 502 when no provider knows the model under its upstream name", () => {
  const final = gatewayError(walked("no_model", "no_model"));
  assert.deepEqual([final.status, final.code], [502, "model_not_at_provider"]);
});

Deno.test("finalWord() answers 429 with the soonest time when every provider is rate limited", () => {
  const final = gatewayError(
    walked("rate_limit", "rate_limit", "rate_limit"),
    cooling(NOW + 9_000, NOW + 4_000, NOW + 7_000),
  );
  assert.deepEqual([final.status, final.code, final.retryAfterMs], [
    429,
    "all_providers_rate_limited",
    4_000,
  ]);
});

Deno.test("finalWord() gives every 429 a time to come back, also when the pause is over already", () => {
  assert.equal(gatewayError(walked("rate_limit")).retryAfterMs, 1_000);
  const passed = word(walked("rate_limit+"));
  assert.ok(passed.type === "pass_on");
  assert.equal(passed.retryAfterMs, 1_000);
});

Deno.test("finalWord() answers 503 with a time when all are limited, overloaded or out of quota", () => {
  const final = gatewayError(
    walked("rate_limit", "quota", "overload"),
    cooling(NOW + 9_000, NOW + 4_000, NOW + 7_000),
  );
  assert.deepEqual([final.status, final.code, final.retryAfterMs], [503, "all_providers_cooling", 4_000]);
});

Deno.test("finalWord() adds the time to come back to an answer that it passes on, for limits and overload only", () => {
  const view = cooling(NOW + 9_000, NOW + 4_000, NOW + 7_000);
  const times = (["rate_limit+", "overload+", "server+"] as const).map((end) => {
    const final = word(walked(end), view);
    return final.type === "pass_on" ? final.retryAfterMs : undefined;
  });
  assert.deepEqual(times, [4_000, 4_000, null]);
});

Deno.test("finalWord() takes no unhealthy provider's retry for a time to come back", () => {
  const view = cooling(NOW + 9_000).withUnhealthy(2, NOW + 1_000);
  const final = gatewayError(walked("rate_limit", "quota"), view, [route(1), route(2)]);
  assert.equal(final.retryAfterMs, 9_000);
});

for (
  const [noRoute, text] of [
    ["no_association", /configured/],
    ["all_off", /switched off/],
    ["no_protocol", /protocol/],
    ["no_capability", /tools, structured output or images/],
    ["no_key", /key/],
    [undefined, /at the moment/],
  ] as const
) {
  Deno.test(`finalWord() answers 503 with the reason when there is nobody to try: ${noRoute ?? "not stated"}`, () => {
    const final = gatewayError(emptyWalk, new SampleView(), [], noRoute);
    assert.deepEqual([final.status, final.code], [503, "no_provider"]);
    assert.match(final.message, text);
    assert.deepEqual(final.tried, []);
  });
}

Deno.test("finalWord() answers 504 when the time was over before the first attempt", () => {
  const final = gatewayError(emptyWalk);
  assert.deepEqual([final.status, final.code], [504, "all_providers_timed_out"]);
});

Deno.test("finalWord() still tells what was tried when the operator has switched all off meanwhile", () => {
  const final = gatewayError(walked("server"), new SampleView(), []);
  assert.equal(final.status, 502);
  assert.match(final.message, /p1/);
});

Deno.test("finalWord() names providers, classes and reasons, and quotes no vendor", () => {
  const final = gatewayError(walked("network", "credential+"));
  assert.deepEqual(final.tried, [
    { provider: "p1", class: "network", reason: "some_network" },
    { provider: "p2", class: "credential", reason: "some_credential" },
  ]);
  assert.match(final.message, /p1 \(network: some_network\), p2 \(credential: some_credential\)/);
  assert.doesNotMatch(JSON.stringify(final), /detail of|k1|k2/);
});
