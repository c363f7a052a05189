/** Lets old rows of the audit log go, in small steps, so that no other write waits long. @module */
import { getLogger } from "@logtape/logtape";
import { everyHour } from "../accounting/every_hour.ts";
import type { AuditRetention } from "../store/audit.ts";
import type { Store } from "../store/store.ts";

/** How long rows are kept, milliseconds. */
export const AUDIT_KEPT_MS = 400 * 24 * 3_600_000;
/** How many are kept at most. */
export const AUDIT_ROWS = 100_000;
/** How many go in one step. */
const STEP = 500;

/** Cleans up at the start and every hour. */
export class AuditPruner {
  readonly #prune: (retention: AuditRetention) => Promise<number>;
  readonly #now: () => number;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #stopClock: (() => Promise<void>) | null = null;

  /** @param now the clock, epoch milliseconds */
  constructor(audit: Pick<Store["audit"], "prune">, now: () => number) {
    this.#prune = (retention) => audit.prune(retention);
    this.#now = now;
  }

  /** Cleans up now and then every hour. */
  start(): void {
    this.#stopClock ??= everyHour(() => void this.tick());
    void this.tick();
  }

  /** Cleans up; resolves when that is done. Never rejects. */
  tick(): Promise<void> {
    this.#running = this.#running.then(() => this.#clean());
    return this.#running;
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#stopClock?.();
    await this.#running;
  }

  async #clean(): Promise<void> {
    const retention = { beforeMs: this.#now() - AUDIT_KEPT_MS, keep: AUDIT_ROWS, limit: STEP };
    try {
      while (!this.#stopped && await this.#prune(retention) > 0);
    } catch (error) {
      if (!this.#stopped) {
        getLogger(["llmio", "audit"]).warn("Old rows of the audit log could not be removed: {error}", {
          error,
        });
      }
    }
  }
}
