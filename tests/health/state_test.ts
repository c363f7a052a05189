import assert from "node:assert/strict";
import fc from "fast-check";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import type { Verdict } from "../../src/failover/verdict.ts";
import {
  DEFAULT_HEALTH_CONFIG,
  type HealthConfig,
  type HealthEvent,
  type HealthObservation,
  isDue,
  observationOf,
  observe,
  type ProviderHealth,
  RELAPSE_MAX_MS,
  STABLE_SUCCESSES,
  type StatusContext,
  statusOf,
  UNOBSERVED,
} from "../../src/health/state.ts";

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const CONFIG = DEFAULT_HEALTH_CONFIG;

function seen(fields: Partial<HealthObservation> = {}): HealthObservation {
  return { source: "traffic", result: "ok", statusCode: 200, latencyMs: 12, error: null, at: NOW, ...fields };
}

const FAILED: Partial<HealthObservation> = { result: "failed", statusCode: 502, error: "bad gateway" };

function after(
  observations: readonly Partial<HealthObservation>[],
  config: HealthConfig = CONFIG,
  start?: ProviderHealth,
): { state: ProviderHealth; events: HealthEvent[] } {
  let state = start;
  const events: HealthEvent[] = [];
  for (const each of observations) {
    const step = observe(state, seen(each), config);
    state = step.state;
    events.push(...step.events);
  }
  return { state: state ?? UNOBSERVED, events };
}

const times = <T>(count: number, each: T): T[] => new Array<T>(count).fill(each);

Deno.test("observe() counts failures in a row and keeps the last one's reason", () => {
  const { state, events } = after(times(4, FAILED));
  assert.equal(state.errorCount, 4);
  assert.equal(state.isHealthy, true);
  assert.equal(state.lastError, "bad gateway");
  assert.equal(state.lastStatusCode, 502);
  assert.deepEqual(events, []);
});

Deno.test("observe() makes a provider unhealthy with max_error_count failures in a row, until retry_after_hours later", () => {
  const { state, events } = after(times(5, FAILED));
  assert.equal(state.isHealthy, false);
  assert.equal(state.nextRetryAt, NOW + HOUR);
  assert.deepEqual(events, ["became_unhealthy"]);
});

Deno.test("observe() lets retry_after_minutes override the hours", () => {
  const { state } = after(times(5, FAILED), { ...CONFIG, retryAfterMinutes: 3 });
  assert.equal(state.nextRetryAt, NOW + 3 * MINUTE);
});

for (const source of ["probe", "forced", "traffic"] as const) {
  Deno.test(`observe() makes an unhealthy provider healthy by any success: ${source}`, () => {
    const { state, events } = after([...times(5, FAILED), { source, at: NOW + 5, latencyMs: 80 }]);
    assert.equal(state.isHealthy, true);
    assert.equal(state.errorCount, 0);
    assert.equal(state.lastError, null);
    assert.equal(state.nextRetryAt, null);
    assert.equal(state.lastSuccessAt, NOW + 5);
    assert.equal(state.lastLatencyMs, 80);
    assert.deepEqual(events, ["became_unhealthy", "became_healthy"]);
  });
}

Deno.test("observe() clears the errors with one success: failures that are not in a row never add up", () => {
  const { state, events } = after(times(9, [...times(4, FAILED), {}]).flat());
  assert.equal(state.isHealthy, true);
  assert.deepEqual(events, []);
});

Deno.test("observe() counts successes in a row, which a failure ends", () => {
  assert.equal(after([{}, {}, {}]).state.consecutiveSuccesses, 3);
  assert.equal(after([{}, {}, FAILED]).state.consecutiveSuccesses, 0);
});

Deno.test("observe() takes a neutral observation as neither: it adds no error and clears none", () => {
  const neutral = { result: "neutral", statusCode: 429, at: NOW + 7 } as const;
  const { state, events } = after([FAILED, FAILED, neutral]);
  assert.equal(state.errorCount, 2);
  assert.equal(state.lastError, "bad gateway");
  assert.equal(state.lastStatusCode, 429);
  assert.equal(state.lastCheckedAt, NOW + 7);
  assert.deepEqual(events, []);
  assert.equal(after([...times(5, FAILED), neutral]).state.isHealthy, false);
});

