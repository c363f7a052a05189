/** Reads a request's body once, as bytes, within a limit. @module */
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";

/** Why a body could not be taken: an HTTP status and a message for the caller. */
export class BodyRefused extends Error {
  override readonly name = "BodyRefused";
  constructor(readonly status: 400 | 413 | 415, readonly code: string, message: string) {
    super(message);
  }
}

/**
 * The body, decoded if `content-encoding` says so.
 *
 * @param limit bytes, before and after decoding
 * @throws {BodyRefused} 413 over the limit, 415 for an unknown encoding, 400 for a broken one
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > limit) throw tooLarge(limit);
  const raw = request.body === null
    ? new Uint8Array(0)
    : length === null
    ? await readWithin(request.body, limit)
    : Number(length) > LARGE_BYTES
    ? await readExactly(request.body, Number(length))
    : await request.bytes();
  const encodings = (request.headers.get("content-encoding") ?? "").split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  let body = raw;
  // They were applied in the order of the list, so they are undone from its end (RFC 9110, section 8.4).
  for (const coding of encodings.reverse()) body = await decode(body, coding, limit);
  return body;
}

/** `bytes()` holds a body twice when it comes in many pieces; from this size on that matters. */
const LARGE_BYTES = 1024 * 1024;

/** A body of a stated length is read into its place. */
async function readExactly(stream: ReadableStream<Uint8Array>, length: number): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  let at = 0;
  for await (const piece of stream) {
    whole.set(piece, at);
    at += piece.length;
  }
  // The server has refused a body that does not keep to its length.
  return at === length ? whole : whole.subarray(0, at);
}

/** A body without a stated length is counted as it comes. */
async function readWithin(stream: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > limit) throw tooLarge(limit);
    pieces.push(piece);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

type Decoder = (
  input: Uint8Array,
  options: { maxOutputLength: number },
  done: (error: Error | null, result: Uint8Array) => void,
) => void;

const DECODERS: Record<string, Decoder | undefined> = {
  gzip: gunzip,
  "x-gzip": gunzip,
  br: brotliDecompress,
  zstd: typeof zstdDecompress === "function" ? zstdDecompress : undefined,
  // RFC 9110, section 8.4.1.2: the zlib format; some senders leave its frame out.
  deflate: (input, options, done) =>
    inflate(input, options, (error, result) => {
      if (error === null || isTooLarge(error)) done(error, result);
      else inflateRaw(input, options, done);
    }),
};

/** Undoes one content coding. @throws {BodyRefused} */
export function decode(body: Uint8Array, coding: string, limit: number): Promise<Uint8Array> {
  const decoder = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
  if (decoder === undefined) {
    throw new BodyRefused(
      415,
      "unsupported_content_encoding",
      "content-encoding is not supported; send the body as it is, or with gzip, deflate, br or zstd",
    );
  }
  return new Promise((resolve, reject) => {
    decoder(body, { maxOutputLength: limit }, (error, result) => {
      if (error === null) resolve(new Uint8Array(result.buffer, result.byteOffset, result.byteLength));
      else if (isTooLarge(error)) reject(tooLarge(limit));
      else reject(new BodyRefused(400, "invalid_encoding", `the body is not valid ${coding}`));
    });
  });
}

function isTooLarge(error: Error): boolean {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

function tooLarge(limit: number): BodyRefused {
  const mib = limit / (1024 * 1024);
  return new BodyRefused(413, "request_too_large", `the body is larger than the limit of ${mib} MiB`);
}
