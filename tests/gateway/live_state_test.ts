import assert from "node:assert/strict";
import fc from "fast-check";
import type { Route } from "../../src/failover/candidates.ts";
import { afterAttempt, emptyWalk, type Pick, step, type StepInput } from "../../src/failover/decide.ts";
import { FAILURE_CLASSES, type FailureClass } from "../../src/failover/failure_class.ts";
import { type AttemptHandle, LiveState } from "../../src/gateway/live_state.ts";
import { DEFAULT_HEALTH_CONFIG, UNOBSERVED } from "../../src/health/state.ts";
import { NOW, route, seeded, stepInput, verdict } from "../failover/samples.ts";

const ONE = route(1);
const PICK: Pick = { route: ONE, key: { id: "k1", weight: 1 }, tier: "ready", trial: false };
const TRIAL: Pick = { ...PICK, trial: true };
const CLASSES = Object.keys(FAILURE_CLASSES) as FailureClass[];

function picked(live: LiveState, routes: readonly Route[], fields: Partial<StepInput> = {}): Pick {
  const next = step(emptyWalk, stepInput(routes, { view: live, ...fields }));
  assert.ok(next.type === "attempt");
  return next.pick;
}

/** Fails one attempt. */
function fail(live: LiveState, failure: FailureClass, now = NOW, retryAfterMs: number | null = null): void {
  live.ended(live.started(PICK, now), verdict(failure, retryAfterMs), {}, now);
}

Deno.test("started() counts the attempt in flight, for the day, and as a use of the key", () => {
  const live = new LiveState();
  live.started(PICK, NOW);
  live.started(PICK, NOW + 1);
  assert.equal(live.association(1)?.inFlight, 2);
  assert.equal(live.association(1)?.usedToday, 2);
  assert.equal(live.key("k1")?.useCount, 2);
  assert.equal(live.key("k1")?.lastUsedAt, NOW + 1);
});

Deno.test("started() stores the turns that come with the pick", () => {
  const live = new LiveState();
  const order: number[] = [];
  for (let i = 0; i < 4; i++) {
    const pick = picked(live, [route(1), route(2)], { strategy: "round_robin" });
    order.push(pick.route.associationId);
    live.started(pick, NOW);
  }
  assert.deepEqual(order, [1, 2, 1, 2]);
  assert.equal(live.rotation(1)?.size, 2);
});

Deno.test("started() makes the keys of a provider take turns", () => {
  const live = new LiveState();
  const keys = ["a", "b"].map((id) => ({ id, weight: 1 }));
  const order = [1, 2, 3, 4].map(() => {
    const pick = picked(live, [route(1, { keys })]);
    live.started(pick, NOW);
    return pick.key.id;
  });
  assert.deepEqual(order, ["a", "b", "a", "b"]);
  assert.equal(live.keyRotation(1)?.size, 2);
});

for (const failure of [null, ...CLASSES]) {
  Deno.test(`ended() gives the trial slot back, whatever the trial ended in: ${failure ?? "success"}`, () => {
    const live = new LiveState();
    const handle = live.started(TRIAL, NOW);
    assert.equal(live.association(1)?.trials, 1);
    assert.equal(live.key("k1")?.trials, 1);
    live.ended(handle, failure === null ? null : verdict(failure), {}, NOW + 1);
    assert.equal(live.association(1)?.trials, 0);
    assert.equal(live.key("k1")?.trials, 0);
    assert.equal(live.association(1)?.inFlight, 0);
  });
}

Deno.test("ended() counts an attempt's end once", () => {
  const live = new LiveState();
  const first = live.started(TRIAL, NOW);
  live.started(TRIAL, NOW);
  assert.ok(live.ended(first, null, {}, NOW) !== null);
  assert.equal(live.ended(first, verdict("server"), {}, NOW), null);
  live.answered(first, 5);
  assert.equal(live.association(1)?.inFlight, 1);
  assert.equal(live.association(1)?.trials, 1);
  assert.equal(live.association(1)?.breaker.failures, 0);
  assert.equal(live.association(1)?.ttftMs, null);
});

