/** A key under limits and under a clock that the test moves, and what may happen to it. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BudgetCalendar } from "../../src/access/budget_calendar.ts";
import {
  KeyLimits,
  type LimitRefusal,
  type LimitRules,
  type Permit,
  type RequestUse,
} from "../../src/access/key_limits.ts";
import { Days } from "../../src/accounting/days.ts";
import { authKey } from "../store/fixtures.ts";

/** Noon of a Wednesday. */
export const NOW = Date.UTC(2026, 4, 20, 12);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const CNY_PER_USD = 7;
/** Days and months that begin with UTC's. */
export const UTC_DAYS = new Days("UTC");

const UNLIMITED: LimitRules = { ...authKey(), budgetBaseline: null };

/** The limits of one key under a clock that the test moves. */
export class Sample {
  at = NOW;
  readonly limits: KeyLimits;

  constructor(rules: Partial<LimitRules>) {
    this.limits = new KeyLimits(
      { now: () => this.at, calendar: new BudgetCalendar(UTC_DAYS), cnyPerUsd: CNY_PER_USD },
      { ...UNLIMITED, ...rules },
    );
  }

  use(rules: Partial<LimitRules>): void {
    this.limits.useRules({ ...UNLIMITED, ...rules });
  }

  try(tokens = 0, cost = 0, currency = "USD"): Permit | LimitRefusal {
    return tryIn(this.limits, { tokens, cost, currency });
  }

  admit(tokens = 0, cost = 0, currency = "USD"): Permit {
    const answer = this.try(tokens, cost, currency);
    if (!answer.ok) assert.fail(answer.message);
    return answer;
  }

  refuse(tokens = 0, cost = 0): LimitRefusal {
    const answer = this.try(tokens, cost);
    if (answer.ok) assert.fail("it was admitted");
    return answer;
  }

  /** A whole request that ends at once. */
  spend(cost: number, currency = "USD"): void {
    const permit = this.admit(0, cost, currency);
    permit.spent({ tokens: 0, cost, currency });
    permit.release();
  }
}

/** What comes of a request without a body, which asks for its leave as soon as it is in. */
export function tryIn(
  door: Pick<KeyLimits, "enter">,
  use: RequestUse = { tokens: 0, cost: 0, currency: "USD" },
): Permit | LimitRefusal {
  const entrance = door.enter();
  if (!entrance.ok) return entrance;
  const answer = entrance.admit(use);
  entrance.leave();
  return answer;
}

/** A use that is paid in US dollars. */
export function usd(tokens: number, cost = 0): RequestUse {
  return { tokens, cost, currency: "USD" };
}

/** What happens: time passes, then a request begins or one that is under way uses tokens and may end. */
export const steps = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.integer({ min: 0, max: 4_000 }), fc.integer({ min: 0, max: 65_000 })),
    begins: fc.boolean(),
    estimate: fc.integer({ min: 0, max: 1_000 }),
    which: fc.nat(),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    ends: fc.boolean(),
  }),
  { minLength: 20, maxLength: 150 },
);
