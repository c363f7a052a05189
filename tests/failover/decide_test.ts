import assert from "node:assert/strict";
import fc from "fast-check";
import { STRATEGIES } from "../../src/failover/balance.ts";
import type { Route } from "../../src/failover/candidates.ts";
import {
  afterAttempt,
  emptyWalk,
  type Pick,
  step,
  type StepInput,
  type Walk,
} from "../../src/failover/decide.ts";
import { FAILURE_CLASSES, type FailureClass, isPassing } from "../../src/failover/failure_class.ts";
import { hasFailedThisRound, isSpent } from "../../src/failover/walk.ts";
import { NOW, route, SampleView, seeded, stepInput, verdict } from "./samples.ts";

const THREE = [route(1, { weight: 3 }), route(2, { weight: 2 }), route(3, { weight: 1 })];
const A = { id: "a", weight: 1 };
const B = { id: "b", weight: 1 };
/** A provider with two keys, of the highest weight. */
const POOL = route(9, { weight: 9, keys: [A, B] });

interface Course {
  /** `<provider>/<key>`, with `|` where a wait was. */
  readonly order: string;
  readonly waits: readonly number[];
  readonly picks: readonly Pick[];
  readonly walk: Walk;
}

/** Walks until the end, with the same or a computed failure each time. */
function course(input: StepInput, failureOf: (pick: Pick) => FailureClass): Course {
  let walk = emptyWalk;
  let { now } = input;
  const order: string[] = [];
  const waits: number[] = [];
  const picks: Pick[] = [];
  for (let i = 0; i < 1_000; i++) {
    const next = step(walk, { ...input, now });
    if (next.type === "give_up") return { order: order.join(" "), waits, picks, walk };
    if (next.type === "wait") {
      order.push("|");
      waits.push(next.ms);
      now += next.ms;
      walk = next.walk;
    } else {
      picks.push(next.pick);
      order.push(`${next.pick.route.providerName}/${next.pick.key.id}`);
      walk = afterAttempt(walk, next.pick, verdict(failureOf(next.pick)), false);
    }
  }
  throw new Error("it never ends");
}

const always = (failure: FailureClass) => () => failure;

Deno.test("step() tries every candidate once, in the order of the strategy", () => {
  assert.equal(course(stepInput(THREE), always("no_model")).order, "p1/k1 p2/k2 p3/k3");
});

Deno.test("step() begins further rounds while only passing troubles stand in the way, until the attempts are used up", () => {
  const { order } = course(stepInput(THREE, { maxAttempts: 7 }), always("server"));
  assert.equal(order, "p1/k1 p2/k2 p3/k3 | p1/k1 p2/k2 p3/k3 | p1/k1");
});

Deno.test("step() waits 250 ms before the second round, doubling to 2 s, jittered by a fifth", () => {
  const wait = (random: () => number) =>
    course(stepInput([route(1)], { maxAttempts: 7, random }), always("server")).waits;
  assert.deepEqual(wait(() => 0.5), [250, 500, 1_000, 2_000, 2_000, 2_000]);
  assert.equal(wait(() => 0)[0], 200);
  assert.equal(wait(() => 0.9999)[0], 300);
});

Deno.test("step() leaves out of further rounds what waiting does not mend", () => {
  const input = stepInput(THREE, { maxAttempts: 5 });
  const { order } = course(input, ({ route }) => route.associationId === 1 ? "credential" : "server");
  assert.equal(order, "p1/k1 p2/k2 p3/k3 | p2/k2 p3/k3");
});

for (const failure of ["credential", "quota", "rate_limit", "no_model"] as const) {
  Deno.test(`step() begins no further round when every candidate ended in ${failure}`, () => {
    assert.deepEqual(course(stepInput(THREE), always(failure)).waits, []);
  });
}

for (const failure of ["caller_fault", "client_gone", "gateway_fault"] as const) {
  Deno.test(`step() stops at once after ${failure}`, () => {
    assert.equal(course(stepInput(THREE), always(failure)).order, "p1/k1");
  });
}

