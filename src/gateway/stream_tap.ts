/**
 * Looks at a stream while it passes: finds its output, end, errors and usage, and takes out a usage event that the
 * client did not ask for. The bytes are otherwise passed on as they came.
 *
 * @module
 */
import {
  eventByEvent,
  type EventReading,
  type StreamGrammar,
  type StreamReader,
} from "../protocols/protocol.ts";
import { type SseEvent, SseReader } from "./sse.ts";
import { StreamFacts } from "./stream_facts.ts";
import type { Tap } from "./tap.ts";

/** A usage event is small; an event that grows past this is passed on without waiting for its end. */
const HOLD_BYTES = 64 * 1024;

/** A stream of a grammar that nobody here reads: each event is output, and a clean end is the end. */
export const UNREAD_STREAM: StreamGrammar = eventByEvent(() => ({ kind: "output", complete: true }));

/** Looks at server-sent events. */
export class StreamTap extends StreamFacts implements Tap {
  readonly #reader: SseReader;
  readonly #stream: StreamReader;
  /** Bytes of the block that is not ended yet, held back while it may have to be taken out. */
  #held: Uint8Array<ArrayBuffer>[] = [];
  #heldBytes = 0;
  #out: Uint8Array<ArrayBuffer>[] = [];
  #chunk: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Start of the current block in the current chunk. */
  #blockStart = 0;

  /** @param stripUsage take out events that hold nothing but usage */
  constructor(grammar: StreamGrammar, readonly stripUsage: boolean) {
    super();
    this.#stream = grammar.open();
    this.#reader = new SseReader((event, end) => this.#block(event, end));
  }

  get insideBlock(): boolean {
    return this.#reader.insideBlock;
  }

  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    this.size += chunk.length;
    if (!this.stripUsage) {
      this.#reader.push(chunk);
      return [chunk];
    }
    this.#out = [];
    this.#chunk = chunk;
    this.#blockStart = 0;
    this.#reader.push(chunk);
    if (this.#blockStart < chunk.length) this.#hold(chunk.subarray(this.#blockStart));
    return this.#out;
  }

  /** Reads what stands there without a blank line, too. */
  end(): Uint8Array<ArrayBuffer>[] {
    this.#out = [];
    this.#chunk = new Uint8Array(0);
    this.#blockStart = 0;
    this.#reader.end();
    this.#release();
    return this.#out;
  }

  #block(event: SseEvent | null, end: number): void {
    const reading = event === null ? null : this.#read(event);
    if (!this.stripUsage) return;
    if (reading?.usageOnly === true) {
      this.#held = [];
      this.#heldBytes = 0;
    } else {
      this.#release();
      if (end > this.#blockStart) this.#emit(this.#chunk.subarray(this.#blockStart, end));
    }
    this.#blockStart = end;
  }

  #read(event: SseEvent): EventReading {
    const reading = event.oversized ? OVERSIZED : this.#stream.readEvent(event.name, event.data);
    this.note(reading, event.data);
    return reading;
  }

  #hold(piece: Uint8Array<ArrayBuffer>): void {
    if (this.#heldBytes + piece.length > HOLD_BYTES) {
      this.#release();
      this.#emit(piece);
      return;
    }
    this.#held.push(piece);
    this.#heldBytes += piece.length;
  }

  #release(): void {
    for (const piece of this.#held) this.#emit(piece);
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** Neighbouring blocks of one chunk go on as one piece. */
  #emit(piece: Uint8Array<ArrayBuffer>): void {
    const last = this.#out.at(-1);
    if (
      last !== undefined && last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset
    ) {
      this.#out[this.#out.length - 1] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.length + piece.length,
      );
    } else this.#out.push(piece);
  }
}

/** An event that is too long to be read is a picture or a document: output. */
const OVERSIZED: EventReading = { kind: "output" };
