/** Writes that change routing, one after another. @module */
import { Fault } from "./envelope.ts";

/** A change that is stored, while routing still goes by what was before. */
export class NotInForce extends Fault {
  /** @param stored What the write has answered. */
  constructor(readonly stored: unknown) {
    super(500, "The change is stored but not in force: routing could not be reloaded; see the log");
  }
}

/**
 * Runs writes one at a time and puts each in force before it is answered.
 *
 * A write reads the stored row, merges what was sent into it and stores the whole; two at once would lose one.
 */
export class Writes {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly onRoutingChange: () => Promise<void>) {}

  /** Runs one write when the ones before it are done. */
  run<T>(write: () => Promise<T>): Promise<T> {
    const result = this.#last.then(write).then(async (value) => {
      await this.#putInForce(value);
      return value;
    });
    this.#last = result.catch(() => {});
    return result;
  }

  async #putInForce(stored: unknown): Promise<void> {
    try {
      await this.onRoutingChange();
    } catch (cause) {
      const fault = new NotInForce(stored);
      fault.cause = cause;
      throw fault;
    }
  }
}
