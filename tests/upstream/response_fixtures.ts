/**
 * Answers of a well-behaved Responses provider: text `Hello`, usage 31 in (12 of them cached), 14 out (6 of them
 * reasoning), 45 in all.
 *
 * @module
 */
import { json, type Reply, sse, type SseOptions } from "./replies.ts";

export const RESPONSE_USAGE = {
  input_tokens: 31,
  input_tokens_details: { cached_tokens: 12 },
  output_tokens: 14,
  output_tokens_details: { reasoning_tokens: 6 },
  total_tokens: 45,
} as const;

const MESSAGE = {
  type: "message",
  id: "msg_fixture",
  status: "completed",
  role: "assistant",
  content: [{ type: "output_text", text: "Hello", annotations: [] }],
} as const;

/** A response object. */
export function responseObject(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id: "resp_fixture",
    object: "response",
    created_at: 1_760_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    model: "upstream-model",
    output: [MESSAGE],
    parallel_tool_calls: true,
    tool_choice: "auto",
    tools: [],
    usage: RESPONSE_USAGE,
    ...fields,
  };
}

/** A whole response. */
export function okResponse(fields: Readonly<Record<string, unknown>> = {}): Reply {
  return json(200, responseObject(fields));
}

/** One event of a stream, with its name in both places. */
export function responseEvent(type: string, fields: Readonly<Record<string, unknown>> = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

const AT = { item_id: "msg_fixture", output_index: 0, content_index: 0 } as const;
const begun = { status: "in_progress", output: [], usage: null };

/** The events of a stream of the response `id`, by what they are. */
export function responseEvents(id = "resp_fixture") {
  return {
    created: responseEvent("response.created", {
      sequence_number: 0,
      response: responseObject({ id, ...begun }),
    }),
    inProgress: responseEvent("response.in_progress", {
      sequence_number: 1,
      response: responseObject({ id, ...begun }),
    }),
    itemAdded: responseEvent("response.output_item.added", {
      sequence_number: 2,
      output_index: 0,
      item: { ...MESSAGE, status: "in_progress", content: [] },
    }),
    partAdded: responseEvent("response.content_part.added", {
      sequence_number: 3,
      ...AT,
      part: { type: "output_text", text: "", annotations: [] },
    }),
    hel: delta("Hel", 4),
    lo: delta("lo", 5),
    textDone: responseEvent("response.output_text.done", { sequence_number: 6, ...AT, text: "Hello" }),
    itemDone: responseEvent("response.output_item.done", {
      sequence_number: 7,
      output_index: 0,
      item: MESSAGE,
    }),
    completed: responseEvent("response.completed", { sequence_number: 8, response: responseObject({ id }) }),
  } as const;
}

function delta(text: string, sequence: number): string {
  return responseEvent("response.output_text.delta", {
    sequence_number: sequence,
    ...AT,
    delta: text,
    logprobs: [],
  });
}

/** The events of {@linkcode OK_RESPONSE_SSE}. */
export const EVENT = responseEvents();

/** A whole stream. */
export const OK_RESPONSE_SSE: readonly string[] = Object.values(EVENT);

/** A stream of these events. */
export function okResponseSse(
  events: readonly (string | Uint8Array)[] = OK_RESPONSE_SSE,
  options: SseOptions = {},
): Reply {
  return sse(events, options);
}