Deno.test("a candidate whose pause is over takes one request at a time until it has succeeded", () => {
  const live = new LiveState();
  const routes = [route(1, { weight: 9 }), route(2)];
  fail(live, "rate_limit", NOW, 1_000);
  assert.equal(picked(live, routes).route.associationId, 2);
  const trial = picked(live, routes, { now: NOW + 1_000 });
  assert.deepEqual([trial.route.associationId, trial.trial], [1, true]);
  const handle = live.started(trial, NOW + 1_000);
  assert.equal(picked(live, routes, { now: NOW + 1_001 }).route.associationId, 2);
  live.ended(handle, null, {}, NOW + 1_500);
  const usual = picked(live, routes, { now: NOW + 1_501 });
  assert.deepEqual([usual.route.associationId, usual.trial], [1, false]);
});

Deno.test("answered() ends a trial with the first output: a stream of minutes does not keep others out", () => {
  const live = new LiveState();
  fail(live, "no_model", NOW);
  const later = NOW + 3_600_000;
  const trial = picked(live, [ONE], { now: later });
  const handle = live.started(trial, later);
  assert.equal(picked(live, [ONE], { now: later }).tier, "cooling");
  live.answered(handle, 300);
  assert.equal(live.association(1)?.trials, 0);
  assert.equal(live.association(1)?.cooldown, null);
  assert.equal(live.association(1)?.ttftMs, 300);
  assert.deepEqual([picked(live, [ONE], { now: later }).tier, picked(live, [ONE], { now: later }).trial], [
    "ready",
    false,
  ]);
  live.ended(handle, null, {}, later + 60_000);
  assert.equal(live.association(1)?.trials, 0);
});

Deno.test("answered() does not close a half-open breaker: a stream may still break", () => {
  const live = new LiveState();
  for (let i = 0; i < 5; i++) fail(live, "server", NOW + i);
  const later = NOW + 61_000;
  const handle = live.started(picked(live, [ONE], { now: later }), later);
  live.answered(handle, 10);
  live.ended(handle, verdict("bad_answer"), {}, later + 5);
  assert.equal(picked(live, [ONE], { now: later + 6 }).tier, "cooling");
});

Deno.test("ended() opens the breaker with five failures, which two trials close", () => {
  const live = new LiveState();
  for (let i = 0; i < 5; i++) fail(live, "server", NOW);
  assert.equal(picked(live, [ONE]).tier, "cooling");
  for (const at of [NOW + 60_000, NOW + 60_010]) {
    const trial = picked(live, [ONE], { now: at });
    assert.equal(trial.trial, true);
    live.ended(live.started(trial, at), null, {}, at + 1);
  }
  assert.equal(picked(live, [ONE], { now: NOW + 60_020 }).trial, false);
});

Deno.test("ended() measures the time to the first token", () => {
  const live = new LiveState();
  live.ended(live.started(PICK, NOW), null, { ttftMs: 250 }, NOW + 300);
  assert.equal(live.association(1)?.ttftMs, 250);
});

Deno.test("ended() says what the attempt shows about the provider's health", () => {
  const live = new LiveState();
  const observation = live.ended(live.started(PICK, NOW), verdict("server"), {
    statusCode: 502,
    latencyMs: 9,
  }, NOW + 9);
  assert.deepEqual(observation, {
    source: "traffic",
    result: "failed",
    statusCode: 502,
    latencyMs: 9,
    error: "detail of server",
    at: NOW + 9,
  });
});

Deno.test("ended() blames the provider for refused keys only with the last one", () => {
  const live = new LiveState();
  const pool = route(1, { keys: ["a", "b"].map((id) => ({ id, weight: 1 })) });
  const results = pool.keys.map((key) => {
    const handle = live.started({ route: pool, key, tier: "ready", trial: false }, NOW);
    return live.ended(handle, verdict("credential"), {}, NOW)?.result;
  });
  assert.deepEqual(results, ["neutral", "failed"]);
});

Deno.test("observeHealth() keeps the health of each provider and tells of changes", () => {
  const live = new LiveState();
  const failed = {
    source: "traffic",
    result: "failed",
    statusCode: 502,
    latencyMs: null,
    error: "x",
    at: NOW,
  } as const;
  const events = [1, 2, 3, 4, 5].map(() => live.observeHealth(1, failed, DEFAULT_HEALTH_CONFIG).length);
  assert.deepEqual(events, [0, 0, 0, 0, 1]);
  assert.equal(live.health(1)?.isHealthy, false);
  assert.equal(live.health(2), undefined);
  live.restoreHealth(2, UNOBSERVED);
  assert.equal(live.health(2), UNOBSERVED);
});

