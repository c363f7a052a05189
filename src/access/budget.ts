/** Budgets of a client's key: what it may spend in a day, in a month and in all. @module */
import type { BudgetBaseline, Costs, KeySpending } from "../store/auth_keys.ts";
import type { BudgetCalendar } from "./budget_calendar.ts";
import { BudgetPeriod } from "./budget_period.ts";

/** The part of a key's row that says what it may spend. */
export interface BudgetRules {
  /** In `budgetCurrency`; `null` = no limit, 0 = nothing. */
  readonly budgetDay: number | null;
  readonly budgetMonth: number | null;
  readonly budgetTotal: number | null;
  /** `USD` or `CNY`. */
  readonly budgetCurrency: string;
  /** Spending that no longer counts; `null` = all counts. */
  readonly budgetBaseline: BudgetBaseline | null;
}

/** Says which budget stands in the way. */
export interface BudgetRefusal {
  readonly ok: false;
  readonly limit: "budget_day" | "budget_month" | "budget_total";
  /** For the client: the budget's size, and what to do. */
  readonly message: string;
  /** When to try again; `null` = waiting does not help. */
  readonly retryAfterMs: number | null;
}

/** The place of one request in the budgets. */
export interface BudgetHold {
  /** Counts a cost that has come about. */
  spent(cost: number, currency: string): void;
  /** Gives back what was set aside. Call it once. */
  release(): void;
}

/** When to try again if only requests under way stand in the way: nobody knows when they end. */
export const SOON_MS = 1_000;

/** Costs are fractions: ten times a tenth is a little less than one. So close to a budget, it is used up. */
const NEARLY_ALL = 1 - 1e-9;

const NO_BUDGET: BudgetRules = {
  budgetDay: null,
  budgetMonth: null,
  budgetTotal: null,
  budgetCurrency: "USD",
  budgetBaseline: null,
};

type Span = "day" | "month" | "total";

/**
 * Keeps account of what one key spends.
 *
 * A request is admitted while *spent + set aside < budget*; then its estimated cost is set aside until it is over.
 * With estimates that are never too low, a budget is therefore exceeded by less than the estimate of one request, the
 * last one admitted, however many run at once. An estimate is a maximum (all the output that is asked for), often ten
 * times the real cost; to refuse what might not fit would lock a key out of a budget of which most is left. Where
 * costs cannot be estimated (0), all requests under way may go beyond.
 *
 * A request counts, and has its estimate set aside, on the day and in the month in which it was admitted, as in the
 * stored daily totals, so that a restart counts the same. Costs are counted also where there is no budget: one that
 * is set later knows them. What is not in the database when the process is killed is lost here too: at most what the
 * recorder had not yet written (its flush interval).
 */
export class KeyBudget {
  readonly #calendar: BudgetCalendar;
  readonly #cnyPerUsd: number;
  readonly #total = new BudgetPeriod("");
  #day = new BudgetPeriod("");
  #month = new BudgetPeriod("");
  #rules = NO_BUDGET;

  /** @param cnyPerUsd what a US dollar costs in yuan */
  constructor(calendar: BudgetCalendar, cnyPerUsd: number) {
    this.#calendar = calendar;
    this.#cnyPerUsd = cnyPerUsd;
  }

  /** Puts other budgets, or another baseline, in force at once. What has been counted stays. */
  useRules(rules: BudgetRules): void {
    this.#rules = rules;
  }

  /** Adds what earlier runs have counted up to now. */
  restore(nowMs: number, spending: KeySpending): void {
    this.#turnPages(nowMs);
    this.#day.spend(amount(spending.day), spending.currency);
    this.#month.spend(amount(spending.month), spending.currency);
    this.#total.spend(amount(spending.total), spending.currency);
  }