for (const failure of ["credential", "quota", "rate_limit"] as const) {
  Deno.test(`step() goes from ${failure} to the next key of the same provider, then to the next provider, without a wait`, () => {
    const { order } = course(stepInput([route(1), POOL]), always(failure));
    assert.equal(order, "p9/a p9/b p1/k1");
  });
}

for (const failure of ["server", "network", "overload", "timeout", "bad_answer"] as const) {
  Deno.test(`step() goes from ${failure} to the next provider, not to the next key`, () => {
    const { order } = course(stepInput([route(1), POOL], { maxAttempts: 2 }), always(failure));
    assert.equal(order, "p9/a p1/k1");
  });
}

Deno.test("step() takes a cooling key of the same provider only after the other providers", () => {
  const view = new SampleView().withKey("b", { cooldown: { until: NOW + 9_000, setAt: NOW, hits: 1 } });
  assert.equal(course(stepInput([route(1), POOL], { view }), always("credential")).order, "p9/a p1/k1 p9/b");
});

Deno.test("step() never tries the provider that just failed while another is left", () => {
  const twin = route(8, { weight: 8, providerId: 9, providerName: "p9", keys: [A, B] });
  const view = new SampleView().withUnhealthy(1, NOW + 60_000);
  const { order } = course(stepInput([route(1), twin, POOL], { view, maxAttempts: 3 }), always("server"));
  assert.equal(order, "p9/a p1/k1 p9/a");
});

Deno.test("step() walks the tiers in order: ready, then cooling by soonest deadline, then unhealthy by soonest retry", () => {
  const view = new SampleView()
    .withUnhealthy(1, NOW + 90_000)
    .withUnhealthy(2, NOW + 20_000)
    .withCooling(3, NOW + 30_000)
    .withCooling(4, NOW + 10_000);
  const routes = [1, 2, 3, 4, 5].map((id) => route(id, { weight: 9 - id }));
  const { order, picks } = course(stepInput(routes, { view }), always("no_model"));
  assert.equal(order, "p5/k5 p4/k4 p3/k3 p2/k2 p1/k1");
  assert.deepEqual(picks.map((pick) => pick.tier), ["ready", "cooling", "cooling", "unhealthy", "unhealthy"]);
});

Deno.test("step() takes the heavier of two that come back at the same moment", () => {
  const view = new SampleView().withCooling(1, NOW + 9_000).withCooling(2, NOW + 9_000);
  const routes = [route(1, { weight: 1 }), route(2, { weight: 2 })];
  assert.equal(course(stepInput(routes, { view }), always("no_model")).order, "p2/k2 p1/k1");
});

Deno.test("step() tries a lone provider that cools, is open or unhealthy, rather than to refuse", () => {
  for (
    const view of [
      new SampleView().withCooling(1, NOW + 60_000),
      new SampleView().withUnhealthy(1, NOW + 60_000),
    ]
  ) {
    assert.equal(step(emptyWalk, stepInput([route(1)], { view })).type, "attempt");
  }
});

Deno.test("step() marks the pick of an association on trial, which takes its usual place by weight", () => {
  const view = new SampleView().withCooling(1, NOW);
  const { picks } = course(stepInput(THREE, { view }), always("no_model"));
  assert.deepEqual(picks.map((pick) => [pick.route.associationId, pick.trial]), [[1, true], [2, false], [
    3,
    false,
  ]]);
});

Deno.test("step() marks the pick of a key on trial", () => {
  const view = new SampleView().withKey("k1", { cooldown: { until: NOW, setAt: NOW - 9, hits: 1 } });
  const { picks } = course(stepInput(THREE, { view }), always("no_model"));
  assert.deepEqual(picks.map((pick) => pick.trial), [true, false, false]);
});

Deno.test("step() marks no last-resort pick as a trial: it takes no slot", () => {
  const view = new SampleView().withCooling(1, NOW + 9).withKey("k1", {
    cooldown: { until: NOW, setAt: NOW - 9, hits: 1 },
  });
  assert.deepEqual(
    course(stepInput([route(1)], { view }), always("no_model")).picks.map((pick) => pick.trial),
    [false],
  );
});

