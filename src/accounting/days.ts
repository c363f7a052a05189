/**
 * Days of one time zone. Made from the same formatter as the times of stored rows, so that rows, daily figures, exports
 * and "today" mean the same days.
 *
 * @module
 */
import { timeFormatter } from "../store/time.ts";

const DAY_MS = 86_400_000;
const FIRST_DAY = "0001-01-01";
const LAST_DAY = "9999-12-31";

/** Answers questions about days in one time zone. */
export class Days {
  readonly #format: (epochMs: number) => string;

  /** @param timeZone IANA name. @throws {RangeError} when the zone is not known. */
  constructor(timeZone: string) {
    this.#format = timeFormatter(timeZone);
  }

  /** The day of a moment, `2026-05-20`. */
  dayOf(epochMs: number): string {
    return this.#format(epochMs).slice(0, 10);
  }

  /** What the clock shows, `2026-05-20 12:00:00`. */
  clockOf(epochMs: number): string {
    return this.#format(epochMs).slice(0, 19);
  }

  /** When the next day begins, epoch milliseconds in and out. */
  nextDay(epochMs: number): number {
    return this.#endOf(epochMs, "2026-05-20".length, 2);
  }

  /** When the next month begins, epoch milliseconds in and out. */
  nextMonth(epochMs: number): number {
    return this.#endOf(epochMs, "2026-05".length, 33);
  }

  /** The same time of day so many calendar days earlier; epoch milliseconds in and out. */
  daysBefore(epochMs: number, days: number): number {
    const earlier = epochMs - days * DAY_MS;
    return earlier + this.#offsetMs(epochMs) - this.#offsetMs(earlier);
  }

  /** The first moment whose clock does not begin as it does now. Zones change their offset, so it is sought. */
  #endOf(epochMs: number, length: number, withinDays: number): number {
    const now = this.clockOf(epochMs).slice(0, length);
    let [before, after] = [epochMs, epochMs + withinDays * DAY_MS];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.clockOf(middle).startsWith(now)) before = middle;
      else after = middle;
    }
    return after;
  }

  #offsetMs(epochMs: number): number {
    const second = Math.floor(epochMs / 1000) * 1000;
    return Date.parse(`${this.clockOf(second).replace(" ", "T")}Z`) - second;
  }
}

/** The day so many days later (or earlier, if negative); it stays within the years 1 to 9999. */
export function shiftDay(day: string, days: number): string {
  const shifted = Date.parse(`${day}T00:00:00Z`) + days * DAY_MS;
  if (!(shifted > Date.parse(FIRST_DAY))) return FIRST_DAY;
  return shifted < Date.parse(LAST_DAY) ? new Date(shifted).toISOString().slice(0, 10) : LAST_DAY;
}

/** Whether a text is a day that the calendar has. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && text >= FIRST_DAY && shiftDay(text, 0) === text;
}
