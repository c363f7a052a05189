/** Rules of `src/access/key_limits.ts`; those of budgets are in `budget_test.ts`. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LimitRules, Permit } from "../../src/access/key_limits.ts";
import { NOW, Sample, steps, usd } from "./limited_key.ts";

/** The largest sum of amounts in any 60 seconds, the last moment not included. */
function busiestMinute(events: readonly { at: number; amount: number }[]): number {
  return Math.max(
    0,
    ...events.map(({ at }) =>
      events.filter((each) => each.at >= at && each.at < at + 60_000)
        .reduce((sum, { amount }) => sum + amount, 0)
    ),
  );
}

Deno.test("KeyLimits admits everything where there is no limit", () => {
  const sample = new Sample({});
  for (let i = 0; i < 1_000; i++) sample.admit(1e9, 1e9);
  assert.deepEqual(sample.limits.standing(), { requests: null, tokens: null });
});

// Requests a minute

Deno.test("KeyLimits admits N requests in any 60 seconds, and says when the next one fits", () => {
  const sample = new Sample({ requestsPerMinute: 3 });
  for (const at of [0, 10_000, 20_500]) {
    sample.at = NOW + at;
    sample.admit().release();
  }
  const refusal = sample.refuse();
  assert.equal(refusal.limit, "requests_per_minute");
  assert.equal(refusal.retryAfterMs, 61_000 - 20_500);
  assert.equal(refusal.message, "This key may make 3 requests a minute; try again in 41 s");
  sample.at += refusal.retryAfterMs - 1;
  sample.refuse();
  sample.at++;
  sample.admit();
  sample.refuse();
});

Deno.test("KeyLimits never admits more than N requests in any 60 seconds, and everybody who waits as told", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 8 }),
    fc.array(fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 70_000 })), {
      maxLength: 120,
    }),
    (limit, gaps) => {
      const sample = new Sample({ requestsPerMinute: limit });
      const admitted: { at: number; amount: number }[] = [];
      for (const gap of gaps) {
        sample.at += gap;
        const answer = sample.try();
        if (!answer.ok) {
          sample.at += answer.retryAfterMs ?? assert.fail("no time");
          sample.admit();
        }
        admitted.push({ at: sample.at, amount: 1 });
      }
      assert.ok(busiestMinute(admitted) <= limit);
    },
  ));
});

Deno.test("KeyLimits admits exactly as many of a crowd as the limit says", async () => {
  const rules: Partial<LimitRules>[] = [
    { requestsPerMinute: 50 },
    { maxConcurrent: 50 },
    { tokensPerMinute: 500 },
    { budgetDay: 5 },
    { budgetMonth: 5 },
    { budgetTotal: 5 },
  ];
  for (const rule of rules) {
    const sample = new Sample(rule);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => {
        await Promise.resolve();
        return sample.try(10, 0.1);
      }),
    );
    assert.equal(answers.filter((each) => each.ok).length, 50, JSON.stringify(rule));
  }
});

Deno.test("KeyLimits takes nothing for a request that it refuses", () => {
  const sample = new Sample({ requestsPerMinute: 2, maxConcurrent: 1 });
  const first = sample.admit();
  for (let i = 0; i < 10; i++) assert.equal(sample.refuse().limit, "max_concurrent");
  first.release();
  sample.admit().release();
  assert.equal(sample.refuse().limit, "requests_per_minute");

  const other = new Sample({ requestsPerMinute: 1, tokensPerMinute: 100, maxConcurrent: 9, budgetDay: 1 });
  other.admit(10, 0.1).release();
  for (let i = 0; i < 10; i++) other.refuse(50, 0.5);
  assert.equal(other.limits.standing().tokens?.remaining, 100);
  other.use({ tokensPerMinute: 100, maxConcurrent: 1, budgetDay: 1 });
  other.admit(100, 0.9);
});

