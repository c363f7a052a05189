/** Reads a request's body once, as bytes, within a limit. @module */
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";
import { ClientWatch, type Patience } from "./client_idle.ts";
import { joinBytes } from "./join_bytes.ts";

/** Why a body could not be taken: an HTTP status and a message for the caller. */
export class BodyRefused extends Error {
  override readonly name = "BodyRefused";
  constructor(readonly status: 400 | 408 | 413 | 415, readonly code: string, message: string) {
    super(message);
  }
}

/**
 * The body, decoded if `content-encoding` says so.
 *
 * @param limit bytes, before and after decoding
 * @param patience how long nothing of it may come
 * @throws {BodyRefused} 413 over the limit, 415 for an unknown encoding, 400 for a broken one, 408 for one that stops
 */
export async function readBody(request: Request, limit: number, patience: Patience): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > limit) throw tooLarge(limit);
  const raw = request.body === null
    ? new Uint8Array(0)
    : length !== null && Number(length) <= SMALL_BYTES
    ? await readSmall(request, patience)
    : await readPieces(request.body, length, limit, patience);
  const encodings = (request.headers.get("content-encoding") ?? "").split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  let body = raw;
  // They were applied in the order of the list, so they are undone from its end (RFC 9110, section 8.4).
  for (const coding of encodings.reverse()) body = await decode(body, coding, limit);
  return body;
}

/** Up to this size a body comes in few pieces, and `bytes()` is the fastest way to take them. */
const SMALL_BYTES = 64 * 1024;

/** A small body has to come whole in the time in which something of a larger one has to. */
async function readSmall(request: Request, patience: Patience): Promise<Uint8Array> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const watch = new ClientWatch(patience, () => reject(tooSlow(patience)));
  try {
    return await Promise.race([request.bytes(), late]);
  } finally {
    watch.clear();
  }
}

/** A body of a stated length is read into its place, another one counted as it comes. */
async function readPieces(
  stream: ReadableStream<Uint8Array>,
  length: string | null,
  limit: number,
  patience: Patience,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  // A cancelled read ends as if the body did.
  const watch = new ClientWatch(patience, () => void reader.cancel().catch(() => {}));
  const pieces = piecesOf(reader, watch);
  try {
    const whole = length === null
      ? await readWithin(pieces, limit)
      : await readExactly(pieces, Number(length));
    if (watch.isOver) throw tooSlow(patience);
    return whole;
  } finally {
    watch.clear();
  }
}

async function* piecesOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  watch: ClientWatch,
): AsyncGenerator<Uint8Array> {
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      finished = done;
      if (done) return;
      watch.wait();
      yield value;
    }
  } finally {
    // Nobody wants the rest.
    if (!finished) await reader.cancel().catch(() => {});
  }
}

async function readExactly(pieces: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  // The server has refused a body that does not keep to its length.
  return at === length ? whole : whole.subarray(0, at);
}

async function readWithin(pieces: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) throw tooLarge(limit);
    kept.push(piece);
  }
  return joinBytes(kept, size);
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

function tooSlow({ clientIdleMs }: Patience): BodyRefused {
  return new BodyRefused(
    408,
    "request_timeout",
    `nothing more of the body has come for ${clientIdleMs / 1000} seconds`,
  );
}
