/**
 * Opens a stream towards its client before a provider has shown output.
 *
 * A reasoning model may think for minutes. Until then the client knows nothing, may give up, and its hang-up cannot
 * be seen. So a stream on which nothing has gone out for some seconds is opened with an SSE comment, which is
 * repeated. No output has gone out by that: failover stays free, and if everything fails the error goes in-band.
 *
 * @module
 */
import type { Deadline, Deadlines } from "./deadlines.ts";
import { type HeaderRecord, streamHeaders } from "./headers.ts";
import type { Reply } from "./reply.ts";

/** Time between two comments, milliseconds. */
const REPEAT_MS = 15_000;
const encoder = new TextEncoder();
const COMMENT = encoder.encode(": waiting for the provider\n\n");

/** What an early stream is made of. */
export interface EarlyStreamOptions {
  /** What the request will come to. */
  readonly reply: Promise<Reply>;
  readonly deadlines: Deadlines;
  /** Silence before the stream is opened, milliseconds; 0 = never. */
  readonly openAfterMs: number;
  /** Headers of an opened stream. */
  headers(): HeaderRecord;
  /** The client has left the opened stream. */
  onGone(): void;
}

/** The answer to the client: the reply's own if it comes in time, else a stream that the reply will go into. */
export async function replyOrEarlyStream(options: EarlyStreamOptions): Promise<Response> {
  const { reply, deadlines, openAfterMs } = options;
  if (openAfterMs <= 0) return (await reply).response;
  // After a hang-up nobody waits for the reply any more.
  reply.catch(() => {});
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const deadline = deadlines.watch(Date.now() + openAfterMs, () => resolve(null));
  try {
    const inTime = await Promise.race([reply, late]);
    if (inTime !== null) return inTime.response;
  } finally {
    deadline.clear();
  }
  return new Response(earlyStream(options), {
    headers: streamHeaders({ ...options.headers(), "content-type": "text/event-stream" }),
  });
}

function earlyStream(
  { reply, deadlines, onGone }: EarlyStreamOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let repeat: Deadline | null = null;
  let rest: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  let over = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const comment = () => {
        controller.enqueue(COMMENT);
        repeat = deadlines.watch(Date.now() + REPEAT_MS, comment);
      };
      comment();
    },
    async pull(controller) {
      const { response, inBand } = await reply;
      repeat?.clear();
      if (over) {
        await response.body?.cancel();
        return;
      }
      if (inBand !== null || response.body === null) {
        await response.body?.cancel();
        const words = inBand?.() ?? "";
        if (words !== "") controller.enqueue(encoder.encode(words));
        controller.close();
        return;
      }
      rest ??= response.body.getReader();
      const { done, value } = await rest.read();
      if (over) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      over = true;
      repeat?.clear();
      if (rest === null) onGone();
      else await rest.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
