/** The serving thread's end of the line to a database worker. @module */
import { messageOf, StoreError } from "./errors.ts";
import { fromFailure, type Numbered, type WorkerReply, type WorkerRequest } from "./messages.ts";

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Sends requests to a worker and hands back its answers. When the worker dies, everything pending is rejected. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #stopped: StoreError | undefined;
  #ended = false;
  #finishing: Promise<void> | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => this.#settle(data);
    worker.onerror = (event) => {
      // Without this the error would end the whole process.
      event.preventDefault();
      this.stop(`the database worker has died: ${event.message}`);
    };
    worker.onmessageerror = () => this.stop("the database worker has died: its answer could not be read");
  }

  /** Why the worker takes no more requests; `undefined` while it does. */
  get stopped(): StoreError | undefined {
    return this.#stopped;
  }

  /** Sends a request. @throws {StoreError} when the worker has stopped. @throws what the worker answers. */
  send(request: WorkerRequest): Promise<unknown> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    return this.#post(request);
  }

  #post(request: WorkerRequest): Promise<unknown> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    try {
      this.#worker.postMessage({ id, request } satisfies Numbered<WorkerRequest>);
    } catch (error) {
      this.#pending.delete(id);
      reject(new StoreError(`a value cannot be sent to the database worker: ${messageOf(error)}`));
    }
    return promise;
  }

  /** Takes no more requests; those under way are still answered. */
  refuse(reason: string): StoreError {
    return this.#stopped ??= new StoreError(reason, "closed");
  }

  /**
   * Refuses further requests, waits for those under way, has the worker close its database, and ends it. Never
   * fails: a worker that is dead already has nothing to close.
   */
  finish(reason: string): Promise<void> {
    return this.#finishing ??= this.#finish(reason);
  }

  async #finish(reason: string): Promise<void> {
    if (this.#ended) return;
    const stopped = this.refuse(reason);
    // The worker answers in order, so its answer to this one comes after all others.
    await this.#post({ kind: "close" }).catch(() => {});
    this.#end(stopped);
  }

  /** Ends the worker at once and rejects what is pending. */
  stop(reason: string): void {
    if (this.#ended) return;
    this.#end(this.refuse(reason));
  }

  #end(error: StoreError): void {
    this.#ended = true;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending?.reject(fromFailure(reply.failure));
    else pending?.resolve(reply.value);
  }
}