Deno.test("observe() keeps the last known status and latency when an observation has none", () => {
  const { state } = after([{ latencyMs: 40 }, { latencyMs: null, statusCode: null }]);
  assert.equal(state.lastStatusCode, 200);
  assert.equal(state.lastLatencyMs, 40);
});

Deno.test("observe() gives a failure without a reason one", () => {
  assert.equal(after([{ result: "failed" }]).state.lastError, "failed");
});

Deno.test("observe() tells probes from traffic, so that traffic does not put probes off", () => {
  assert.equal(after([{}]).state.lastProbeAt, null);
  assert.equal(after([{ source: "probe" }]).state.lastProbeAt, NOW);
  assert.equal(after([{ source: "forced" }, { at: NOW + 9 }]).state.lastProbeAt, NOW);
});

Deno.test("observe() does not let failing last-resort traffic push the next try away for ever", () => {
  const down = after(times(5, FAILED)).state;
  assert.equal(after([{ ...FAILED, at: NOW + 9 * MINUTE }], CONFIG, down).state.nextRetryAt, NOW + HOUR);
  assert.equal(after([{ ...FAILED, at: NOW + HOUR }], CONFIG, down).state.nextRetryAt, NOW + 2 * HOUR);
  assert.equal(
    after([{ ...FAILED, at: NOW }], CONFIG, { ...down, nextRetryAt: null }).state.nextRetryAt,
    NOW + HOUR,
  );
});

Deno.test("observe() begins a new wait when a probe or a forced check of an unhealthy provider fails", () => {
  const down = after(times(5, FAILED)).state;
  for (const source of ["probe", "forced"] as const) {
    const { state, events } = after([{ ...FAILED, source, at: NOW + MINUTE }], CONFIG, down);
    assert.equal(state.nextRetryAt, NOW + MINUTE + HOUR);
    assert.deepEqual(events, []);
  }
});

Deno.test("observe() asks an unhealthy provider again after the interval when a probe was told that it is busy", () => {
  const down = after(times(5, FAILED)).state;
  const busy = { result: "neutral", source: "probe", at: NOW + HOUR } as const;
  assert.equal(after([busy], CONFIG, down).state.nextRetryAt, NOW + HOUR + 5 * MINUTE);
  assert.equal(after([{ ...busy, at: NOW }], CONFIG, down).state.nextRetryAt, NOW + HOUR);
  assert.equal(
    after([{ ...busy, at: NOW }], CONFIG, { ...down, nextRetryAt: null }).state.nextRetryAt,
    NOW + 5 * MINUTE,
  );
  assert.equal(after([{ ...busy, source: "traffic" }], CONFIG, down).state.nextRetryAt, NOW + HOUR);
});

Deno.test("observe() doubles the wait each time that a provider falls back after a mere probe, up to a day", () => {
  let state: ProviderHealth | undefined;
  let at = NOW;
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    state = after([...times(5, { ...FAILED, at })], CONFIG, state).state;
    const { nextRetryAt } = state;
    assert.ok(nextRetryAt !== null);
    waits.push((nextRetryAt - at) / HOUR);
    at = nextRetryAt;
    state = after([{ source: "probe", at }], CONFIG, state).state;
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 24, 24]);
});

Deno.test("observe() never shortens the operator's own wait by the limit on relapses", () => {
  const config = { ...CONFIG, retryAfterHours: 48 };
  const relapsed = { ...UNOBSERVED, recoveredAt: NOW, relapses: 3 };
  assert.equal(
    after(times(5, { ...FAILED, at: NOW + 1 }), config, relapsed).state.nextRetryAt,
    NOW + 1 + 48 * HOUR,
  );
});

const RELAPSED: ProviderHealth = { ...UNOBSERVED, recoveredAt: NOW - HOUR, relapses: 3 };

Deno.test("observe() believes a recovery after ten successes of real traffic in a row", () => {
  const nine = after(times(STABLE_SUCCESSES - 1, {}), CONFIG, RELAPSED).state;
  assert.equal(nine.relapses, 3);
  assert.equal(after([FAILED], CONFIG, nine).state.trafficSuccesses, 0);
  const ten = after([{}], CONFIG, nine).state;
  assert.equal(ten.relapses, 0);
  assert.equal(ten.recoveredAt, null);
  assert.equal(
    after(times(STABLE_SUCCESSES, { source: "probe" } as const), CONFIG, RELAPSED).state.relapses,
    3,
  );
});

