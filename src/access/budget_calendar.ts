/** Which day it is, for budgets. @module */

/** How days are reckoned in the configured zone. Times are epoch milliseconds. */
export interface BudgetDays {
  /** The day of a moment, `2026-05-20`. */
  dayOf(ms: number): string;
  /** Start of the next day. */
  nextDay(ms: number): number;
  /** Start of the next month. */
  nextMonth(ms: number): number;
}

/** Remembers the current day: writing down a date for each request would cost more than all its limits. */
export class BudgetCalendar {
  readonly #days: BudgetDays;
  #today = "";
  #sinceMs = Infinity;
  #untilMs = -Infinity;

  constructor(days: BudgetDays) {
    this.#days = days;
  }

  /** The day of this moment, `2026-05-20`. */
  today(nowMs: number): string {
    if (!(nowMs >= this.#sinceMs && nowMs < this.#untilMs)) {
      this.#today = this.#days.dayOf(nowMs);
      this.#sinceMs = nowMs;
      this.#untilMs = this.#days.nextDay(nowMs);
    }
    return this.#today;
  }

  /** How long until the next day begins, milliseconds. */
  untilNextDay(nowMs: number): number {
    return Math.max(0, this.#days.nextDay(nowMs) - nowMs);
  }

  /** How long until the next month begins, milliseconds. */
  untilNextMonth(nowMs: number): number {
    return Math.max(0, this.#days.nextMonth(nowMs) - nowMs);
  }
}