Deno.test("KeyLimits names the limit that stands longest in the way", () => {
  const sample = new Sample({ requestsPerMinute: 1, maxConcurrent: 1, budgetDay: 1, budgetTotal: 1 });
  sample.admit().spent(usd(0, 1));
  assert.equal(sample.refuse().limit, "budget_total");
  sample.use({ requestsPerMinute: 1, maxConcurrent: 1, budgetDay: 1 });
  assert.equal(sample.refuse().limit, "budget_day");
  sample.use({ requestsPerMinute: 1, maxConcurrent: 1 });
  assert.equal(sample.refuse().limit, "requests_per_minute");
  sample.use({ maxConcurrent: 1 });
  assert.equal(sample.refuse().limit, "max_concurrent");
});

Deno.test("KeyLimits admits nothing at a limit of 0, and tells nobody to wait", () => {
  const rules: Partial<LimitRules>[] = [
    { requestsPerMinute: 0 },
    { tokensPerMinute: 0 },
    { maxConcurrent: 0 },
    { budgetDay: 0 },
    { budgetMonth: 0 },
    { budgetTotal: 0 },
  ];
  for (const rule of rules) {
    const sample = new Sample(rule);
    for (const tokens of [0, 1, 1e6]) {
      const refusal = sample.refuse(tokens);
      assert.equal(refusal.retryAfterMs, null, JSON.stringify(rule));
      assert.match(refusal.message, /may (make|use|have|spend) 0 .*; ask for a larger (limit|budget)$/);
    }
  }
});

// Tokens a minute

Deno.test("KeyLimits sets the estimate aside until the request is over, and then counts what was used", () => {
  const sample = new Sample({ tokensPerMinute: 1_000 });
  const first = sample.admit(600);
  sample.admit(400).release();
  const refusal = sample.refuse(401);
  assert.equal(refusal.limit, "tokens_per_minute");
  assert.equal(refusal.retryAfterMs, 1_000);
  assert.match(refusal.message, /^This key may use 1000 tokens a minute, and this request may need 401; /);
  first.spent(usd(250));
  first.release();
  assert.deepEqual(sample.limits.standing().tokens, { limit: 1_000, remaining: 750, resetMs: 61_000 });
  sample.refuse(751);
  sample.admit(750);
});

Deno.test("KeyLimits says when enough tokens have left the minute", () => {
  const sample = new Sample({ tokensPerMinute: 1_000 });
  for (const [at, tokens] of [[0, 300], [5_000, 300], [9_000, 400]] as const) {
    sample.at = NOW + at;
    const permit = sample.admit(tokens);
    permit.spent(usd(tokens));
    permit.release();
  }
  sample.at = NOW + 10_000;
  assert.equal(sample.refuse(300).retryAfterMs, 51_000);
  assert.equal(sample.refuse(301).retryAfterMs, 56_000);
  assert.equal(sample.refuse(1_000).retryAfterMs, 60_000);
  sample.at += 55_999;
  sample.refuse(301);
  sample.at++;
  sample.admit(301);
});

Deno.test("KeyLimits counts every attempt of a request, also what becomes known after it", () => {
  const sample = new Sample({ tokensPerMinute: 1_000 });
  const permit = sample.admit(500);
  permit.spent(usd(100));
  permit.spent(usd(200));
  permit.release();
  permit.spent(usd(50));
  assert.equal(sample.limits.standing().tokens?.remaining, 650);
});

Deno.test("KeyLimits keeps the tokens of any 60 seconds within the limit, if no estimate is too low", () => {
  fc.assert(fc.property(steps, (list) => {
    const sample = new Sample({ tokensPerMinute: 1_000 });
    const underWay: { permit: Permit; left: number }[] = [];
    const used: { at: number; amount: number }[] = [];
    for (const { gapMs, begins, estimate, which, share, ends } of list) {
      sample.at += gapMs;
      if (begins) {
        const answer = sample.try(estimate);
        if (answer.ok) underWay.push({ permit: answer, left: estimate });
      }
      const request = underWay[which % (underWay.length || 1)];
      if (request === undefined) continue;
      const amount = Math.round(request.left * share);
      request.left -= amount;
      request.permit.spent(usd(amount));
      used.push({ at: sample.at, amount });
      if (!ends) continue;
      request.permit.release();
      underWay.splice(underWay.indexOf(request), 1);
    }
    assert.ok(busiestMinute(used) <= 1_000);
  }));
});

