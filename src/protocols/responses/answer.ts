/**
 * The meaning of Responses answers, whole and streamed
 * (https://platform.openai.com/docs/api-reference/responses-streaming).
 *
 * @module
 */
import type { AnswerReading, EventReading, InBandError } from "../protocol.ts";
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";
import { inBandError } from "../openai/answer.ts";
import { responseUsage } from "./usage.ts";

/** Reads one event of a stream. */
export function readResponseEvent(name: string, data: string): EventReading {
  // The bulk of a stream is pieces of text and pictures, which nobody here needs to look into.
  if (name.endsWith(".delta")) return { kind: "output", text: deltaIn(data) };
  if (name.endsWith(".partial_image")) return OUTPUT;
  const event = parseObject(data);
  // The protocol ends with its own event; some relays add the end mark of Chat Completions.
  if (event === null) return data.trim() === "[DONE]" ? { kind: "end" } : JUNK;
  const type = asString(event.type) || (name === "message" ? "" : name);
  switch (type) {
    case "":
      return withoutType(event);
    case "error":
      return { kind: "error", error: errorOfEvent(event) };
    case "response.failed":
      return { kind: "error", error: errorOfResponse(event.response), ...figuresOf(event.response) };
    case "response.completed":
      return { ...WHOLE, ...figuresOf(event.response) };
    case "response.incomplete":
      return { ...WHOLE, incomplete: true, ...figuresOf(event.response) };
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      return { kind: "preamble", ...figuresOf(event.response) };
    case "response.reasoning_summary_part.added":
      return PREAMBLE;
    case "response.content_part.added":
      return showsPart(event.part) ? OUTPUT : PREAMBLE;
    case "response.output_item.added":
      return showsItem(event.item, false) ? OUTPUT : PREAMBLE;
    case "response.output_item.done":
      return showsItem(event.item, true) ? OUTPUT : PREAMBLE;
    default:
      if (type.endsWith(".delta")) return { kind: "output", text: asString(event.delta) };
      // Work of the vendor's own tools is output as well: its client sees it, and it is not to be done twice.
      return type.startsWith("response.") ? OUTPUT : PREAMBLE;
  }
}

/** Reads the whole answer to a request for a response. */
export function readResponse(body: unknown): AnswerReading {
  const response = asObject(body);
  if (response === null) return { kind: "empty" };
  if (response.status === "failed" || inBandError(response) !== null) {
    return { kind: "error", error: errorOfResponse(response) };
  }
  return {
    // An unknown but valid object is the vendor's business; only one without any member is no answer.
    kind: Object.keys(response).length > 0 ? "output" : "empty",
    incomplete: response.status === "incomplete" || response.status === "cancelled",
    ...figuresOf(response),
  };
}

/** Reads a response that was made before and is only asked for: then a failed one is what was asked for, too. */
export function readStoredResponse(body: unknown): AnswerReading {
  const response = asObject(body);
  if (response === null) return { kind: "empty" };
  const error = inBandError(response);
  if (error !== null && response.object !== "response") return { kind: "error", error };
  return { kind: "output", ...figuresOf(response) };
}

/** Reads the events of a response that was made before. */
export function readStoredResponseEvent(name: string, data: string): EventReading {
  const reading = readResponseEvent(name, data);
  if (reading.kind !== "error" || reading.answerId === undefined) return reading;
  return { ...WHOLE, answerId: reading.answerId, ...(reading.usage && { usage: reading.usage }) };
}

const DELTA = '"delta":"';

/** The words of a piece, as they stand in the JSON: near enough for an estimate, and found without parsing. */
function deltaIn(data: string): string {
  const start = data.indexOf(DELTA);
  if (start === -1) return "";
  const end = data.indexOf('"', start + DELTA.length);
  return end === -1 ? "" : data.slice(start + DELTA.length, end);
}

const OUTPUT: EventReading = { kind: "output" };
const PREAMBLE: EventReading = { kind: "preamble" };
const JUNK: EventReading = { kind: "junk" };
const WHOLE: EventReading = { kind: "end", complete: true, holdsAnswer: true };

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Relays send errors of their own into any stream. */
function withoutType(event: JsonObject): EventReading {
  const error = inBandError(event);
  return error === null ? JUNK : { kind: "error", error };
}

function figuresOf(given: unknown): Pick<EventReading, "usage" | "answerId"> {
  const response = asObject(given);
  if (response === null) return {};
  const usage = responseUsage(response);
  // What the vendor says that it does not keep cannot be asked for.
  const id = response.store === false ? "" : asString(response.id);
  return { ...(usage && { usage }), ...(id !== "" && { answerId: id }) };
}

/** The official types have the members in the event itself; OpenAI also sends them as an object of their own. */
function errorOfEvent(event: JsonObject): InBandError {
  return inBandError(event) ?? inBandError({ error: { ...event, type: "" } }) ?? UNNAMED;
}

function errorOfResponse(given: unknown): InBandError {
  return inBandError(asObject(given) ?? {}) ?? UNNAMED;
}

const UNNAMED: InBandError = { code: "", type: "", message: "the response failed", status: null };

/** Whether an item shows the client something. One that is done and holds more than words does in any case. */
function showsItem(given: unknown, done: boolean): boolean {
  const item = asObject(given);
  switch (item?.type) {
    case undefined:
      return false;
    case "message":
      return asArray(item?.content).some(showsPart);
    case "reasoning":
      return [...asArray(item?.summary), ...asArray(item?.content)].some(showsPart);
    default:
      return done || scalarText(item?.arguments) !== "" || scalarText(item?.input) !== "";
  }
}

function showsPart(given: unknown): boolean {
  const part = asObject(given);
  return asString(part?.text) !== "" || asString(part?.refusal) !== "" || part?.type === "output_audio";
}