Deno.test("step() takes weight 0 only when nothing with weight is left", () => {
  const routes = [route(1, { weight: 0 }), route(2, { weight: 1 })];
  for (const strategy of STRATEGIES) {
    const input = stepInput(routes, { strategy, random: seeded(1), sessionId: "s" });
    assert.equal(course(input, always("no_model")).order, "p2/k2 p1/k1");
  }
});

Deno.test("step() makes at least one attempt and at most maxAttempts", () => {
  for (const [maxAttempts, attempts] of [[0, 1], [-1, 1], [NaN, 1], [1, 1], [2, 2]] as const) {
    assert.equal(course(stepInput(THREE, { maxAttempts }), always("server")).picks.length, attempts);
  }
});

Deno.test("step() starts nothing at or after the deadline", () => {
  assert.equal(step(emptyWalk, stepInput(THREE, { deadlineAt: NOW })).type, "give_up");
  assert.equal(step(emptyWalk, stepInput(THREE, { deadlineAt: NOW + 1 })).type, "attempt");
});

Deno.test("step() begins no wait that would end at or after the deadline", () => {
  const waits = (deadlineAt: number) => course(stepInput([route(1)], { deadlineAt }), always("server")).waits;
  assert.deepEqual(waits(NOW + 250), []);
  assert.deepEqual(waits(NOW + 251), [250]);
});

Deno.test("step() waits out a short pause that all of them asked for, and not a long one", () => {
  const wait = (view: SampleView) =>
    course(stepInput([route(1), route(2)], { view, maxAttempts: 3 }), always("overload")).waits;
  assert.deepEqual(wait(new SampleView().withCooling(1, NOW + 1_500).withCooling(2, NOW + 1_200)), [1_200]);
  assert.deepEqual(wait(new SampleView().withCooling(1, NOW + 2_000).withCooling(2, NOW + 2_000)), [2_000]);
  assert.deepEqual(wait(new SampleView().withCooling(1, NOW + 60_000).withCooling(2, NOW + 60_000)), [250]);
});

Deno.test("step() obeys a switch that the operator moves while the request runs", () => {
  const first = step(emptyWalk, stepInput(THREE));
  assert.ok(first.type === "attempt");
  const walk = afterAttempt(emptyWalk, first.pick, verdict("server"), false);
  const withoutTwo = step(walk, stepInput(THREE.filter((each) => each.associationId !== 2)));
  assert.ok(withoutTwo.type === "attempt" && withoutTwo.pick.route.associationId === 3);
  const withoutAll = step(walk, stepInput([]));
  assert.ok(withoutAll.type === "give_up" && withoutAll.final.type === "gateway_error");
});

Deno.test("step() hands out the turns after the pick, for the shell to store", () => {
  const next = step(emptyWalk, stepInput([POOL, route(1)], { strategy: "round_robin" }));
  assert.ok(next.type === "attempt");
  assert.equal(next.pick.rotation?.size, 2);
  assert.equal(next.pick.keyRotation?.size, 2);
});

// --- properties -----------------------------------------------------------------------------------------------------

const CLASSES = Object.keys(FAILURE_CLASSES) as FailureClass[];

