/**
 * Answers of a well-behaved provider. Chat: text `Hello`, usage 23 in (9 of them cached), 17 out (5 of them
 * reasoning), 40 in all.
 *
 * @module
 */
import { json, type Reply, sse, type SseOptions } from "./replies.ts";

export const CHAT_USAGE = {
  prompt_tokens: 23,
  completion_tokens: 17,
  total_tokens: 40,
  prompt_tokens_details: { cached_tokens: 9 },
  completion_tokens_details: { reasoning_tokens: 5 },
} as const;

/** The body of {@linkcode okChat}. */
export const CHAT_COMPLETION = {
  id: "chatcmpl-fixture",
  object: "chat.completion",
  created: 1_760_000_000,
  model: "upstream-model",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: CHAT_USAGE,
} as const;

/** A whole chat completion. */
export function okChat(headers: Readonly<Record<string, string>> = {}): Reply {
  return json(200, CHAT_COMPLETION, headers);
}

/** The frames of a chat stream, by what they are. */
export const FRAME = {
  role: chatFrame([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]),
  hel: textFrame("Hel"),
  lo: textFrame("lo"),
  finish: chatFrame([{ index: 0, delta: {}, finish_reason: "stop" }]),
  usage: chatFrame([], CHAT_USAGE),
  done: "data: [DONE]\n\n",
} as const;

/** A whole chat stream, usage included. */
export const OK_SSE: readonly string[] = [
  FRAME.role,
  FRAME.hel,
  FRAME.lo,
  FRAME.finish,
  FRAME.usage,
  FRAME.done,
];

/** A chat stream of these frames. */
export function okSse(
  frames: readonly (string | Uint8Array)[] = OK_SSE,
  options: SseOptions = {},
): Reply {
  return sse(frames, options);
}

/** A frame that carries a piece of text. */
export function textFrame(content: string): string {
  return chatFrame([{ index: 0, delta: { content }, finish_reason: null }]);
}

function chatFrame(choices: readonly unknown[], usage?: unknown): string {
  const chunk = {
    id: "chatcmpl-fixture",
    object: "chat.completion.chunk",
    created: 1_760_000_000,
    model: "upstream-model",
    choices,
    ...(usage === undefined ? {} : { usage }),
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