Deno.test("probed() sets and lifts pauses and key marks, and leaves the breaker alone", () => {
  const live = new LiveState();
  live.probed(ONE, "k1", verdict("no_model"), NOW);
  assert.equal(picked(live, [ONE]).tier, "cooling");
  live.probed(ONE, "k1", null, NOW + 1);
  assert.equal(picked(live, [ONE]).tier, "ready");
  live.probed(ONE, "k1", verdict("credential"), NOW + 2);
  assert.equal(picked(live, [ONE], { now: NOW + 2 }).tier, "unhealthy");
  live.probed(ONE, "k1", null, NOW + 3);
  for (let i = 0; i < 5; i++) fail(live, "server", NOW + 4);
  live.probed(ONE, "k1", null, NOW + 5);
  assert.equal(picked(live, [ONE], { now: NOW + 5 }).tier, "cooling");
});

Deno.test("trouble() sums up what holds a provider back", () => {
  const live = new LiveState();
  assert.deepEqual(live.trouble(1, NOW), { cooling: false, badKey: false });
  fail(live, "rate_limit", NOW, 1_000);
  assert.deepEqual(live.trouble(1, NOW), { cooling: true, badKey: false });
  assert.deepEqual(live.trouble(2, NOW), { cooling: false, badKey: false });
  assert.deepEqual(live.trouble(1, NOW + 1_000), { cooling: false, badKey: false });
  fail(live, "credential", NOW + 2_000);
  assert.deepEqual(live.trouble(1, NOW + 2_000), { cooling: false, badKey: true });
  fail(live, "overload", NOW + 2_000, 500);
  assert.equal(live.trouble(1, NOW + 2_000).cooling, true);
  for (let i = 0; i < 4; i++) fail(live, "server", NOW + 2_000);
  assert.equal(live.trouble(1, NOW + 9_000).cooling, true);
});

Deno.test("beginDay() counts anew when the day has changed, and only then", () => {
  const live = new LiveState();
  live.beginDay("2026-01-01");
  live.started(PICK, NOW);
  live.probed(route(2), "k2", null, NOW);
  live.beginDay("2026-01-01");
  assert.equal(live.association(1)?.usedToday, 1);
  live.beginDay("2026-01-02");
  assert.equal(live.association(1)?.usedToday, 0);
  assert.equal(live.association(1)?.inFlight, 1);
});

Deno.test("forgetProvider() leaves nothing behind, and attempts under way end without a trace", () => {
  const live = new LiveState();
  const keys = ["a", "b"].map((id) => ({ id, weight: 1 }));
  const two = [route(1, { keys }), route(2)];
  const handle = live.started(picked(live, two, { strategy: "round_robin" }), NOW);
  live.started(picked(live, two, { strategy: "round_robin" }), NOW);
  live.restoreHealth(1, UNOBSERVED);
  live.forgetProvider(1);
  live.ended(handle, verdict("credential"), {}, NOW);
  assert.equal(live.association(1), undefined);
  assert.equal(live.key("a"), undefined);
  assert.equal(live.health(1), undefined);
  assert.equal(live.keyRotation(1), undefined);
  assert.equal(live.rotation(1)?.has(1), false);
  assert.equal(live.association(2)?.inFlight, 1);
  assert.equal(live.key("k2")?.useCount, 1);
});

Deno.test("forgetAssociation() leaves the turns of other models alone", () => {
  const live = new LiveState();
  live.started({ ...PICK, rotation: new Map([[7, 0.5]]) }, NOW);
  const before = live.rotation(1);
  live.forgetAssociation(1);
  assert.equal(live.rotation(1), before);
});

Deno.test("forgetKey() forgets a key that has left the pool, and knows nothing of strangers", () => {
  const live = new LiveState();
  live.started({ ...PICK, keyRotation: new Map([["k1", 0.5], ["z", 0.5]]) }, NOW);
  live.forgetKey("stranger");
  live.forgetKey("k1");
  assert.equal(live.key("k1"), undefined);
  assert.deepEqual([...live.keyRotation(1) ?? []], [["z", 0.5]]);
  live.started(PICK, NOW);
  live.forgetProvider(1);
  live.started(PICK, NOW);
  live.forgetKey("k1");
  assert.equal(live.key("k1"), undefined);
});

