/** What a repository works with, inside a worker. @module */
import type { Database } from "./database.ts";
import { type TimeFormatter, timeFormatter } from "./time.ts";

/**
 * The calls of one part of the store as they run in the worker: the same, but synchronous. The worker runs each
 * in one transaction.
 */
export type Synchronous<Group> = {
  [Method in keyof Group]: Group[Method] extends (...args: infer Args) => Promise<infer Result>
    ? (...args: Args) => Result
    : never;
};

/** The connection and the clock of the call that is being served. */
export class Session {
  /** When the call was made, epoch milliseconds. The clock is the caller's, so that tests can set it. */
  nowMs = 0;
  /** Writes times in the stored form. */
  readonly format: TimeFormatter;

  /** @param timeZone IANA name; without it the zone of the process. */
  constructor(readonly database: Database, timeZone?: string) {
    this.format = timeFormatter(timeZone);
  }

  /** The time of the call in the stored form. */
  stamp(): string {
    return this.format(this.nowMs);
  }
}
