/**
 * Reads server-sent events from bytes that arrive in pieces, as the standard says
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream): lines end in LF,
 * CRLF or CR; a field's value may or may not begin after a space; several `data` lines make one value; comments
 * are passed over. A line or a character may be cut at any byte.
 *
 * The reader only looks: the bytes themselves go to the client as they came.
 *
 * @module
 */

const LF = 0x0a, CR = 0x0d, COLON = 0x3a, SPACE = 0x20;
const decoder = new TextDecoder();

/** One dispatched event. */
export interface SseEvent {
  /** Value of the `event` field; `""` when there was none. */
  readonly name: string;
  /** The `data` lines, joined with LF. `""` when `oversized`. */
  readonly data: string;
  /** The event held more data than the reader keeps; its text is not known. */
  readonly oversized: boolean;
}

/** Called for each block, at the offset in the current chunk just past it. */
export type BlockListener = (event: SseEvent | null, endInChunk: number) => void;

/** Bytes of one event that are kept for reading; a longer one passes unread. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/**
 * An incremental reader. `listener` is called once for each block that a blank line ends: with the event, or with
 * `null` when the block held no data (comments, `retry`, a lone `id`).
 */
export class SseReader {
  #name = "";
  #data: string | null = null;
  #dataBytes = 0;
  #oversized = false;
  /** Whether the current block holds anything at all. */
  #blockOpen = false;
  /** Pieces of the line that is not ended yet. */
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  /** The last chunk ended in CR: a LF that follows belongs to it. */
  #afterCr = false;
  #first = true;

  constructor(readonly listener: BlockListener, readonly maxEventBytes: number = MAX_EVENT_BYTES) {}

  /** Whether a block has begun and no blank line has ended it. */
  get insideBlock(): boolean {
    return this.#blockOpen || this.#lineBytes > 0;
  }

  /** Reads the next piece. The reader copies what it must keep; `chunk` may be reused. */
  push(chunk: Uint8Array): void {
    let i = 0;
    if (this.#first && chunk.length > 0) {
      this.#first = false;
      // A byte order mark at the very start is not part of the first line.
      if (chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) i = 3;
    }
    if (this.#afterCr && chunk.length > 0) {
      this.#afterCr = false;
      if (chunk[0] === LF) i = 1;
    }
    // Lone CRs are rare: look for them only in chunks that have any.
    let nextCr = chunk.indexOf(CR, i);
    let nextLf = chunk.indexOf(LF, i);
    while (nextCr !== -1 || nextLf !== -1) {
      const end = nextCr === -1 ? nextLf : nextLf === -1 ? nextCr : Math.min(nextCr, nextLf);
      const isCr = end === nextCr;
      let next = end + 1;
      if (isCr && next === chunk.length) this.#afterCr = true;
      else if (isCr && chunk[next] === LF) next++;
      this.#endLine(chunk, i, end, next);
      i = next;
      if (nextLf !== -1 && nextLf < i) nextLf = chunk.indexOf(LF, i);
      if (nextCr !== -1 && nextCr < i) nextCr = chunk.indexOf(CR, i);
    }
    if (i < chunk.length) this.#keep(chunk, i, chunk.length);
  }

  /**
   * The stream has ended. The standard drops a block that no blank line ends; vendors do end streams like that, so
   * it is read all the same.
   */
  end(): void {
    if (this.#lineBytes > 0) this.#endLine(EMPTY, 0, 0, 0);
    if (this.#blockOpen) this.#dispatch(0);
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    this.#lineBytes += to - from;
    // A line that never ends must not grow memory: past the limit only its length is kept.
    if (this.#lineBytes + this.#dataBytes <= this.maxEventBytes) this.#line.push(chunk.slice(from, to));
    else {
      this.#line = [];
      this.#oversized = true;
    }
  }

  #endLine(chunk: Uint8Array, from: number, to: number, next: number): void {
    if (this.#lineBytes === 0) {
      if (from === to) {
        this.#dispatch(next);
        return;
      }
      this.#field(chunk, from, to);
      return;
    }
    const kept = this.#oversized ? [] : this.#line;
    this.#line = [];
    const length = this.#lineBytes + (to - from);
    this.#lineBytes = 0;
    this.#blockOpen = true;
    if (this.#oversized) return;
    const line = new Uint8Array(length);
    let at = 0;
    for (const piece of kept) {
      line.set(piece, at);
      at += piece.length;
    }
    line.set(chunk.subarray(from, to), at);
    this.#field(line, 0, length);
  }

  #field(bytes: Uint8Array, from: number, to: number): void {
    this.#blockOpen = true;
    if (this.#oversized) return;
    if (bytes[from] === COLON) return;
    const isData = startsWith(bytes, from, to, DATA);
    if (!isData && !startsWith(bytes, from, to, EVENT)) return;
    let valueStart = from + (isData ? DATA.length : EVENT.length);
    if (valueStart < to) {
      if (bytes[valueStart] !== COLON) return;
      valueStart++;
      if (bytes[valueStart] === SPACE && valueStart < to) valueStart++;
    }
    if (!isData) {
      this.#name = decoder.decode(bytes.subarray(valueStart, to));
      return;
    }
    this.#dataBytes += to - valueStart;
    if (this.#dataBytes > this.maxEventBytes) {
      this.#oversized = true;
      this.#data = "";
      return;
    }
    const text = decodeText(bytes, valueStart, to);
    this.#data = this.#data === null ? text : `${this.#data}\n${text}`;
  }

  #dispatch(next: number): void {
    const event = this.#data === null && !this.#oversized
      ? null
      : { name: this.#name, data: this.#oversized ? "" : this.#data ?? "", oversized: this.#oversized };
    this.#name = "";
    this.#data = null;
    this.#dataBytes = 0;
    this.#oversized = false;
    this.#blockOpen = false;
    this.listener(event, next);
  }
}

const EMPTY = new Uint8Array(0);
const DATA = new TextEncoder().encode("data");
const EVENT = new TextEncoder().encode("event");

/** `TextDecoder` drops a leading byte order mark, which is data here. */
const exactDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
function decodeText(bytes: Uint8Array, from: number, to: number): string {
  return exactDecoder.decode(bytes.subarray(from, to));
}

function startsWith(bytes: Uint8Array, from: number, to: number, prefix: Uint8Array): boolean {
  if (to - from < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[from + i] !== prefix[i]) return false;
  return true;
}
