/** The serving thread's end of the line to a worker that not every run needs. @module */
import { StoreError } from "./errors.ts";
import type { WorkerRequest } from "./messages.ts";
import type { WorkerLink } from "./worker_link.ts";

/** Like {@linkcode WorkerLink}, but the first request starts the worker, as does the next one after it has died. */
export class LateWorkerLink {
  readonly #start: () => WorkerLink;
  readonly #open: WorkerRequest;
  #link: WorkerLink | undefined;
  #opened: Promise<unknown> | undefined;
  #refused: StoreError | undefined;

  /** @param start Starts a worker. @param open What it is asked before anything else. */
  constructor(start: () => WorkerLink, open: WorkerRequest) {
    this.#start = start;
    this.#open = open;
  }

  /** Sends a request. @throws {StoreError} after `finish` or `stop`. @throws what the worker answers, to `open` too. */
  async send(request: WorkerRequest): Promise<unknown> {
    if (this.#refused !== undefined) throw this.#refused;
    const link = this.#running();
    const [value] = await Promise.all([link.send(request), this.#opened]);
    return value;
  }

  #running(): WorkerLink {
    if (this.#link !== undefined && this.#link.stopped === undefined) return this.#link;
    const link = this.#link = this.#start();
    this.#opened = link.send(this.#open);
    this.#opened.catch(() => link.stop("the database could not be opened"));
    return link;
  }

  /** Refuses further requests, waits for those under way and ends the worker, if there is one. Never fails. */
  async finish(reason: string): Promise<void> {
    this.#refused ??= new StoreError(reason, "closed");
    await this.#link?.finish(reason);
  }

  /** Ends the worker at once and rejects what is pending. */
  stop(reason: string): void {
    this.#refused ??= new StoreError(reason, "closed");
    this.#link?.stop(reason);
  }
}
