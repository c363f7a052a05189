/**
 * Reads a provider's stream: first until it shows the client something, then on behalf of the client.
 *
 * @module
 */
import type { FailedOutcome, Outcome } from "../failover/outcome.ts";
import type { CallTimer } from "./call_timer.ts";
import { ClientStalled, ClientWatch, type Patience } from "./client_idle.ts";
import type { Tap } from "./tap.ts";
import { CallEnded, outcomeOfThrown } from "./upstream.ts";

/** Held bytes before the first output; a longer preamble is passed on as if it were output (DESIGN.md, section 5). */
const PREAMBLE_BYTES = 64 * 1024;
/** After the protocol's end mark the provider has this long to close; it gets no second answer in, milliseconds. */
const END_GRACE_MS = 1_000;
/** One buffer for each stream, used again for each read (measured: a new one costs 350 KB a stream). */
const BUFFER_BYTES = 16 * 1024;

/** A provider's stream. */
export interface StreamSource {
  readonly body: ReadableStream<Uint8Array>;
  readonly tap: Tap;
  /** Ends the call; used by deadlines and by the client's hang-up. */
  readonly abort: AbortController;
  readonly timer: CallTimer;
  /** Longest silence, milliseconds; comments are silence. */
  readonly idleMs: number;
  /** Told of every piece as it came from the provider. */
  readonly keep?: ((piece: Uint8Array) => void) | undefined;
  /** No output after this moment counts; `Infinity` once committed. Epoch milliseconds. */
  readonly commitBefore: number;
}

/** Reads pieces of a stream and keeps its deadline. */
export class StreamPump {
  readonly #reader: ReadableStreamBYOBReader;
  #buffer = new ArrayBuffer(BUFFER_BYTES);
  #committed = false;
  #eventsSeen = 0;
  /** When the first byte came, `performance.now()`; 0 = not yet. */
  firstByteAt = 0;

  constructor(readonly source: StreamSource) {
    this.#reader = source.body.getReader({ mode: "byob" });
    this.#pushDeadline();
  }

  /** The next pieces to pass on; `null` at the end. @throws what the body or a deadline throws */
  async next(): Promise<Uint8Array<ArrayBuffer>[] | null> {
    const { tap, keep } = this.source;
    const { done, value } = await this.#reader.read(new Uint8Array(this.#buffer));
    if (done || value === undefined) return null;
    if (this.firstByteAt === 0) this.firstByteAt = performance.now();
    this.#buffer = value.buffer;
    const chunk = value.slice();
    keep?.(chunk);
    const pieces = tap.push(chunk);
    if (tap.events !== this.#eventsSeen) {
      this.#eventsSeen = tap.events;
      this.#pushDeadline();
    }
    return pieces;
  }

  /** From now on only the idle limit ends the stream. */
  commit(): void {
    this.#committed = true;
    this.#pushDeadline();
  }

  /** Stops reading and closes the provider's connection. */
  async cancel(reason: CallEnded): Promise<void> {
    this.source.timer.clear();
    this.source.abort.abort(reason);
    await this.#reader.cancel(reason).catch(() => {});
  }

  #pushDeadline(): void {
    const { timer, idleMs, commitBefore, tap } = this.source;
    const silentUntil = Date.now() + (tap.ended ? END_GRACE_MS : idleMs);
    if (this.#committed || silentUntil < commitBefore) timer.arm("idle", silentUntil);
    else timer.arm("first_token", commitBefore);
  }
}

/** What reading up to the first output has shown. */
export type Gate =
  | { readonly open: true; readonly held: readonly Uint8Array<ArrayBuffer>[]; readonly finished: boolean }
  | { readonly open: false; readonly outcome: FailedOutcome };

/**
 * Reads until the stream shows output. Nothing of it has gone to the client before this answers, so a stream that
 * begins with an error, or never begins, costs the client nothing.
 */
export async function readUntilOutput(pump: StreamPump): Promise<Gate> {
  const { tap, abort, timer } = pump.source;
  const held: Uint8Array<ArrayBuffer>[] = [];
  let heldBytes = 0;
  try {
    for (;;) {
      const pieces = await pump.next();
      for (const piece of pieces ?? tap.end()) {
        held.push(piece);
        heldBytes += piece.length;
      }
      if (tap.error !== null && !tap.sawOutput) {
        await pump.cancel(new CallEnded({ type: "client_gone" }));
        return { open: false, outcome: errorEvent(tap) };
      }
      if (pieces === null) timer.clear();
      if (tap.sawOutput || heldBytes > PREAMBLE_BYTES) return { open: true, held, finished: pieces === null };
      if (pieces === null) return { open: false, outcome: withoutOutput(tap) };
      if (tap.ended) {
        await pump.cancel(new CallEnded({ type: "client_gone" }));
        return { open: false, outcome: withoutOutput(tap) };
      }
    }
  } catch (error) {
    timer.clear();
    return { open: false, outcome: outcomeOfThrown(error, abort.signal) };
  }
}