Deno.test("KeyLimits lets requests larger than the limit through, one at a time", () => {
  const sample = new Sample({ tokensPerMinute: 100 });
  for (let i = 0; i < 5; i++) {
    const permit = sample.admit(5_000);
    assert.equal(sample.refuse(5_000).retryAfterMs, 1_000);
    sample.refuse(1);
    permit.spent(usd(4_000));
    permit.release();
    const { retryAfterMs, message } = sample.refuse(5_000);
    assert.equal(retryAfterMs, 61_000);
    assert.match(message, /may use 100 tokens a minute, and this request may need 5000/);
    sample.at += retryAfterMs;
  }
  sample.admit(Infinity).release();
  sample.admit(100);
});

Deno.test("KeyLimits takes estimates and amounts that are no numbers for nothing", () => {
  const sample = new Sample({ tokensPerMinute: 100, budgetTotal: 1 });
  for (const junk of [NaN, -5, -Infinity]) {
    const permit = sample.admit(junk, junk);
    permit.spent(usd(junk, junk));
    permit.release();
  }
  sample.spend(Infinity);
  assert.equal(sample.limits.standing().tokens?.remaining, 100);
  sample.admit(100, 0.5).release();
  sample.admit().spent(usd(Infinity));
  sample.refuse(1);
  sample.at += 61_000;
  assert.equal(sample.limits.standing().tokens?.remaining, 100);
});

Deno.test("KeyLimits counts a part of a token as a whole one", () => {
  const sample = new Sample({ tokensPerMinute: 1 });
  const permit = sample.admit(0.2);
  sample.refuse(0.2);
  permit.spent(usd(0.2));
  permit.release();
  assert.equal(sample.limits.standing().tokens?.remaining, 0);
});

// Requests at once

Deno.test("KeyLimits has N requests under way at most; release() gives a place back once", () => {
  const sample = new Sample({ maxConcurrent: 2 });
  const first = sample.admit();
  sample.admit();
  const refusal = sample.refuse();
  assert.equal(refusal.limit, "max_concurrent");
  assert.equal(
    refusal.message,
    "This key may have 2 requests under way at once; try again when one has ended",
  );
  assert.equal(refusal.retryAfterMs, 1_000);
  for (let i = 0; i < 5; i++) first.release();
  sample.admit();
  sample.refuse();
});

Deno.test("KeyLimits holds a place for a request that is not admitted yet, until it is refused, leaves or is over", () => {
  const sample = new Sample({ maxConcurrent: 1, tokensPerMinute: 10 });
  const enter = () => {
    const entrance = sample.limits.enter();
    if (!entrance.ok) assert.fail(entrance.message);
    return entrance;
  };
  const gone = enter();
  assert.equal(sample.refuse().limit, "max_concurrent");
  gone.leave();
  gone.leave();

  sample.admit(10).spent(usd(8));
  sample.use({ maxConcurrent: 2, tokensPerMinute: 10 });
  const refused = enter();
  const answer = refused.admit(usd(5));
  assert.equal(!answer.ok && answer.limit, "tokens_per_minute");
  assert.equal(sample.refuse().limit, "max_concurrent");
  refused.leave();

  sample.use({ maxConcurrent: 2 });
  const served = enter();
  const permit = served.admit(usd(5));
  assert.ok(permit.ok);
  served.leave();
  assert.equal(sample.refuse().limit, "max_concurrent");
  permit.release();
  permit.release();
  served.leave();
  sample.admit();
  assert.equal(sample.refuse().limit, "max_concurrent");
});

Deno.test("KeyLimits lets nobody in whom no estimate could help, and asks again once there is one", () => {
  const sample = new Sample({ requestsPerMinute: 1, maxConcurrent: 9 });
  const [first, second] = [sample.limits.enter(), sample.limits.enter()];
  assert.ok(first.ok && second.ok);
  assert.ok(first.admit(usd(0)).ok);
  const late = second.admit(usd(0));
  assert.equal(!late.ok && late.limit, "requests_per_minute");
  const door = sample.limits.enter();
  assert.equal(!door.ok && door.limit, "requests_per_minute");
});