Deno.test("observe() forgives relapses after a day, and when the operator's forced check passes", () => {
  const long = { ...RELAPSED, recoveredAt: NOW - RELAPSE_MAX_MS };
  assert.equal(after(times(5, FAILED), CONFIG, long).state.nextRetryAt, NOW + HOUR);
  assert.equal(after([{ source: "forced" }], CONFIG, RELAPSED).state.relapses, 0);
});

// --- what a verdict says ---------------------------------------------------------------------------------------------

function resultOf(failure: FailureClass, noKeyLeft = false, source: "traffic" | "probe" = "traffic"): string {
  const verdict: Verdict = { class: failure, reason: "r", retryAfterMs: null, detail: "d" };
  return observationOf(verdict, { source, at: NOW, noKeyLeft }).result;
}

Deno.test("observationOf() takes a success as ok", () => {
  assert.deepEqual(
    observationOf(null, { source: "traffic", at: NOW, statusCode: 200, latencyMs: 7 }),
    seen({ latencyMs: 7 }),
  );
});

for (const failure of ["overload", "server", "network", "timeout", "bad_answer"] as const) {
  Deno.test(`observationOf() takes ${failure} as a failure`, () => assert.equal(resultOf(failure), "failed"));
}

for (
  const neutral of [
    "caller_fault",
    "rate_limit",
    "quota",
    "no_model",
    "client_gone",
    "gateway_fault",
  ] as const
) {
  Deno.test(`observationOf() takes ${neutral} as neither success nor failure`, () => {
    assert.equal(resultOf(neutral), "neutral");
    assert.equal(resultOf(neutral, true, "probe"), "neutral");
  });
}

Deno.test("observationOf() blames the provider for a refused key only when no key is left, or a probe met it", () => {
  assert.equal(resultOf("credential"), "neutral");
  assert.equal(resultOf("credential", true), "failed");
  assert.equal(resultOf("credential", false, "probe"), "failed");
});

Deno.test("observationOf() takes it that keys are left unless it is told otherwise", () => {
  const verdict: Verdict = { class: "credential", reason: "r", retryAfterMs: null, detail: "d" };
  assert.equal(observationOf(verdict, { source: "traffic", at: NOW }).result, "neutral");
});

Deno.test("observationOf() says why", () => {
  const verdict: Verdict = { class: "server", reason: "r", retryAfterMs: null, detail: "HTTP 502" };
  const observation = observationOf(verdict, { source: "probe", at: NOW });
  assert.deepEqual(observation, {
    source: "probe",
    result: "failed",
    statusCode: null,
    latencyMs: null,
    error: "HTTP 502",
    at: NOW,
  });
});

// --- status ----------------------------------------------------------------------------------------------------------

const GOOD: ProviderHealth = after([{}]).state;
const QUIET: StatusContext = {
  enabled: true,
  cooling: false,
  badKey: false,
  successes24h: 0,
  failures24h: 0,
};
const status = (state: ProviderHealth | undefined, context: Partial<StatusContext> = {}) =>
  statusOf(state, { ...QUIET, ...context });

Deno.test("statusOf() shows what the operator has switched off as disabled, whatever was observed", () => {
  assert.equal(status(after(times(5, FAILED)).state, { enabled: false, cooling: true }), "disabled");
  assert.equal(status(undefined, { enabled: false }), "disabled");
});

Deno.test("statusOf() is unhealthy before it is degraded", () => {
  assert.equal(status(after(times(5, FAILED)).state, { cooling: true }), "unhealthy");
});

Deno.test("statusOf() is degraded by errors in a row, cooling, a bad key or a low success rate", () => {
  assert.equal(status(after([FAILED]).state), "degraded");
  assert.equal(status(GOOD, { cooling: true }), "degraded");
  assert.equal(status(GOOD, { badKey: true }), "degraded");
  assert.equal(status(GOOD, { successes24h: 89, failures24h: 11 }), "degraded");
  assert.equal(status(undefined, { badKey: true }), "degraded");
});

