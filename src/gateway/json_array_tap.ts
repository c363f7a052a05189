/**
 * Looks at a JSON array while it passes: Gemini streams one, element by element, to callers that do not ask for
 * server-sent events. The bytes go on as they came, cut wherever the network cuts them.
 *
 * Elements are found by their brackets and quotes alone, each byte is looked at once, and only the element that is not
 * ended yet is kept. A body that is no array is read as the values that stand in it one after another, since an error
 * often comes as a lone object.
 *
 * @module
 */
import type { EventReading, StreamGrammar, StreamReader } from "../protocols/protocol.ts";
import { MAX_EVENT_BYTES } from "./sse.ts";
import { joinBytes } from "./join_bytes.ts";
import { StreamFacts } from "./stream_facts.ts";
import type { Tap } from "./tap.ts";

const QUOTE = 0x22, COMMA = 0x2c, BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;

const decoder = new TextDecoder();

/** Reads the elements of a top-level JSON array with the grammar of the same stream's events. */
export class JsonArrayTap extends StreamFacts implements Tap {
  /** A stream that breaks off is told by breaking off: words after a part of an array would be no JSON. */
  readonly insideBlock = true;

  readonly #stream: StreamReader;
  /** The top-level value is an array, and its bracket is open. */
  #inArray = false;
  /** Nothing but blanks has come yet. */
  #atStart = true;
  /** An element has begun and is not ended yet. */
  #open = false;
  #kind: "container" | "string" | "scalar" = "scalar";
  /** Open brackets of the current element. */
  #depth = 0;
  #inString = false;
  /** The byte before was a backslash that escapes the next one. */
  #escaped = false;
  /** Pieces of the current element from earlier chunks. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** @param maxElementBytes a longer element passes unread */
  constructor(grammar: StreamGrammar, readonly maxElementBytes: number = MAX_EVENT_BYTES) {
    super();
    this.#stream = grammar.open();
  }

  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    this.size += chunk.length;
    if (!this.ended) this.#scan(chunk);
    return [chunk];
  }

  /** A scalar ends with its text. */
  end(): Uint8Array<ArrayBuffer>[] {
    if (this.#open && this.#kind === "scalar") this.#finish(NOTHING, 0, 0);
    return [];
  }

  #scan(chunk: Uint8Array): void {
    let start = 0;
    for (let i = 0; i < chunk.length;) {
      if (!this.#open) {
        start = i;
        this.#between(chunk[i++] ?? 0);
        if (this.ended) return;
      } else {
        i = this.#inside(chunk, i);
        if (!this.#open) this.#finish(chunk, start, i);
      }
    }
    if (this.#open) this.#keep(chunk, start);
  }

  /** One byte between two elements. */
  #between(byte: number): void {
    if (isBlank(byte) || byte === COMMA) return;
    if (byte === OPEN_BRACKET && this.#atStart) this.#inArray = true;
    else if (byte === CLOSE_BRACKET && this.#inArray) this.#close();
    else this.#begin(byte);
    this.#atStart = false;
  }

  #begin(byte: number): void {
    this.#open = true;
    this.#inString = byte === QUOTE;
    this.#kind = isOpening(byte) ? "container" : byte === QUOTE ? "string" : "scalar";
    this.#depth = 1;
  }

  /** Moves on inside of an element, at most to its end, where it is not open any more. */
  #inside(chunk: Uint8Array, from: number): number {
    if (this.#inString) return this.#insideString(chunk, from);
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#kind === "scalar") {
        if (!isBlank(byte) && byte !== COMMA && byte !== CLOSE_BRACKET) continue;
        this.#open = false;
        return i;
      }
      if (byte === QUOTE) {
        this.#inString = true;
        return i + 1;
      }
      if (isOpening(byte)) this.#depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --this.#depth === 0) {
        this.#open = false;
        return i + 1;
      }
    }
    return chunk.length;
  }

  #insideString(chunk: Uint8Array, from: number): number {
    for (let i = from; i < chunk.length; i++) {
      if (this.#escaped) this.#escaped = false;
      else if (chunk[i] === BACKSLASH) this.#escaped = true;
      else if (chunk[i] === QUOTE) {
        this.#inString = false;
        if (this.#kind === "string") this.#open = false;
        return i + 1;
      }
    }
    return chunk.length;
  }

  #keep(chunk: Uint8Array, from: number): void {
    this.#keptBytes += chunk.length - from;
    if (this.#keptBytes <= this.maxElementBytes) this.#kept.push(chunk.slice(from));
    else this.#kept = [];
  }

  /** The current element ends at `to`; what of it stands in this chunk begins at `from`. */
  #finish(chunk: Uint8Array, from: number, to: number): void {
    const last = chunk.subarray(from, to);
    const size = this.#keptBytes + last.length;
    const oversized = size > this.maxElementBytes;
    const bytes = oversized
      ? NOTHING
      : this.#kept.length === 0
      ? last
      : joinBytes([...this.#kept, last], size);
    this.#kept = [];
    this.#keptBytes = 0;
    this.#open = false;
    const text = decoder.decode(bytes);
    this.note(oversized ? OVERSIZED : this.#stream.readEvent("", text), text);
    // An array is whole when its bracket closes, whatever its elements say.
    if (this.#inArray) this.complete = false;
  }

  #close(): void {
    this.#inArray = false;
    this.ended = true;
    this.complete = true;
  }
}

const NOTHING = new Uint8Array(0);

/** An element that is too long to be read is a picture or a document. */
const OVERSIZED: EventReading = { kind: "output", complete: true };

function isOpening(byte: number): boolean {
  return byte === OPEN_BRACE || byte === OPEN_BRACKET;
}

/** White space, and the bytes of a byte order mark. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 ||
    byte === 0xef || byte === 0xbb || byte === 0xbf;
}