Deno.test("KeyLimits has everything back when all requests are over, whatever their order", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        begins: fc.boolean(),
        which: fc.nat(),
        twice: fc.boolean(),
        cost: fc.double({ min: 0, max: 3 }),
      }),
      { maxLength: 100 },
    ),
    (list) => {
      const rules = { maxConcurrent: 5, tokensPerMinute: 1_000, budgetTotal: 10 };
      const sample = new Sample(rules);
      const underWay: Permit[] = [];
      for (const { begins, which, twice, cost } of list) {
        const answer = begins ? sample.try(which % 300, cost, which % 2 === 0 ? "USD" : "CNY") : null;
        if (answer?.ok) underWay.push(answer);
        if (begins || underWay.length === 0) continue;
        const [ended] = underWay.splice(which % underWay.length, 1);
        ended?.release();
        if (twice) ended?.release();
      }
      for (const permit of underWay) permit.release();
      assert.equal(sample.limits.standing().tokens?.remaining, 1_000);
      for (let i = 0; i < 5; i++) sample.admit(200, 1.9);
      assert.equal(sample.refuse().limit, "max_concurrent");
    },
  ));
});

// Restarts and changes

Deno.test("KeyLimits adds what earlier runs have seen in the last minute", () => {
  const busy = new Sample({ requestsPerMinute: 10, tokensPerMinute: 1_000 });
  const second = NOW / 1000;
  busy.limits.restoreRecent({ authKeyId: 1, second: second - 90, requests: 99, tokens: 9_999 });
  busy.limits.restoreRecent({ authKeyId: 1, second: second - 50, requests: 4, tokens: 300 });
  busy.limits.restoreRecent({ authKeyId: 1, second: second - 10, requests: 6, tokens: 200 });
  assert.deepEqual(busy.limits.standing(), {
    requests: { limit: 10, remaining: 0, resetMs: 51_000 },
    tokens: { limit: 1_000, remaining: 500, resetMs: 51_000 },
  });
  assert.equal(busy.refuse().retryAfterMs, 11_000);
});

Deno.test("KeyLimits puts changed limits in force at once on what has been used already", () => {
  const sample = new Sample({});
  const permits = Array.from({ length: 5 }, () => sample.admit(100, 1));
  sample.use({ requestsPerMinute: 5 });
  assert.equal(sample.refuse().limit, "requests_per_minute");
  sample.use({ tokensPerMinute: 550 });
  assert.equal(sample.refuse(100).limit, "tokens_per_minute");
  sample.use({ maxConcurrent: 3 });
  assert.equal(sample.refuse().limit, "max_concurrent");
  sample.use({ budgetTotal: 5 });
  assert.equal(sample.refuse().limit, "budget_total");
  sample.use({ budgetTotal: 6, budgetCurrency: "CNY" });
  assert.equal(sample.refuse().limit, "budget_total");

  sample.use({ maxConcurrent: 3 });
  for (const permit of permits.splice(0, 2)) permit.release();
  sample.refuse();
  permits.pop()?.release();
  sample.admit();
});

Deno.test("KeyLimits gives back what it set aside under other limits", () => {
  const sample = new Sample({ tokensPerMinute: 10_000 });
  const permit = sample.admit(8_000);
  sample.use({ tokensPerMinute: 1_000 });
  sample.refuse(1);
  permit.release();
  assert.equal(sample.limits.standing().tokens?.remaining, 1_000);
});

Deno.test("KeyLimits says how much is left, and when all is there again", () => {
  const sample = new Sample({ requestsPerMinute: 10, tokensPerMinute: 1_000 });
  assert.deepEqual(sample.limits.standing(), {
    requests: { limit: 10, remaining: 10, resetMs: 0 },
    tokens: { limit: 1_000, remaining: 1_000, resetMs: 0 },
  });
  sample.at += 400;
  const permit = sample.admit(700);
  sample.at += 2_000;
  assert.deepEqual(sample.limits.standing(), {
    requests: { limit: 10, remaining: 9, resetMs: 61_000 - 2_400 },
    tokens: { limit: 1_000, remaining: 300, resetMs: 61_000 - 400 },
  });
  permit.spent(usd(2_000));
  permit.release();
  assert.equal(sample.limits.standing().tokens?.remaining, 0);
  sample.at += 61_000 - 400;
  assert.deepEqual(sample.limits.standing().tokens, { limit: 1_000, remaining: 1_000, resetMs: 0 });
});