/**
 * Relays a stream that the gate has opened. A provider that breaks off is told to the client by the protocol's own
 * error event or, in the middle of an event, by breaking off as well; it is never made to look like an end.
 *
 * @param errorEvent the protocol's error event for an outcome
 * @param onEnd called exactly once, when the relay has ended in whatever way
 * @param patience how long the client may take nothing; without it, for ever
 */
export function relay(
  pump: StreamPump,
  gate: Extract<Gate, { open: true }>,
  errorEventFor: (outcome: Outcome) => string,
  onEnd: (outcome: Outcome) => void,
  patience?: Patience,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { tap, abort, timer } = pump.source;
  let over = false;
  let watch: ClientWatch | null = null;
  const finish = (outcome: Outcome) => {
    if (over) return;
    over = true;
    timer.clear();
    watch?.clear();
    onEnd(outcome);
  };
  const fail = (controller: ReadableStreamDefaultController, outcome: Outcome) => {
    if (over) return;
    finish(outcome);
    if (tap.insideBlock) {
      controller.error(new Error("the provider broke off"));
      return;
    }
    controller.enqueue(new TextEncoder().encode(errorEventFor(outcome)));
    controller.close();
  };
  const end = (controller: ReadableStreamDefaultController) => {
    if (over) return;
    const outcome = endOf(tap);
    if (outcome.type === "success" || tap.error !== null) {
      finish(outcome);
      controller.close();
    } else fail(controller, outcome);
  };
  // Each is waited for in its own turn: who pauses does not use up the other's time.
  const clientsTurn = () => {
    timer.pause();
    watch?.wait();
  };
  const providersTurn = () => {
    watch?.pause();
    timer.resume();
  };
  let held: readonly Uint8Array<ArrayBuffer>[] = gate.held;
  pump.commit();
  timer.pause();
  const leave = async () => {
    // A client that leaves after the end mark has had everything.
    finish(tap.ended ? endOf(tap) : { type: "client_gone" });
    await pump.cancel(new CallEnded({ type: "client_gone" }));
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (patience === undefined) return;
      watch = new ClientWatch(patience, () => {
        controller.error(new ClientStalled());
        void leave();
      });
    },
    async pull(controller) {
      providersTurn();
      if (held.length > 0) {
        for (const piece of held) controller.enqueue(piece);
        held = [];
        if (gate.finished) end(controller);
        clientsTurn();
        return;
      }
      try {
        for (;;) {
          const pieces = await pump.next();
          if (over) return;
          for (const piece of pieces ?? tap.end()) controller.enqueue(piece);
          if (pieces === null) end(controller);
          // A read that was wholly taken out leaves nothing to answer this pull with.
          if (pieces !== null && pieces.length === 0) continue;
          clientsTurn();
          return;
        }
      } catch (error) {
        // Past the end mark the answer is whole, whatever becomes of the connection.
        if (tap.ended) end(controller);
        else fail(controller, outcomeOfThrown(error, abort.signal));
      }
    },
    cancel: leave,
  }, { highWaterMark: 0 });
}

function endOf(tap: Tap): Outcome {
  if (tap.error !== null) return errorEvent(tap);
  if (tap.complete) return { type: "success" };
  return { type: "bad_answer", what: "truncated", detail: "the stream ended before its protocol's end" };
}

function errorEvent(tap: Tap): FailedOutcome {
  const error = tap.error;
  return {
    type: "bad_answer",
    what: "error_event",
    detail: error?.message ?? "",
    ...(error !== null && { error }),
  };
}

function withoutOutput(tap: Tap): FailedOutcome {
  if (tap.events === 0) {
    return { type: "bad_answer", what: "empty", detail: "the stream ended without an event" };
  }
  if (tap.junk === tap.events) {
    return { type: "bad_answer", what: "not_json", detail: "the stream held no event of its protocol" };
  }
  return { type: "bad_answer", what: "no_output", detail: "the stream ended without output" };
}
