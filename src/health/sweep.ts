/**
 * The sweep: which checks run at the same time, and when each begins. What a check does is its owner's business.
 *
 * A provider that hangs delays nobody: it gives its place up long before its deadline. Rounds never pile up: a
 * provider that waits or is under check is not taken into a further one.
 *
 * @module
 */

/** What the sweep runs. */
export interface SweepTasks {
  /** Whether a provider that has waited for its turn is still to be checked. */
  isWanted(providerId: number): boolean;
  /** Checks one provider. A rejection ends nothing but this check. */
  check(providerId: number): Promise<void>;
}

/** Checks at the same time. */
export const MAX_CHECKS = 8;
/** A check that takes longer no longer counts against {@link MAX_CHECKS}, ms. */
export const SLOT_MS = 2_000;
/** The longest pause between the beginnings of two checks, ms: providers that share a host are not asked at once. */
export const MAX_GAP_MS = 250;

interface Waiting {
  readonly providerId: number;
  readonly done: () => void;
}

type Timer = ReturnType<typeof setTimeout>;

/** Runs rounds of checks. It reads no clock: its pauses are timers. */
export class Sweep {
  readonly #tasks: SweepTasks;
  readonly #queue: Waiting[] = [];
  /** What waits or runs. */
  readonly #pending = new Map<number, Promise<void>>();
  readonly #slots = new Set<Timer>();
  #gate: Timer | null = null;
  #gapMs = 0;
  #stopped = false;

  constructor(tasks: SweepTasks) {
    this.#tasks = tasks;
  }

  /** Whether a provider waits for its check or is under check. */
  isPending(providerId: number): boolean {
    return this.#pending.has(providerId);
  }

  /**
   * Begins a round.
   *
   * @param windowMs the beginnings of its checks are spread over this time at most, as far as free places allow
   * @returns when all checks of this round are over
   */
  async round(providerIds: readonly number[], windowMs: number): Promise<void> {
    const fresh = providerIds.filter((id) => !this.isPending(id));
    if (this.#stopped || fresh.length === 0) return;
    const round = fresh.map((providerId) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const over = promise.then(() => void this.#pending.delete(providerId));
      this.#pending.set(providerId, over);
      this.#queue.push({ providerId, done: resolve });
      return over;
    });
    this.#gapMs = Math.min(MAX_GAP_MS, windowMs / this.#queue.length);
    this.#advance();
    await Promise.all(round);
  }

  /** Lets no further check begin. Resolves when those under way are over; ending them is their owner's business. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#gate !== null) clearTimeout(this.#gate);
    for (const { done } of this.#queue.splice(0)) done();
    await Promise.all(this.#pending.values());
  }

  /** Begins the next check if a place is free and the pause since the last one is over. */
  #advance(): void {
    while (this.#gate === null && this.#slots.size < MAX_CHECKS) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (!this.#tasks.isWanted(next.providerId)) {
        next.done();
        continue;
      }
      this.#begin(next);
      if (this.#queue.length === 0) return;
      this.#gate = setTimeout(() => {
        this.#gate = null;
        this.#advance();
      }, this.#gapMs);
    }
  }

  #begin({ providerId, done }: Waiting): void {
    const release = () => {
      clearTimeout(slot);
      if (this.#slots.delete(slot) && !this.#stopped) this.#advance();
    };
    const slot = setTimeout(release, SLOT_MS);
    this.#slots.add(slot);
    this.#tasks.check(providerId).catch(() => {}).finally(() => {
      release();
      done();
    });
  }
}
