/**
 * Lets old rows of the request log go, in steps so small that log writes pass in between, and gives their space back.
 * Daily figures stay.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { CleanupBound, CleanupRecord } from "../store/log_cleanup.ts";
import type { Store } from "../store/store.ts";
import { CLEANUP_POLICY, readCleanupPolicy } from "./cleanup_policy.ts";
import { Days } from "./days.ts";
import { everyHour } from "./every_hour.ts";

/** Rows in one step: at most, and when a step took too long. */
const MAX_STEP = 1_000;
const MIN_STEP = 20;
/** How long a step should keep the writer busy at most, milliseconds. */
const STEP_MS = 40;
/** Pages that are given back in one step. */
const PAGES_A_STEP = 500;
/** So few free pages stay in the file: the next rows fill them. */
const FREE_PAGES_KEPT = 256;
/** While a reader holds more than this of the write-ahead log, no further row is removed: it could only grow. */
const HELD_BYTES = 64 * 1024 * 1024;
/** How often and how long the end of such a reader is waited for, milliseconds. */
const HELD_PAUSE_MS = 1_000;
const HELD_TRIES = 30;
/** Records of clean-ups that stay, as in llmio. */
const HISTORY_ROWS = 100;

/** What the cleaner works with. */
export interface LogCleanerOptions {
  readonly store: Pick<Store, "logCleanup" | "configs">;
  /** IANA name of the zone in which days begin. */
  readonly timeZone: string;
  /** Epoch milliseconds. */
  now(): number;
  /** Waits between two steps. @default a timer */
  pause?(ms: number): Promise<void>;
}

/** What an operator asks for: rows older than so many days go, or all but the newest so many. */
export interface CleanupRequest {
  readonly type: "days" | "count";
  /** 0 days = every row that there is now. */
  readonly value: number;
}

/** Cleans up by the policy once a day, and when it is asked to. One clean-up runs at a time. */
export class LogCleaner {
  readonly #store: LogCleanerOptions["store"];
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #days: Days;
  readonly #log = getLogger(["llmio", "cleanup"]);
  #last: Promise<void> = Promise.resolve();
  /** The local day on which the policy was last carried out. */
  #doneOn = "";
  #stopped = false;
  #stopClock: (() => Promise<void>) | null = null;

  constructor({ store, timeZone, now, pause = wait }: LogCleanerOptions) {
    this.#store = store;
    this.#now = now;
    this.#pause = pause;
    this.#days = new Days(timeZone);
  }

  /** Looks at the policy now and then every hour. */
  start(): void {
    this.#stopClock ??= everyHour(() => this.tick());
    this.tick();
  }

