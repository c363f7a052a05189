/**
 * Answers of a well-behaved Messages provider: text `Bonjour`, input 31 fresh, 7 written to the cache and 120 read from
 * it (158 in all), output 19.
 *
 * @module
 */
import { json, type Reply, sse, type SseOptions } from "./replies.ts";

/** What the request log must say of them. */
export const MESSAGE_TOKENS = { prompt: 158, completion: 19, total: 177, cached: 120 } as const;

export const MESSAGE_USAGE = {
  input_tokens: 31,
  cache_creation_input_tokens: 7,
  cache_read_input_tokens: 120,
  output_tokens: 19,
} as const;

/** The body of {@linkcode okMessage}. */
export const MESSAGE = {
  id: "msg_fixture",
  type: "message",
  role: "assistant",
  model: "upstream-model",
  content: [{ type: "text", text: "Bonjour" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: MESSAGE_USAGE,
} as const;

/** A whole message. */
export function okMessage(headers: Readonly<Record<string, string>> = {}): Reply {
  return json(200, MESSAGE, { "request-id": "req_fixture", ...headers });
}

/** One event, named by its type. */
export function event(type: string, members: Readonly<Record<string, unknown>> = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

/** A piece of text in a block. */
export function textDelta(text: string, index = 0): string {
  return event("content_block_delta", { index, delta: { type: "text_delta", text } });
}

/** An error event. */
export function errorEvent(type: string, message: string): string {
  return event("error", { error: { type, message } });
}

/** The events of a message stream, by what they are. */
export const EVENT = {
  start: event("message_start", {
    message: { ...MESSAGE, content: [], stop_reason: null, usage: { ...MESSAGE_USAGE, output_tokens: 3 } },
  }),
  ping: event("ping"),
  open: event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  bon: textDelta("Bon"),
  jour: textDelta("jour"),
  close: event("content_block_stop", { index: 0 }),
  delta: event("message_delta", {
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 19 },
  }),
  stop: event("message_stop"),
} as const;

/** A whole message stream. */
export const OK_EVENTS: readonly string[] = [
  EVENT.start,
  EVENT.ping,
  EVENT.open,
  EVENT.bon,
  EVENT.jour,
  EVENT.close,
  EVENT.delta,
  EVENT.stop,
];

/** A message stream of these events. */
export function okEvents(
  events: readonly (string | Uint8Array)[] = OK_EVENTS,
  options: SseOptions = {},
): Reply {
  return sse(events, options);
}
