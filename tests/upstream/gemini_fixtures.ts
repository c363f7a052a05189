/**
 * Answers of a well-behaved Gemini provider: text `Guten Tag`, 61 tokens in (14 of them cached), 33 out (25 of them
 * thoughts), 94 in all.
 *
 * @module
 */
import { answer, chunk, head, json, type Reply, sse, type SseOptions, type Step, write } from "./replies.ts";

/** What the request log must say of them. */
export const GEMINI_TOKENS = { prompt: 61, completion: 33, total: 94, cached: 14 } as const;

/** The last word on usage. */
export const GEMINI_USAGE = {
  promptTokenCount: 61,
  candidatesTokenCount: 8,
  thoughtsTokenCount: 25,
  totalTokenCount: 94,
  cachedContentTokenCount: 14,
} as const;

/** A part of an answer. */
export interface GeminiChunk {
  readonly parts?: readonly unknown[];
  readonly finishReason?: string;
  readonly usageMetadata?: Readonly<Record<string, unknown>>;
}

/** One response object, whole or a piece of a stream. */
export function geminiChunk({ parts, finishReason, usageMetadata }: GeminiChunk): Record<string, unknown> {
  return {
    candidates: [{
      ...(parts && { content: { parts, role: "model" } }),
      ...(finishReason !== undefined && { finishReason }),
      index: 0,
    }],
    ...(usageMetadata && { usageMetadata }),
    modelVersion: "upstream-model",
    responseId: "resp-fixture",
  };
}

/** The body of {@linkcode okGemini}. */
export const GEMINI_ANSWER = geminiChunk({
  parts: [{ text: "Guten Tag" }],
  finishReason: "STOP",
  usageMetadata: GEMINI_USAGE,
});

/** A prompt that the vendor refuses: an answer without candidates. */
export const GEMINI_BLOCK = {
  promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
  usageMetadata: { promptTokenCount: 13, totalTokenCount: 13 },
} as const;

/** The pieces of a stream; each repeats what has been used so far. */
export const GEMINI_CHUNKS: readonly Record<string, unknown>[] = [
  geminiChunk({
    parts: [{ text: "thinking", thought: true }],
    usageMetadata: { promptTokenCount: 61, thoughtsTokenCount: 25, totalTokenCount: 86 },
  }),
  geminiChunk({
    parts: [{ text: "Guten " }],
    usageMetadata: {
      promptTokenCount: 61,
      candidatesTokenCount: 3,
      thoughtsTokenCount: 25,
      totalTokenCount: 89,
    },
  }),
  geminiChunk({ parts: [{ text: "Tag" }] }),
  geminiChunk({ finishReason: "STOP", usageMetadata: GEMINI_USAGE }),
];

/** The events of {@linkcode okGeminiSse}, framed as Google frames them. */
export const GEMINI_EVENTS: readonly string[] = GEMINI_CHUNKS.map(geminiEvent);

/** One event. */
export function geminiEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

/** A whole answer. */
export function okGemini(headers: Readonly<Record<string, string>> = {}): Reply {
  return json(200, GEMINI_ANSWER, headers);
}

/** A stream of these events. */
export function okGeminiSse(
  events: readonly (string | Uint8Array)[] = GEMINI_EVENTS,
  options: SseOptions = {},
): Reply {
  return sse(events, options);
}

/** The text of a stream without `alt=sse`: an array, printed and separated as Google does it. */
export function geminiArray(chunks: readonly unknown[] = GEMINI_CHUNKS): string {
  return `[${chunks.map((each) => JSON.stringify(each, null, 2)).join("\r\n,\r\n")}\r\n]\r\n`;
}

/** Such an array in pieces, ended as told. */
export function geminiArrayReply(
  pieces: readonly (string | Uint8Array)[],
  end: "clean" | "close" | "reset" = "clean",
): Reply {
  const headers = { "content-type": "application/json; charset=UTF-8", "transfer-encoding": "chunked" };
  const body: Step[] = pieces.map((piece) => write(chunk(piece)));
  return [write(head(200, headers)), ...body, end === "clean" ? write("0\r\n\r\n") : { end }];
}

/** An error as Google words it, printed as Google prints it. */
export function geminiError(
  code: number,
  status: string,
  message: string,
  details: readonly unknown[] = [],
): Reply {
  const body = JSON.stringify({ error: { code, message, status, details } }, null, 2);
  return answer(code, body, { "content-type": "application/json; charset=UTF-8" });
}