Deno.test("snapshot() and restore() carry pauses, breakers and key states with their deadlines over a restart", () => {
  const live = new LiveState();
  live.beginDay("2026-01-01");
  for (let i = 0; i < 5; i++) fail(live, "server");
  fail(live, "overload", NOW, 90_000);
  fail(live, "credential");
  live.started(TRIAL, NOW);
  const again = new LiveState();
  again.restore(JSON.parse(JSON.stringify(live.snapshot())));
  assert.deepEqual(again.snapshot(), live.snapshot());
  assert.equal(again.association(1)?.cooldown?.until, NOW + 90_000);
  assert.equal(again.association(1)?.breaker.openUntil, live.association(1)?.breaker.openUntil);
  assert.equal(again.key("k1")?.badUntil, live.key("k1")?.badUntil);
  assert.equal(again.association(1)?.inFlight, 0);
  assert.equal(again.association(1)?.trials, 0);
  assert.equal(again.key("k1")?.trials, 0);
  again.beginDay("2026-01-01");
  assert.equal(again.association(1)?.usedToday, 8);
  again.forgetProvider(1);
  assert.deepEqual(again.snapshot().associations, []);
  assert.deepEqual(again.snapshot().keys, []);
});

// --- properties -----------------------------------------------------------------------------------------------------

const event = fc.record({
  start: fc.boolean(),
  which: fc.nat(),
  result: fc.option(fc.constantFrom(...CLASSES)),
  answers: fc.boolean(),
  retryAfterMs: fc.option(fc.nat(5_000)),
  afterMs: fc.nat(20_000),
});

Deno.test("LiveState never has two trials of a candidate under way, and in the end no slot is taken", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 80 }), fc.nat(), (events, seed) => {
    const live = new LiveState();
    const routes = [route(1), route(2, { keys: ["a", "b"].map((id) => ({ id, weight: 1 })) })];
    const open: AttemptHandle[] = [];
    const random = seeded(seed);
    let now = NOW;
    const check = () => {
      for (const id of [1, 2]) assert.ok((live.association(id)?.trials ?? 0) <= 2);
      for (const id of ["k1", "a", "b"]) assert.ok((live.key(id)?.trials ?? 0) >= 0);
    };
    for (const { start, which, result, answers, retryAfterMs, afterMs } of events) {
      now += afterMs;
      if (start || open.length === 0) {
        const pick = picked(live, routes, { now, random, strategy: "lottery", deadlineAt: Infinity });
        const state = live.association(pick.route.associationId);
        const onTrial = pick.trial && state !== undefined && state.cooldown !== null;
        if (onTrial) assert.equal(state.trials, 0, "a second trial of the same association");
        const key = live.key(pick.key.id);
        if (pick.trial && key?.cooldown) assert.equal(key.trials, 0, "a second trial of the same key");
        open.push(live.started(pick, now));
      } else {
        const [handle] = open.splice(which % open.length, 1);
        assert.ok(handle !== undefined);
        if (answers) live.answered(handle, 5);
        live.ended(handle, result === null ? null : verdict(result, retryAfterMs), {}, now);
      }
      check();
    }
    for (const handle of open) live.ended(handle, verdict("client_gone"), {}, now);
    for (const id of [1, 2]) assert.equal(live.association(id)?.trials ?? 0, 0);
    for (const id of [1, 2]) assert.equal(live.association(id)?.inFlight ?? 0, 0);
    for (const id of ["k1", "a", "b"]) assert.equal(live.key(id)?.trials ?? 0, 0);
  }));
});

Deno.test("LiveState clears failures in a row with any success, on any course of events", () => {
  fc.assert(fc.property(fc.array(fc.option(fc.constantFrom(...CLASSES)), { maxLength: 40 }), (results) => {
    const live = new LiveState();
    let now = NOW;
    for (const result of [...results, null, null]) {
      // Later than any open period, so that the breaker takes every result.
      now += 3_600_000;
      live.ended(live.started(PICK, now), result === null ? null : verdict(result), {}, now);
    }
    assert.equal(live.association(1)?.breaker.failures, 0);
    assert.equal(live.association(1)?.breaker.openUntil, null);
    assert.equal(live.association(1)?.cooldown, null);
  }));
});

Deno.test("LiveState lets operator's off beat everything: a route that is not handed over is never picked", () => {
  const live = new LiveState();
  live.started(PICK, NOW);
  const walk = afterAttempt(emptyWalk, PICK, verdict("server"), false);
  const next = step(walk, stepInput([route(2)], { view: live }));
  assert.ok(next.type === "attempt" && next.pick.route.associationId === 2);
});
