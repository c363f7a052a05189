/**
 * Reads HTTP/1.1 requests off a connection without losing a byte of what was sent.
 *
 * @module
 */

/** One request as the client sent it. */
export interface RawRequest {
  /** Request line and headers, exactly as received, without the blank line. */
  readonly head: string;
  readonly method: string;
  readonly target: string;
  /** Headers in the order received, names as written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body, transfer coding undone. */
  readonly body: Uint8Array;
  /** The body as it came over the wire, chunk framing included. */
  readonly rawBody: Uint8Array;
}

const decoder = new TextDecoder();
const BLANK_LINE = new TextEncoder().encode("\r\n\r\n");
const CRLF = new TextEncoder().encode("\r\n");

/** Bytes that arrive over time and are taken in pieces. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #wake: () => void = () => {};

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    this.#wake();
  }

  /** No more bytes will come. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The next `count` bytes, or `null` when the connection ended before. */
  async take(count: number): Promise<Uint8Array | null> {
    while (this.#size < count) {
      if (this.#ended) return null;
      await this.#more();
    }
    const all = this.#join();
    this.#chunks = [all.subarray(count)];
    this.#size -= count;
    return all.subarray(0, count);
  }

  /** Bytes up to and including `mark`, or `null` when the connection ended before. */
  async takeThrough(mark: Uint8Array): Promise<Uint8Array | null> {
    for (;;) {
      const at = indexOf(this.#join(), mark);
      if (at >= 0) return await this.take(at + mark.length);
      if (this.#ended) return null;
      await this.#more();
    }
  }

  #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #join(): Uint8Array {
    const all = concatBytes(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

/** Reads the next request; `null` when the client left before it was complete. */
export async function readRequest(source: ByteQueue): Promise<RawRequest | null> {
  const headBytes = await source.takeThrough(BLANK_LINE);
  if (!headBytes) return null;
  const head = decoder.decode(headBytes.subarray(0, -BLANK_LINE.length));
  const [requestLine = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = requestLine.split(" ");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  const body = await readBody(source, headers);
  return body && { head, method, target, headers, ...body };
}

/** The first value of a header, whatever the case of its name. */
export function headerOf(request: Pick<RawRequest, "headers">, name: string): string | undefined {
  return request.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

async function readBody(
  source: ByteQueue,
  headers: RawRequest["headers"],
): Promise<Pick<RawRequest, "body" | "rawBody"> | null> {
  if (headerOf({ headers }, "transfer-encoding")?.toLowerCase().includes("chunked")) {
    return await readChunked(source);
  }
  const body = await source.take(Number(headerOf({ headers }, "content-length") ?? 0));
  return body && { body, rawBody: body };
}

async function readChunked(source: ByteQueue): Promise<Pick<RawRequest, "body" | "rawBody"> | null> {
  const body: Uint8Array[] = [];
  const raw: Uint8Array[] = [];
  for (;;) {
    const sizeLine = await source.takeThrough(CRLF);
    if (!sizeLine) return null;
    raw.push(sizeLine);
    const size = parseInt(decoder.decode(sizeLine), 16);
    if (size === 0) break;
    const chunk = await source.take(size + CRLF.length);
    if (!chunk) return null;
    raw.push(chunk);
    body.push(chunk.subarray(0, size));
  }
  for (;;) {
    const trailer = await source.takeThrough(CRLF);
    if (!trailer) return null;
    raw.push(trailer);
    if (trailer.length === CRLF.length) return { body: concatBytes(body), rawBody: concatBytes(raw) };
  }
}

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  for (let at = haystack.indexOf(needle[0] ?? 0); at >= 0; at = haystack.indexOf(needle[0] ?? 0, at + 1)) {
    if (needle.every((byte, index) => haystack[at + index] === byte)) return at;
  }
  return -1;
}
