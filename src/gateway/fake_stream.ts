/**
 * Streams for clients of providers that cannot stream: the provider is asked for a whole answer, and the stream is made
 * of that. From there on it is relayed, read and metered as if the provider had sent it.
 *
 * @module
 */
import type { ClientCall, FakeStream, Operation } from "../protocols/protocol.ts";
import type { Target } from "./routing_table.ts";

/** How this call's stream is made; `null` = the provider streams itself, or nobody asks for a stream. */
export function fakeStreamOf(
  { operation, target, call, stream }: {
    readonly operation: Operation;
    readonly target: Pick<Target, "fakeStream">;
    readonly call: ClientCall;
    readonly stream: boolean;
  },
): FakeStream | null {
  const { fakeStream } = operation;
  if (!stream || !target.fakeStream || !operation.main || fakeStream === undefined) return null;
  return fakeStream.fits?.(call) === false ? null : fakeStream;
}

/** The answer as a stream of the client's protocol: its status and headers, the body made of the whole one. */
export function streamedAnswer(
  { response: { status, headers }, body }: { readonly response: Response; readonly body: Uint8Array },
  fake: FakeStream,
  { operation, call, abort }: {
    readonly operation: Operation;
    readonly call: ClientCall;
    /** Breaks the stream off, as it would break off one of the provider's. */
    readonly abort: AbortController;
  },
): { readonly response: Response; readonly body: ReadableStream<Uint8Array<ArrayBuffer>> } {
  const own = new Headers(headers);
  // They speak of the bytes that are taken apart here.
  for (const name of ["content-length", "content-encoding", "etag", "content-md5", "digest"]) {
    own.delete(name);
  }
  const events = operation.streamsEvents?.(call) ?? true;
  own.set("content-type", events ? "text/event-stream" : "application/json");
  return {
    response: new Response(null, { status, headers: own }),
    body: bytesOf(fake.write(new TextDecoder().decode(body), call), abort.signal),
  };
}

/** Pieces are made when they are asked for, so a slow client holds none of them. */
function bytesOf(pieces: Iterable<string>, signal: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const rest = pieces[Symbol.iterator]();
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      signal.throwIfAborted();
      const { done, value } = rest.next();
      if (done === true) {
        controller.close();
        // A reader that brought its own buffer is waiting for an answer.
        controller.byobRequest?.respond(0);
      } else controller.enqueue(encoder.encode(value));
    },
  });
}
