/** Writes verdicts and checks behind everybody's back, in batches. @module */
import { getLogger } from "@logtape/logtape";
import type { ProviderCheck, StoredHealth } from "../store/health.ts";
import type { ProviderHealth } from "./state.ts";

/** Where the writer writes and what it reads. */
export interface HealthWriterOptions {
  /** Writes one batch in one transaction. */
  save(batch: { states: readonly StoredHealth[]; checks: readonly ProviderCheck[] }): Promise<void>;
  /** The verdict to write; `undefined` = the provider is gone. */
  health(providerId: number): ProviderHealth | undefined;
  /** Longest time that a change waits, ms. */
  readonly flushMs: number;
}

/** Pause after a failed write, ms. */
const RETRY_MS = 5_000;
/** Checks that may wait while the database does not take them; older ones are given up. */
const MAX_CHECKS = 10_000;

/** The writer. A database that does not take the batch delays it; it delays nothing else. */
export class HealthWriter {
  readonly #options: HealthWriterOptions;
  readonly #log = getLogger(["llmio", "health"]);
  readonly #dirty = new Set<number>();
  #checks: ProviderCheck[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: HealthWriterOptions) {
    this.#options = options;
  }

  /** The verdict on a provider has changed. */
  touch(providerId: number): void {
    this.#dirty.add(providerId);
    this.#schedule(this.#options.flushMs);
  }

  /** A check is over. */
  add(check: ProviderCheck): void {
    this.#checks.push(check);
    if (this.#checks.length > MAX_CHECKS) this.#checks.shift();
    this.#schedule(this.#options.flushMs);
  }

  /** A provider is gone, and with it what waits to be written of it. */
  forget(providerId: number): void {
    this.#dirty.delete(providerId);
    this.#checks = this.#checks.filter((check) => check.providerId !== providerId);
  }

  /** Writes all that waits. Resolves when it is written, or when the database has refused it. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // One after another, so that an older verdict never overwrites a newer one.
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Writes all that waits and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
  }

  #schedule(ms: number): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => void this.flush(), ms);
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const ids = [...this.#dirty];
    const checks = this.#checks;
    if (ids.length === 0 && checks.length === 0) return;
    this.#dirty.clear();
    this.#checks = [];
    const states = ids.flatMap((providerId) => {
      const health = this.#options.health(providerId);
      return health === undefined ? [] : [{ providerId, health }];
    });
    try {
      await this.#options.save({ states, checks });
    } catch (error) {
      for (const id of ids) this.#dirty.add(id);
      this.#checks = [...checks, ...this.#checks].slice(-MAX_CHECKS);
      this.#log.warn("could not write the health of {count} providers, will try again: {reason}", {
        count: ids.length,
        reason: error instanceof Error ? error.message : String(error),
      });
      this.#schedule(RETRY_MS);
    }
  }
}