Deno.test("statusOf() takes a rate only from ten requests on", () => {
  assert.equal(status(GOOD, { successes24h: 0, failures24h: 9 }), "healthy");
  assert.equal(status(GOOD, { successes24h: 8, failures24h: 2 }), "degraded");
  assert.equal(status(GOOD, { successes24h: 9, failures24h: 1 }), "healthy");
});

Deno.test("statusOf() is unknown until something was observed", () => {
  assert.equal(status(undefined), "unknown");
  assert.equal(status(UNOBSERVED), "unknown");
  assert.equal(status(GOOD), "healthy");
});

// --- sweep -----------------------------------------------------------------------------------------------------------

const PROBED: ProviderHealth = { ...UNOBSERVED, lastProbeAt: NOW, lastCheckedAt: NOW };

Deno.test("isDue() is never true while the sweep is off", () => {
  assert.equal(isDue(undefined, { ...CONFIG, enabled: false }, NOW), false);
});

Deno.test("isDue() is true for what no probe has seen", () => {
  assert.equal(isDue(undefined, CONFIG, NOW), true);
  assert.equal(isDue(UNOBSERVED, CONFIG, NOW), true);
});

Deno.test("isDue() waits for the interval since the last probe", () => {
  assert.equal(isDue(PROBED, CONFIG, NOW + 5 * MINUTE - 1), false);
  assert.equal(isDue(PROBED, CONFIG, NOW + 5 * MINUTE), true);
});

Deno.test("isDue() takes recent successful traffic for a probe, unless that is switched off", () => {
  const busy = { ...PROBED, lastSuccessAt: NOW + 5 * MINUTE };
  assert.equal(isDue(busy, CONFIG, NOW + 6 * MINUTE), false);
  assert.equal(isDue(busy, { ...CONFIG, skipIfRecentSuccess: false }, NOW + 6 * MINUTE), true);
  const { skipIfRecentSuccess: _, ...byDefault } = CONFIG;
  assert.equal(isDue(busy, byDefault, NOW + 6 * MINUTE), false);
});

Deno.test("isDue() waits for next_retry_at of an unhealthy provider, whatever the interval", () => {
  const down = after(times(5, FAILED)).state;
  assert.equal(isDue(down, CONFIG, NOW + HOUR - 1), false);
  assert.equal(isDue(down, CONFIG, NOW + HOUR), true);
  assert.equal(isDue({ ...down, nextRetryAt: null }, CONFIG, NOW), true);
});

Deno.test("isDue() does not wait for a clock that was set back to catch up", () => {
  assert.equal(isDue({ ...PROBED, lastProbeAt: NOW + HOUR }, CONFIG, NOW), true);
});

// --- properties ------------------------------------------------------------------------------------------------------

const observation = fc.record({
  source: fc.constantFrom("probe" as const, "forced" as const, "traffic" as const),
  result: fc.constantFrom("ok" as const, "failed" as const, "neutral" as const),
  afterMs: fc.nat(HOUR),
});

Deno.test("observe() keeps its word on any course of events", () => {
  fc.assert(
    fc.property(
      fc.array(observation, { maxLength: 60 }),
      fc.integer({ min: 1, max: 6 }),
      (course, maxErrorCount) => {
        const config = { ...CONFIG, maxErrorCount };
        let state: ProviderHealth = UNOBSERVED;
        let at = NOW;
        for (const { source, result, afterMs } of course) {
          at += afterMs;
          const wasHealthy = state.isHealthy;
          const step = observe(state, seen({ source, result, at }), config);
          state = step.state;
          if (result === "ok") {
            assert.ok(
              state.isHealthy && state.errorCount === 0 && state.nextRetryAt === null,
            );
          }
          if (result === "failed") {
            assert.equal(
              state.isHealthy,
              wasHealthy && state.errorCount < maxErrorCount,
            );
          }
          if (result === "neutral") assert.equal(state.isHealthy, wasHealthy);
          // An unhealthy provider always has a next try within a day or the operator's own wait.
          if (!state.isHealthy) {
            assert.ok(
              state.nextRetryAt !== null && state.nextRetryAt <= at + RELAPSE_MAX_MS,
            );
          }
          assert.equal(step.events.length, state.isHealthy === wasHealthy ? 0 : 1);
        }
      },
    ),
  );
});
