/** The one deadline of a call to a provider, which moves as the call goes on. @module */
import type { TimeoutPhase } from "../failover/outcome.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { CallEnded } from "./upstream.ts";

/** Ends a call that has waited too long, and says for what it waited. */
export class CallTimer {
  readonly #deadline: Deadline;
  readonly #startedAt = Date.now();
  #phase: TimeoutPhase = "headers";
  /** What was left when the clock was stopped, milliseconds; `null` = it runs. */
  #leftMs: number | null = null;

  constructor(deadlines: Deadlines, abort: AbortController) {
    this.#deadline = deadlines.watch(Infinity, () => {
      const afterMs = Date.now() - this.#startedAt;
      abort.abort(new CallEnded({ type: "timeout", phase: this.#phase, afterMs }));
    });
  }

  /** The call may now wait until `at`, epoch milliseconds, for what `phase` names. */
  arm(phase: TimeoutPhase, at: number): void {
    this.#phase = phase;
    this.#leftMs = null;
    this.#deadline.at = at;
  }

  /** The provider is not waited for: the clock stands still until {@link resume} or {@link arm}. */
  pause(): void {
    this.#leftMs ??= this.#deadline.at - Date.now();
    this.#deadline.at = Infinity;
  }

  /** The provider has as long as was left. */
  resume(): void {
    if (this.#leftMs !== null) this.#deadline.at = Date.now() + this.#leftMs;
    this.#leftMs = null;
  }

  /** The call is over. Idempotent. */
  clear(): void {
    this.#deadline.clear();
  }
}