  /** Looks at the policy, carries it out if that has not been done today, and gives free space back. */
  tick(): void {
    void this.#inTurn(() => this.#carryOutPolicy()).catch((error) => this.#warn(error)).then(() =>
      this.#tidy()
    );
  }

  /**
   * Cleans up as asked and answers how many rows went. The space follows a little later.
   *
   * Fewer rows than asked for go if somebody reads an old state of the file for long, or the gateway stops.
   */
  async clean(request: CleanupRequest): Promise<number> {
    const removed = await this.#inTurn(() => this.#carryOut(request, "manual"));
    void this.#tidy();
    return removed;
  }

  /** Rows that started before this moment go when `days` days are to be kept, epoch milliseconds. */
  cutoff(days: number): number {
    return this.#days.daysBefore(this.#now(), days);
  }

  /** Resolves when all that was begun is done, its space given back. */
  async idle(): Promise<void> {
    let last;
    do await (last = this.#last); while (last !== this.#last);
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#stopClock?.();
    await this.idle();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work);
    this.#last = done.then(() => {}, () => {});
    return done;
  }

  async #carryOutPolicy(): Promise<void> {
    const policy = readCleanupPolicy((await this.#store.configs.get(CLEANUP_POLICY))?.value ?? "");
    const today = this.#days.dayOf(this.#now());
    if (!policy.enabled || this.#doneOn === today || this.#stopped) return;
    const complete = [];
    complete.push(await this.#scheduled({ type: "days", value: policy.retentionDays }));
    if (policy.maxRows !== null) {
      complete.push(await this.#scheduled({ type: "count", value: policy.maxRows }));
    }
    await this.#store.logCleanup.trimHistory(HISTORY_ROWS);
    // What could not be finished goes on at the next tick.
    if (complete.every(Boolean)) this.#doneOn = today;
  }

  /** Answers whether it went to its end. */
  async #scheduled(request: CleanupRequest): Promise<boolean> {
    const bound = await this.#boundOf(request);
    return bound === null || (await this.#removeAndRecord(bound, request, "scheduled")).complete;
  }

  async #carryOut(request: CleanupRequest, source: CleanupRecord["source"]): Promise<number> {
    // As in llmio: by count, an empty log is nothing to remember.
    if (request.type === "count" && await this.#store.logCleanup.newestId() === 0) return 0;
    const bound = await this.#boundOf(request) ?? { beforeId: 0 };
    return (await this.#removeAndRecord(bound, request, source)).removed;
  }

  /** `null` = by count, and there are not that many rows. */
  async #boundOf({ type, value }: CleanupRequest): Promise<CleanupBound | null> {
    if (type === "days" && value > 0) return { beforeMs: this.cutoff(value) };
    if (type === "days") return { beforeId: await this.#store.logCleanup.newestId() + 1 };
    const beforeId = await this.#store.logCleanup.oldestOfNewest(value);
    return beforeId === null ? null : { beforeId };
  }

  async #removeAndRecord(
    bound: CleanupBound,
    { type, value }: CleanupRequest,
    source: CleanupRecord["source"],
  ): Promise<Removal> {
    const startedAt = performance.now();
    const removal = await this.#remove(bound);
    await this.#store.logCleanup.record({
      retentionDays: type === "days" ? value : 0,
      deletedCount: removal.removed,
      durationMs: performance.now() - startedAt,
      source,
      type,
    });
    this.#log.info("Removed {count} rows of the request log", {
      count: removal.removed,
      source,
      type,
      value,
    });
    return removal;
  }

  async #remove(bound: CleanupBound): Promise<Removal> {
    let removed = 0;
    let size = MAX_STEP;
    for (let more = true; more;) {
      if (this.#stopped || !await this.#mayWrite()) return { removed, complete: false };
      const step = await this.#store.logCleanup.remove(bound, size);
      removed += step.removed;
      more = step.more;
      size = nextSize(size, step.tookMs);
      // The writer has at least half of its time for others.
      if (more) await this.#pause(Math.ceil(step.tookMs));
    }
    return { removed, complete: true };
  }

  /** Moves the write-ahead log into the file; waits for a reader who keeps too much of it from being moved. */
  async #mayWrite(): Promise<boolean> {
    for (let tries = 0; tries < HELD_TRIES && !this.#stopped; tries++) {
      if ((await this.#store.logCleanup.checkpoint()).heldBytes <= HELD_BYTES) return true;
      await this.#pause(HELD_PAUSE_MS);
    }
    if (!this.#stopped) {
      this.#log.warn(
        "The clean-up waits until the next hour: another program has read from the database for long",
      );
    }
    return false;
  }

  /** Gives free pages back to the file system. Never rejects. */
  #tidy(): Promise<void> {
    return this.#inTurn(() => this.#giveBack()).catch((error) => this.#warn(error));
  }

  async #giveBack(): Promise<void> {
    const { logCleanup } = this.#store;
    let free = await logCleanup.freePages();
    if (free <= FREE_PAGES_KEPT) return;
    while (free > FREE_PAGES_KEPT && !this.#stopped && await this.#mayWrite()) {
      const startedAt = performance.now();
      const left = await logCleanup.giveBack(Math.min(PAGES_A_STEP, free - FREE_PAGES_KEPT));
      // A file that an old program has made cannot give space back; new rows fill it.
      if (left >= free) return;
      free = left;
      await this.#pause(Math.ceil(performance.now() - startedAt));
    }
    await logCleanup.checkpoint();
    await logCleanup.shrinkLog();
  }

  #warn(error: unknown): void {
    if (this.#stopped) return;
    this.#log.warn("Old log rows could not be removed: {reason}", {
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** How much of a clean-up was done. */
interface Removal {
  readonly removed: number;
  readonly complete: boolean;
}

/** Smaller steps after one that took too long, larger ones again after quick ones. */
function nextSize(size: number, tookMs: number): number {
  if (tookMs > STEP_MS) return Math.max(MIN_STEP, Math.floor(size * STEP_MS / tookMs));
  return tookMs < STEP_MS / 2 ? Math.min(MAX_STEP, size * 2) : size;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
