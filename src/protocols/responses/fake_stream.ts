/** Whole Responses answers as streams, for providers that cannot stream. @module */
import { parseExact } from "../exact_json.ts";
import { asArray, asObject, asString, type JsonObject } from "../json_access.ts";
import { ASKS_WHOLE } from "../openai/fake_stream.ts";
import type { FakeStream } from "../protocol.ts";
import { textPieces } from "../text_pieces.ts";

/**
 * https://platform.openai.com/docs/api-reference/responses-streaming. A response that is made in the background is not
 * whole when it is answered.
 */
export const responseFakeStream: FakeStream = {
  edits: ASKS_WHOLE,
  fits: ({ json }) => json.background !== true,
  write: writeResponse,
};

/** One event before it is numbered. */
interface Event {
  readonly type: string;
  readonly members: JsonObject;
}

function* writeResponse(text: string): Generator<string> {
  let number = 0;
  for (const { type, members } of eventsOf(asObject(parseExact(text)) ?? {})) {
    const data = JSON.stringify({ type, sequence_number: number++, ...members });
    yield `event: ${type}\ndata: ${data}\n\n`;
  }
}

function* eventsOf(response: JsonObject): Generator<Event> {
  const begun = { ...response, status: "in_progress", output: [], usage: null, incomplete_details: null };
  yield { type: "response.created", members: { response: begun } };
  yield { type: "response.in_progress", members: { response: begun } };
  for (const [output_index, given] of asArray(response.output).entries()) {
    const item = asObject(given) ?? {};
    yield { type: "response.output_item.added", members: { output_index, item: openedItem(item) } };
    const place = { item_id: item.id, output_index };
    for (const { type, members } of itemEvents(item)) yield { type, members: { ...place, ...members } };
    yield { type: "response.output_item.done", members: { output_index, item } };
  }
  const end = response.status === "incomplete" ? "response.incomplete" : "response.completed";
  yield { type: end, members: { response } };
}

/** An item as it is announced: without what its events bring. */
function openedItem(item: JsonObject): JsonObject {
  const working = "status" in item ? { status: "in_progress" } : {};
  switch (item.type) {
    case "message":
      return { ...item, ...working, content: [] };
    case "reasoning":
      return { ...item, ...working, summary: [], ...(Array.isArray(item.content) && { content: [] }) };
    case "function_call":
      return { ...item, ...working, arguments: "" };
    case "custom_tool_call":
      return { ...item, ...working, input: "" };
    default:
      return item;
  }
}

function* itemEvents(item: JsonObject): Generator<Event> {
  switch (item.type) {
    case "message":
      yield* contentEvents(item);
      break;
    case "reasoning":
      yield* summaryEvents(item);
      yield* contentEvents(item);
      break;
    case "function_call":
      yield* spoken("response.function_call_arguments", asString(item.arguments), {}, {
        arguments: item.arguments,
        name: item.name,
      });
      break;
    case "custom_tool_call":
      yield* spoken("response.custom_tool_call_input", asString(item.input), {}, { input: item.input });
  }
}

function* contentEvents(item: JsonObject): Generator<Event> {
  for (const [content_index, given] of asArray(item.content).entries()) {
    const part = asObject(given) ?? {};
    yield { type: "response.content_part.added", members: { content_index, part: openedPart(part) } };
    yield* partEvents(part, content_index);
    yield { type: "response.content_part.done", members: { content_index, part } };
  }
}

function openedPart(part: JsonObject): JsonObject {
  switch (part.type) {
    case "output_text":
      return {
        ...part,
        text: "",
        annotations: [],
        ...(Array.isArray(part.logprobs) && { logprobs: [] }),
      };
    case "reasoning_text":
      return { ...part, text: "" };
    case "refusal":
      return { ...part, refusal: "" };
    default:
      return part;
  }
}

function* partEvents(part: JsonObject, content_index: number): Generator<Event> {
  const place = { content_index };
  switch (part.type) {
    case "output_text":
      yield* spoken("response.output_text", asString(part.text), { ...place, logprobs: [] }, {
        ...place,
        text: part.text,
        logprobs: asArray(part.logprobs),
      });
      for (const [annotation_index, annotation] of asArray(part.annotations).entries()) {
        const members = { ...place, annotation_index, annotation };
        yield { type: "response.output_text.annotation.added", members };
      }
      break;
    case "reasoning_text":
      yield* spoken("response.reasoning_text", asString(part.text), place, { ...place, text: part.text });
      break;
    case "refusal":
      yield* spoken("response.refusal", asString(part.refusal), place, { ...place, refusal: part.refusal });
  }
}

function* summaryEvents(item: JsonObject): Generator<Event> {
  for (const [summary_index, given] of asArray(item.summary).entries()) {
    const part = asObject(given) ?? {};
    const place = { summary_index };
    const opened = { ...part, text: "" };
    yield { type: "response.reasoning_summary_part.added", members: { ...place, part: opened } };
    const done = { ...place, text: part.text };
    yield* spoken("response.reasoning_summary_text", asString(part.text), place, done);
    yield { type: "response.reasoning_summary_part.done", members: { ...place, part } };
  }
}

/** A text in pieces, and then whole. */
function* spoken(name: string, text: string, place: JsonObject, whole: JsonObject): Generator<Event> {
  for (const delta of textPieces(text)) yield { type: `${name}.delta`, members: { ...place, delta } };
  yield { type: `${name}.done`, members: whole };
}