const world = fc.record({
  seed: fc.nat(),
  strategy: fc.constantFrom(...STRATEGIES),
  maxAttempts: fc.integer({ min: 1, max: 30 }),
  budgetMs: fc.integer({ min: 0, max: 20_000 }),
  trialUnhealthy: fc.boolean(),
  routes: fc.array(
    fc.record({
      provider: fc.integer({ min: 1, max: 3 }),
      weight: fc.constantFrom(0, 1, 5, NaN, 1e308),
      keys: fc.integer({ min: 1, max: 3 }),
      cooling: fc.option(fc.integer({ min: -5_000, max: 5_000 })),
      unhealthy: fc.option(fc.integer({ min: -5_000, max: 5_000 })),
      trials: fc.nat(1),
      failure: fc.constantFrom(...CLASSES),
    }),
    { maxLength: 6 },
  ),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** Builds the world, walks it to its end and hands over everything that happened. */
function live(given: World) {
  const view = new SampleView();
  const failures = new Map<number, FailureClass>();
  const routes: Route[] = given.routes.map((each, i) => {
    const id = i + 1;
    const keys = Array.from({ length: each.keys }, (_, k) => ({ id: `k${each.provider}-${k}`, weight: 1 }));
    const cooldown = each.cooling === null
      ? null
      : { until: NOW + each.cooling, setAt: NOW - 9_000, hits: 1 };
    view.withAssociation(id, { cooldown, trials: each.trials });
    if (each.unhealthy !== null) view.withUnhealthy(each.provider, NOW + each.unhealthy);
    failures.set(id, each.failure);
    return route(id, {
      providerId: each.provider,
      providerName: `p${each.provider}`,
      weight: each.weight,
      keys,
    });
  });
  const input = stepInput(routes, {
    view,
    strategy: given.strategy,
    maxAttempts: given.maxAttempts,
    deadlineAt: NOW + given.budgetMs,
    trialUnhealthy: given.trialUnhealthy,
    random: seeded(given.seed),
    sessionId: "s",
  });
  return { routes, input, ...course(input, (pick) => failures.get(pick.route.associationId) ?? "server") };
}

Deno.test("step() makes at most one attempt per candidate in a round", () => {
  fc.assert(fc.property(world, (given) => {
    const seen = live(given).walk.attempts.map((each) => `${each.round} ${each.associationId} ${each.keyId}`);
    assert.equal(new Set(seen).size, seen.length);
  }));
});

Deno.test("step() never exceeds the attempts, whatever happens", () => {
  fc.assert(fc.property(world, (given) => {
    assert.ok(live(given).picks.length <= given.maxAttempts);
  }));
});

Deno.test("step() never lets waits reach the deadline", () => {
  fc.assert(fc.property(world, (given) => {
    const total = live(given).waits.reduce((a, b) => a + b, 0);
    assert.ok(total === 0 || total < given.budgetMs);
  }));
});

Deno.test("step() follows a provider's own trouble with another provider, whenever one had an untried candidate", () => {
  fc.assert(fc.property(world, (given) => {
    const { walk, routes } = live(given);
    for (const [i, attempt] of walk.attempts.entries()) {
      const before = walk.attempts[i - 1];
      if (
        before === undefined || before.round !== attempt.round || before.providerId !== attempt.providerId
      ) continue;
      if (!isPassing(before.class)) continue;
      const memory: Walk = { attempts: walk.attempts.slice(0, i), round: attempt.round };
      const left = routes.filter((each) =>
        !hasFailedThisRound(memory, each.providerId) && each.keys.some((key) => !isSpent(memory, each, key))
      );
      assert.deepEqual(left.map((each) => each.associationId), []);
    }
  }));
});

Deno.test("step() never returns in the same request to a key that was refused, empty or limited", () => {
  fc.assert(fc.property(world, (given) => {
    const { attempts } = live(given).walk;
    for (const [i, attempt] of attempts.entries()) {
      if (FAILURE_CLASSES[attempt.class].marks !== "key") continue;
      const again = attempts.slice(i + 1).some((each) =>
        each.associationId === attempt.associationId && each.keyId === attempt.keyId
      );
      assert.ok(!again);
    }
  }));
});

Deno.test("step() only ever picks routes that it was given", () => {
  fc.assert(fc.property(world, (given) => {
    const { picks, routes } = live(given);
    for (const pick of picks) {
      assert.ok(routes.includes(pick.route));
      assert.ok(pick.route.keys.includes(pick.key));
    }
  }));
});

Deno.test("step() tries somebody whenever there is anybody and time", () => {
  fc.assert(fc.property(world, (given) => {
    const { picks, routes } = live(given);
    if (routes.length > 0 && given.budgetMs > 0) assert.ok(picks.length > 0);
  }));
});

Deno.test("step() gives trials out only from the first tier", () => {
  fc.assert(fc.property(world, (given) => {
    for (const pick of live(given).picks) if (pick.trial) assert.equal(pick.tier, "ready");
  }));
});
