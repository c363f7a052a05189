/**
 * What a scripted upstream says: steps, and builders for the usual answers.
 *
 * @module
 */

/** One step of a reply. */
export type Step =
  /** Bytes, sent as one write. */
  | { readonly write: Uint8Array }
  /** Silence for so long. */
  | { readonly pauseMs: number }
  /** Silence until the test says so. */
  | { readonly until: Promise<unknown> }
  /** The end: a FIN, a RST, or silence until the client leaves. Without it the connection is kept alive. */
  | { readonly end: "close" | "reset" | "hang" };

export type Reply = readonly Step[];

export interface SseOptions {
  /** Further headers, or other values for the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How the body ends on the wire: the chunked terminator or the end of the connection. @default {"chunked"} */
  readonly framing?: "chunked" | "close";
  /** Silence before each frame but the first, in milliseconds. @default {0} */
  readonly pauseMs?: number;
  /**
   * How the stream ends: as the framing says, or broken off by a FIN or a RST, or never.
   * @default {"clean"}
   */
  readonly end?: "clean" | "close" | "reset" | "hang";
}

const encoder = new TextEncoder();

export function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? encoder.encode(text) : text;
}

export function write(text: string | Uint8Array): Step {
  return { write: bytesOf(text) };
}

export function pause(ms: number): Step {
  return { pauseMs: ms };
}

export function until(promise: Promise<unknown>): Step {
  return { until: promise };
}

export const close: Step = { end: "close" };
export const reset: Step = { end: "reset" };
export const hang: Step = { end: "hang" };

/** Status line and headers with the blank line; nothing is added. */
export function head(status: number, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
}

/** A whole answer with the length of its body. */
export function answer(
  status: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const bytes = bytesOf(body);
  return [write(head(status, { "content-length": String(bytes.length), ...headers })), write(bytes)];
}

/** A whole JSON answer. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return answer(status, JSON.stringify(value), { "content-type": "application/json", ...headers });
}

/** An event stream; each frame is one write and, when chunked, one chunk. Frames may be cut anywhere. */
export function sse(frames: readonly (string | Uint8Array)[], options: SseOptions = {}): Reply {
  const { framing = "chunked", pauseMs = 0, end = "clean" } = options;
  const headers = {
    "content-type": "text/event-stream",
    ...(framing === "chunked" ? { "transfer-encoding": "chunked" } : { "connection": "close" }),
    ...options.headers,
  };
  const steps: Step[] = [write(head(200, headers))];
  frames.map(bytesOf).filter((frame) => frame.length > 0).forEach((frame, index) => {
    if (index > 0 && pauseMs > 0) steps.push(pause(pauseMs));
    steps.push(write(framing === "chunked" ? chunk(frame) : frame));
  });
  if (end !== "clean") steps.push({ end });
  else steps.push(framing === "chunked" ? write("0\r\n\r\n") : close);
  return steps;
}

/** Frames one piece of a body as a chunk of the chunked coding. */
export function chunk(piece: string | Uint8Array): Uint8Array {
  const bytes = bytesOf(piece);
  const size = bytesOf(`${bytes.length.toString(16)}\r\n`);
  const framed = new Uint8Array(size.length + bytes.length + 2);
  framed.set(size);
  framed.set(bytes, size.length);
  framed.set([13, 10], size.length + bytes.length);
  return framed;
}

/** The bytes of `text`, cut at the given byte offsets. */
export function cut(text: string | Uint8Array, ...offsets: readonly number[]): Uint8Array[] {
  const bytes = bytesOf(text);
  const edges = [0, ...offsets, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

/** The bytes of `text`, one by one. */
export function byteByByte(text: string | Uint8Array): Uint8Array[] {
  return Array.from(bytesOf(text), (byte) => Uint8Array.of(byte));
}
