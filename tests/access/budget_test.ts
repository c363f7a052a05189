/** Rules of budgets (`src/access/budget.ts` and what it is made of), as `KeyLimits` keeps them. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LimitRefusal, LimitRules, Permit } from "../../src/access/key_limits.ts";
import { CNY_PER_USD, DAY, HOUR, NOW, Sample, steps, usd } from "./limited_key.ts";

Deno.test("KeyLimits admits until a budget is spent, and again with the next day or month", () => {
  const sample = new Sample({ budgetDay: 1, budgetMonth: 3 });
  for (const _ of [1, 2, 3]) {
    for (let i = 0; i < 10; i++) sample.spend(0.1);
    const refusal = sample.refuse();
    if (refusal.limit === "budget_month") break;
    assert.equal(refusal.limit, "budget_day");
    assert.equal(
      refusal.message,
      "This key may spend 1 USD a day, and nothing is left of it; " +
        "wait for the next day or ask for a larger budget",
    );
    sample.at += refusal.retryAfterMs ?? assert.fail("no time");
  }
  assert.equal(sample.at, Date.UTC(2026, 4, 22));
  const { limit, retryAfterMs } = sample.refuse();
  assert.equal(limit, "budget_month");
  assert.equal(sample.at + (retryAfterMs ?? 0), Date.UTC(2026, 5, 1));
  sample.at += (retryAfterMs ?? 0) - 1;
  assert.equal(sample.refuse().limit, "budget_month");
  sample.at++;
  sample.admit();
});

Deno.test("KeyLimits never admits again once a total budget is spent", () => {
  const sample = new Sample({ budgetTotal: 2 });
  sample.spend(2);
  for (const days of [0, 1, 31, 400]) {
    sample.at = NOW + days * DAY;
    const { limit, retryAfterMs, message } = sample.refuse();
    assert.deepEqual([limit, retryAfterMs], ["budget_total", null]);
    assert.equal(
      message,
      "This key may spend 2 USD in total, and nothing is left of it; ask for a larger budget",
    );
  }
});

Deno.test("KeyLimits counts the estimated costs of requests under way", () => {
  const sample = new Sample({ budgetDay: 1 });
  const first = sample.admit(0, 0.6);
  const second = sample.admit(0, 0.6);
  const refusal = sample.refuse();
  assert.deepEqual([refusal.limit, refusal.retryAfterMs], ["budget_day", 1_000]);
  assert.match(refusal.message, /what is left is set aside for its requests under way; try again when one/);
  first.spent(usd(0, 0.1));
  first.release();
  sample.admit(0, 5).release();
  second.release();
  sample.admit(0, 0.9);
});

Deno.test("KeyLimits lets a request begin whose estimate is larger than what is left, but nothing beside it", () => {
  const sample = new Sample({ budgetTotal: 1 });
  const large = sample.admit(0, 50);
  assert.equal(sample.refuse().retryAfterMs, 1_000);
  large.spent(usd(0, 0.2));
  large.release();
  sample.admit(0, 50);
});

Deno.test("KeyLimits exceeds no budget by the estimate of one request or more, if none is too low", () => {
  fc.assert(fc.property(steps, fc.constantFrom("day", "month", "total"), (list, span) => {
    const budget = 2_000;
    const sample = new Sample({
      ...(span === "day" ? { budgetDay: budget } : {}),
      ...(span === "month" ? { budgetMonth: budget } : {}),
      ...(span === "total" ? { budgetTotal: budget } : {}),
      budgetCurrency: "CNY",
    });
    const length = { day: 10, month: 7, total: 0 }[span];
    const spent = new Map<string, number>();
    const underWay: { permit: Permit; left: number; page: string }[] = [];
    for (const { gapMs, begins, estimate, which, share, ends } of list) {
      // Many days and some months go by.
      sample.at += gapMs * 600;
      const page = new Date(sample.at).toISOString().slice(0, length);
      if (begins) {
        const answer = sample.try(0, estimate / CNY_PER_USD, "USD");
        if (answer.ok) underWay.push({ permit: answer, left: estimate, page });
      }
      const request = underWay[which % (underWay.length || 1)];
      if (request === undefined) continue;
      const cost = request.left * share;
      request.left -= cost;
      request.permit.spent({ tokens: 0, cost, currency: "CNY" });
      spent.set(request.page, (spent.get(request.page) ?? 0) + cost);
      if (!ends) continue;
      request.permit.release();
      underWay.splice(underWay.indexOf(request), 1);
    }
    for (const sum of spent.values()) assert.ok(sum < budget + 1_000, `${sum}`);
  }));
});

Deno.test("KeyLimits keeps nothing set aside that rounding has left", () => {
  const sample = new Sample({});
  const large = sample.admit(0, 1e16);
  const small = sample.admit(0, 1.3);
  large.release();
  small.release();
  sample.use({ budgetTotal: 0.1 });
  sample.admit();
});

Deno.test("KeyLimits converts costs to the budget's currency; an unknown one counts as it is", () => {
  const dollars = new Sample({ budgetTotal: 10 });
  dollars.spend(7 * CNY_PER_USD, "CNY");
  dollars.spend(2, "");
  dollars.spend(0.9, "EUR");
  dollars.admit().release();
  dollars.spend(0.1 * CNY_PER_USD, "CNY");
  assert.equal(dollars.refuse().limit, "budget_total");

  const budgetBaseline = { date: "2026-05-20", day: {}, month: {}, total: {} };
  const yuan = new Sample({ budgetTotal: 10, budgetCurrency: "CNY", budgetBaseline });
  yuan.spend(1);
  yuan.spend(2, "CNY");
  yuan.spend(0.9, "constructor");
  yuan.admit(0, 0.1 / CNY_PER_USD, "USD");
  assert.match(yuan.refuse().message, /10 CNY in total/);
});

Deno.test("KeyLimits counts a request on the day on which it was admitted", () => {
  const sample = new Sample({ budgetDay: 1, budgetMonth: 1.5 });
  sample.at = Date.UTC(2026, 4, 20, 23, 59, 59);
  const late = sample.admit(0, 0.9);
  sample.at = Date.UTC(2026, 4, 21);
  const early = sample.admit(0, 0.5);
  late.spent(usd(0, 0.9));
  late.release();
  early.release();
  sample.admit(0, 0.3).release();
  sample.spend(0.5);
  assert.equal(sample.try().ok, true);
  sample.spend(0.2);
  assert.equal(sample.refuse().limit, "budget_month");
});

Deno.test("KeyLimits does not begin a fresh day when the clock is set back", () => {
  const sample = new Sample({ budgetDay: 1 });
  sample.spend(1);
  sample.at -= 13 * HOUR;
  assert.equal(sample.refuse().limit, "budget_day");
  sample.at = NOW + DAY;
  sample.admit();
});

Deno.test("KeyLimits goes on from the new day when the clock had been far ahead", () => {
  const sample = new Sample({ budgetDay: 1 });
  sample.at += 400 * DAY;
  sample.spend(1);
  sample.at = NOW;
  assert.equal(sample.refuse().limit, "budget_day");
  sample.at = NOW + DAY;
  sample.admit();
});

Deno.test("KeyLimits adds what earlier runs have spent", () => {
  const sample = new Sample({ budgetDay: 2, budgetMonth: 20, budgetTotal: 200 });
  sample.limits.restoreSpending({ authKeyId: 1, currency: "USD", day: 1, month: 5, total: 150 });
  sample.limits.restoreSpending({ authKeyId: 1, currency: "CNY", day: 3.5, month: 7, total: 70 });
  sample.spend(0.4);
  sample.spend(0.1);
  assert.equal(sample.refuse().limit, "budget_day");
  sample.at += DAY;
  sample.use({ budgetMonth: 6.5, budgetTotal: 200 });
  assert.equal(sample.refuse().limit, "budget_month");
  sample.at += 31 * DAY;
  sample.spend(39.5);
  assert.equal(sample.refuse().limit, "budget_total");
});

Deno.test("KeyLimits decides after a restart as it would have without", () => {
  const use = fc.record({
    gapMs: fc.integer({ min: 0, max: 20 * HOUR }),
    cost: fc.integer({ min: 0, max: 40 }),
    currency: fc.constantFrom("USD", "CNY"),
  });
  fc.assert(fc.property(fc.array(use, { maxLength: 60 }), (list) => {
    const rules = { budgetDay: 50, budgetMonth: 200, budgetTotal: 500 };
    const lived = new Sample(rules);
    const rows: { date: string; cost: number; currency: string }[] = [];
    for (const { gapMs, cost, currency } of list) {
      lived.at += gapMs;
      const answer = lived.try(0, cost, currency);
      if (!answer.ok) continue;
      answer.spent({ tokens: 0, cost, currency });
      answer.release();
      rows.push({ date: new Date(lived.at).toISOString(), cost, currency });
    }
    const again = new Sample(rules);
    again.at = lived.at;
    const today = new Date(lived.at).toISOString();
    for (const currency of ["USD", "CNY"]) {
      const sum = (letters: number) =>
        rows.filter((row) =>
          row.currency === currency && row.date.slice(0, letters) === today.slice(0, letters)
        )
          .reduce((total, { cost }) => total + cost, 0);
      again.limits.restoreSpending({ authKeyId: 1, currency, day: sum(10), month: sum(7), total: sum(0) });
    }
    const answer = ({ ok, ...rest }: Permit | LimitRefusal) => ok ? { ok } : { ok, ...rest };
    for (const days of [0, 1, 31]) {
      again.at = lived.at += days * DAY;
      assert.deepEqual(answer(again.try()), answer(lived.try()));
    }
  }));
});

Deno.test("KeyLimits leaves out what had been spent when the budget was reset, as long as it is of the same time", () => {
  const sample = new Sample({});
  sample.limits.restoreSpending({ authKeyId: 1, currency: "USD", day: 4, month: 40, total: 400 });
  const baseline = { day: { USD: 3 }, month: { USD: 30 }, total: { USD: 300 } };
  const left = (rules: Partial<LimitRules>): boolean => {
    sample.use(rules);
    const answer = sample.try();
    if (answer.ok) answer.release();
    return answer.ok;
  };
  const today = { ...baseline, date: "2026-05-20" };
  assert.deepEqual(
    [
      left({ budgetDay: 1.1, budgetBaseline: today }),
      left({ budgetDay: 1, budgetBaseline: today }),
      left({ budgetMonth: 10.1, budgetBaseline: today }),
      left({ budgetMonth: 10, budgetBaseline: today }),
      left({ budgetTotal: 100.1, budgetBaseline: today }),
      left({ budgetTotal: 100, budgetBaseline: today }),
    ],
    [true, false, true, false, true, false],
  );
  const yesterday = { ...baseline, date: "2026-05-19" };
  assert.deepEqual(
    [left({ budgetDay: 4, budgetBaseline: yesterday }), left({ budgetMonth: 11, budgetBaseline: yesterday })],
    [false, true],
  );
  const lastMonth = { ...baseline, date: "2026-04-20" };
  assert.deepEqual(
    [
      left({ budgetMonth: 40, budgetBaseline: lastMonth }),
      left({ budgetTotal: 101, budgetBaseline: lastMonth }),
    ],
    [false, true],
  );
});

Deno.test("KeyLimits gives no credit for a baseline larger than what has been spent", () => {
  const total = { CNY: 700, USD: 3, constructor: 1 };
  const budgetBaseline = { date: "2026-05-20", day: {}, month: {}, total };
  const sample = new Sample({ budgetTotal: 1, budgetBaseline });
  sample.spend(3);
  sample.spend(0.5);
  sample.spend(699, "CNY");
  sample.spend(0.5);
  assert.equal(sample.refuse().limit, "budget_total");
});