  /** The budget that stands longest in the way of a further request; `null` when none does. */
  refusal(nowMs: number): BudgetRefusal | null {
    const { budgetDay, budgetMonth, budgetTotal, budgetBaseline: baseline } = this.#rules;
    if (budgetDay === null && budgetMonth === null && budgetTotal === null) return null;
    this.#turnPages(nowMs);
    const sameMonth = baseline?.date.slice(0, 7) === this.#month.label;
    const sameDay = baseline?.date === this.#day.label;
    const byTotal = this.#check("total", this.#total, budgetTotal, baseline?.total ?? null, nowMs);
    const byMonth = this.#check("month", this.#month, budgetMonth, sameMonth ? baseline.month : null, nowMs);
    const byDay = this.#check("day", this.#day, budgetDay, sameDay ? baseline.day : null, nowMs);
    return longerRefusal(longerRefusal(byTotal, byMonth), byDay);
  }

  /** Sets the estimated cost of a request aside. */
  reserve(nowMs: number, cost: number, currency: string): BudgetHold {
    this.#turnPages(nowMs);
    return new Hold([this.#day, this.#month, this.#total], amount(cost), currency);
  }

  #check(
    span: Span,
    period: BudgetPeriod,
    budget: number | null,
    without: Costs | null,
    nowMs: number,
  ): BudgetRefusal | null {
    if (budget === null) return null;
    const currency = this.#rules.budgetCurrency;
    const spent = period.spent(currency, this.#cnyPerUsd, without);
    const most = budget * NEARLY_ALL;
    if (spent + period.reserved(currency, this.#cnyPerUsd) < most) return null;
    const size = `${budget} ${currency}${span === "total" ? " in total" : ` a ${span}`}`;
    const limit = `budget_${span}` as const;
    if (spent < most) {
      const message = `This key may spend ${size}; what is left is set aside for its requests under way; ` +
        "try again when one of them has ended";
      return { ok: false, limit, message, retryAfterMs: SOON_MS };
    }
    const advice = span === "total" || budget <= 0
      ? "ask for a larger budget"
      : `wait for the next ${span} or ask for a larger budget`;
    const message = `This key may spend ${size}, and nothing is left of it; ${advice}`;
    return { ok: false, limit, message, retryAfterMs: budget <= 0 ? null : this.#wait(span, nowMs) };
  }

  #wait(span: Span, nowMs: number): number | null {
    if (span === "total") return null;
    return span === "day" ? this.#calendar.untilNextDay(nowMs) : this.#calendar.untilNextMonth(nowMs);
  }

  /** Begins a new day or month. Requests of the old one keep their places in it. */
  #turnPages(nowMs: number): void {
    const today = this.#calendar.today(nowMs);
    if (today === this.#day.label) return;
    this.#day = pageFor(this.#day, today);
    this.#month = pageFor(this.#month, today.slice(0, 7));
  }
}

/** Which of two refusals stands longer in the way; the first when both do so equally. */
export function longerRefusal<T extends { readonly retryAfterMs: number | null }>(
  one: T | null,
  other: T | null,
): T | null {
  if (one === null || other === null) return one ?? other;
  return (other.retryAfterMs ?? Infinity) > (one.retryAfterMs ?? Infinity) ? other : one;
}

class Hold implements BudgetHold {
  readonly #periods: readonly BudgetPeriod[];
  readonly #cost: number;
  readonly #currency: string;

  constructor(periods: readonly BudgetPeriod[], cost: number, currency: string) {
    this.#periods = periods;
    this.#cost = cost;
    this.#currency = currency;
    for (const period of periods) period.reserve(cost, currency);
  }

  spent(cost: number, currency: string): void {
    for (const period of this.#periods) period.spend(amount(cost), currency);
  }

  release(): void {
    for (const period of this.#periods) period.giveBack(this.#cost, this.#currency);
  }
}

/** The same page for the same label. A clock that was set back takes the page along: what is on it still counts. */
function pageFor(page: BudgetPeriod, label: string): BudgetPeriod {
  if (label > page.label) return new BudgetPeriod(label);
  page.label = label;
  return page;
}

/** A cost that can be added up. */
function amount(cost: number): number {
  return Number.isFinite(cost) && cost > 0 ? cost : 0;
}
