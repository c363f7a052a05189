/**
 * Clients that stand still: they send nothing more of their body, or take nothing more of their answer.
 *
 * What is watched is progress, never the whole time: a slow client that goes on is served to its end.
 *
 * @module
 */
import type { Deadline, Deadlines } from "./deadlines.ts";

/** How long a client may stand still. */
export interface Patience {
  readonly deadlines: Deadlines;
  /** Milliseconds. */
  readonly clientIdleMs: number;
}

/** Watches one client in one direction. */
export class ClientWatch {
  readonly #idleMs: number;
  readonly #deadline: Deadline;
  /** The client has stood still for too long. */
  isOver = false;

  /** Watching begins at once. @param onIdle called once, if the client stands still */
  constructor({ deadlines, clientIdleMs }: Patience, onIdle: () => void) {
    this.#idleMs = clientIdleMs;
    this.#deadline = deadlines.watch(Date.now() + clientIdleMs, () => {
      this.isOver = true;
      onIdle();
    });
  }

  /** It is the client's turn, from now on. */
  wait(): void {
    this.#deadline.at = Date.now() + this.#idleMs;
  }

  /** It is somebody else's turn. */
  pause(): void {
    this.#deadline.at = Infinity;
  }

  /** Stops watching. Idempotent. */
  clear(): void {
    this.#deadline.clear();
  }
}

/** The reason of an answer that was broken off because nobody took it. */
export class ClientStalled extends Error {
  override readonly name = "ClientStalled";
  constructor() {
    super("the client takes nothing of its answer");
  }
}

/** From this size on an answer does not fit into the buffers between here and the client, bytes. */
const LARGE_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

/**
 * A whole answer's body. A large one goes out piece by piece, so that it is not held for a client that takes nothing
 * of it; its length has to be stated in the headers.
 */
export function patientBody(
  body: Uint8Array<ArrayBuffer>,
  patience: Patience,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> {
  if (body.length < LARGE_BYTES) return body;
  let rest = body;
  let watch: ClientWatch | null = null;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      watch = new ClientWatch(patience, () => {
        rest = NOTHING;
        controller.error(new ClientStalled());
      });
    },
    pull(controller) {
      controller.enqueue(rest.subarray(0, PIECE_BYTES));
      rest = rest.subarray(PIECE_BYTES);
      if (rest.length > 0) watch?.wait();
      else {
        watch?.clear();
        controller.close();
      }
    },
    cancel() {
      watch?.clear();
      rest = NOTHING;
    },
  }, { highWaterMark: 0 });
}

const NOTHING = new Uint8Array(0);
