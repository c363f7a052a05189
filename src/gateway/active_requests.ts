/** The requests under way, so that a stopping server can end those that outlast its patience. @module */
import type { CallEnded } from "./upstream.ts";

/** Ends one request. */
export type EndRequest = (reason: CallEnded) => void;

/** A registry of running requests. */
export class ActiveRequests {
  readonly #running = new Set<EndRequest>();
  #whenIdle: (() => void)[] = [];

  /** Requests under way, streams included. */
  get count(): number {
    return this.#running.size;
  }

  add(end: EndRequest): void {
    this.#running.add(end);
  }

  remove(end: EndRequest): void {
    if (!this.#running.delete(end) || this.#running.size > 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when no request is under way. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Ends all of them. */
  endAll(reason: CallEnded): void {
    for (const end of [...this.#running]) end(reason);
  }
}
