/** Lets old checks go, in small steps, so that no other write waits long. @module */
import { getLogger } from "@logtape/logtape";
import type { CheckRetention } from "../store/health.ts";

const HOUR_MS = 3_600_000;
/** How long checks are kept, ms. */
export const CHECKS_KEPT_MS = 30 * 24 * HOUR_MS;
/** How many are kept of each provider: more than 30 days of them at the usual interval. */
export const CHECKS_PER_PROVIDER = 10_000;
/** How many go in one step, and how many steps one clean-up takes. */
const STEP = 1_000;
const MAX_STEPS = 50;

/** Cleans up at most once an hour. */
export class Retention {
  readonly #prune: (retention: CheckRetention) => Promise<number>;
  #lastAt = -Infinity;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param prune takes one step and answers how many checks went */
  constructor(prune: (retention: CheckRetention) => Promise<number>) {
    this.#prune = prune;
  }

  /** Begins a clean-up if it is time. */
  tick(now: number): void {
    if (this.#stopped || (this.#lastAt <= now && now - this.#lastAt < HOUR_MS)) return;
    this.#lastAt = now;
    this.#running = this.#running.then(() => this.#clean(now));
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Never rejects. */
  async #clean(now: number): Promise<void> {
    const retention = { beforeMs: now - CHECKS_KEPT_MS, perProvider: CHECKS_PER_PROVIDER, limit: STEP };
    try {
      for (let step = 0; step < MAX_STEPS && !this.#stopped; step++) {
        if (await this.#prune(retention) === 0) return;
      }
    } catch (error) {
      getLogger(["llmio", "health"]).warn("could not remove old checks: {reason}", {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
