/** The meaning of answers that are neither a chat nor a response. Their content is the client's business. @module */
import type { AnswerReading, EventReading } from "../protocol.ts";
import { asObject, asString, type JsonObject } from "../json_access.ts";
import { inBandError } from "./answer.ts";
import { sideUsage } from "./side_usage.ts";

/** Reads a whole answer: an error, or an answer with or without figures. */
export function readSideAnswer(body: unknown): AnswerReading {
  const answer = asObject(body);
  // Embedding servers of other make answer with a bare list.
  if (answer === null) return { kind: Array.isArray(body) ? "output" : "empty" };
  const error = inBandError(answer);
  if (error !== null) return { kind: "error", error };
  const usage = sideUsage(answer);
  return { kind: Object.keys(answer).length > 0 ? "output" : "empty", ...(usage && { usage }) };
}

/**
 * Reads an event of a stream of pictures, sound or text. These streams have no common end mark, so a clean end of
 * the connection is their end.
 */
export function readSideEvent(name: string, data: string): EventReading {
  if (name.endsWith(".partial_image") || name.endsWith(".delta")) return OUTPUT;
  if (data.trim() === "[DONE]") return { kind: "end", complete: true };
  const event = parseObject(data);
  if (event === null) return OUTPUT;
  const type = asString(event.type) || name;
  const error = inBandError(type === "error" && event.error === undefined ? { error: event } : event);
  if (error !== null) return { kind: "error", error };
  const usage = sideUsage(event);
  return usage === undefined ? OUTPUT : { ...OUTPUT, usage };
}

const OUTPUT: EventReading = { kind: "output", complete: true };

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}
