/**
 * Undoes the compression of a provider's stream. Providers are asked for none, but some compress all the same, and what
 * is read on the way must be readable.
 *
 * Each piece comes out decoded as soon as the provider has flushed it: a stream that arrives event by event goes on event
 * by event.
 *
 * @module
 */
import { pipeline, Readable, type Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { CallEnded } from "./upstream.ts";

/** Decoders hold this much decoded text at most before the provider has to wait, bytes. */
const CHUNK_BYTES = 16 * 1024;

/** A decoder for a stream that begins with these bytes; `null` = the stream is not coded at all, whatever it says. */
type ChooseDecoder = (first: Uint8Array) => Transform | null;

const ZLIB = { flush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES };

/**
 * gzip and zstd begin with numbers of their own. A body without them was never coded: some relays copy the header of an
 * answer that their HTTP client has decoded already, so its bytes are taken as they are. brotli and deflate cannot be
 * told from other bytes, and have to decode.
 */
const DECODERS: ReadonlyMap<string, ChooseDecoder> = new Map<string, ChooseDecoder>([
  ["gzip", (first) => isCoded("gzip", first) ? createGunzip(ZLIB) : null],
  ["zstd", (first) => isCoded("zstd", first) ? createZstdDecompress({ chunkSize: CHUNK_BYTES }) : null],
  ["br", () => createBrotliDecompress({ chunkSize: CHUNK_BYTES })],
  // RFC 9110, section 8.4.1.2: the zlib format, whose first byte ends in 8; some senders leave its frame out.
  ["deflate", ([byte = 0]) => (byte & 0x0f) === 8 ? createInflate(ZLIB) : createInflateRaw(ZLIB)],
]);

const MAGIC: ReadonlyMap<string, readonly number[]> = new Map([
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
]);

/** Whether a body that is labelled with a coding can have it, judged by its beginning. An empty one can. */
export function isCoded(coding: string, body: Uint8Array): boolean {
  const magic = MAGIC.get(plainName(coding)) ?? [];
  return magic.every((byte, i) => i >= body.length || body[i] === byte);
}

/**
 * The plain bytes of a stream, as a byte stream. Reading drives it: nothing is read ahead of the client but what the
 * decoders hold, and cancelling it cancels the source.
 *
 * @param codings names of `content-encoding`, in the order in which they were applied
 * @throws {CallEnded} `bad_answer` for a coding that nobody here can undo; a stream that does not decode errors with it
 */
export function decodedStream(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  codings: readonly string[],
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const choices = codings.map((coding) => {
    const choose = DECODERS.get(plainName(coding));
    if (choose === undefined) throw undecodable(`the content-encoding ${coding.slice(0, 40)} is not known`);
    return { coding, choose };
  });
  return choices.reduceRight<ReadableStream<Uint8Array<ArrayBuffer>>>(
    (stream, { coding, choose }) => decoded(stream, coding, choose),
    body,
  );
}

function plainName(coding: string): string {
  return coding === "x-gzip" ? "gzip" : coding;
}

function undecodable(detail: string): CallEnded {
  return new CallEnded({ type: "bad_answer", what: "malformed", detail });
}

function decoded(
  source: ReadableStream<Uint8Array>,
  coding: string,
  choose: ChooseDecoder,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = source.getReader();
  let pieces: AsyncIterator<Uint8Array> | null = null;
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      pieces ??= decodedPieces(reader, coding, choose);
      const { done, value } = await pieces.next();
      if (done) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else controller.enqueue(new Uint8Array(value));
    },
    async cancel(reason) {
      await reader.cancel(reason);
      await pieces?.return?.();
    },
  });
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

async function* decodedPieces(
  reader: Reader,
  coding: string,
  choose: ChooseDecoder,
): AsyncGenerator<Uint8Array> {
  const first = await reader.read();
  if (first.done) return;
  const source = new SourcePieces(reader, first.value);
  const decoder = choose(first.value);
  if (decoder === null) return yield* source.read();
  try {
    // What goes wrong on either side destroys both, and is thrown by the loop.
    yield* pipeline(Readable.from(source.read()), decoder, () => {});
  } catch (error) {
    // A provider that breaks off is another thing than bytes that make no sense.
    throw source.failure ?? undecodable(`the answer is not valid ${coding}: ${messageOf(error)}`);
  }
}

/** What is left to be read of a source, and why it failed. */
class SourcePieces {
  failure: unknown;

  constructor(readonly reader: Reader, readonly first: Uint8Array) {}

  async *read(): AsyncGenerator<Uint8Array> {
    yield this.first;
    try {
      for (;;) {
        const { done, value } = await this.reader.read();
        if (done) return;
        yield value;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
