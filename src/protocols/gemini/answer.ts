/** The meaning of generateContent answers, whole and streamed. @module */
import type { AnswerReading, EventReading, InBandError, StreamReader, Usage } from "../protocol.ts";
import { asArray, asCount, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";
import { type Counts, countsOf, laterCounts, usageOf } from "./usage.ts";

/** Reads the events of a stream: the `data` of server-sent events, or the elements of a JSON array. */
export class GeminiStreamReader implements StreamReader {
  #counts: Counts | null = null;

  readEvent(_name: string, data: string): EventReading {
    const chunk = parseObject(data);
    if (chunk === null) return { kind: "junk" };
    const error = inBandError(chunk);
    if (error !== null) return { kind: "error", error };
    const usage = this.#usage(chunk);
    const end = endOf(chunk);
    const text = textOf(chunk);
    return {
      ...(text !== "" && { text }),
      kind: end !== null || asArray(chunk.candidates).some(showsSomething) ? "output" : "preamble",
      ...(usage && { usage }),
      ...(end !== null && { complete: true, incomplete: end === "early" }),
    };
  }

  #usage(chunk: JsonObject): Usage | null {
    const counts = countsOf(chunk);
    if (counts === null) return null;
    this.#counts = laterCounts(this.#counts, counts);
    return usageOf(this.#counts);
  }
}

/**
 * Reads a whole answer, already parsed. A relay that does not know `alt=sse` answers a stream with the array of its
 * events.
 */
export function readGeminiAnswer(body: unknown): AnswerReading {
  const chunks = (Array.isArray(body) ? body : [body]).map(asObject).filter((chunk) => chunk !== null);
  const error = chunks.map(inBandError).find((found) => found !== null);
  if (error) return { kind: "error", error };
  const counts = chunks.map(countsOf).filter((found) => found !== null)
    .reduce<Counts | null>(laterCounts, null);
  const ends = chunks.map(endOf);
  const answered = ends.some((end) => end !== null) ||
    chunks.some((chunk) => asArray(chunk.candidates).length > 0);
  return {
    kind: answered ? "output" : "empty",
    ...(counts && { usage: usageOf(counts) }),
    incomplete: ends.some((end) => end === "early"),
  };
}

/** Reads the answer of a side operation: whatever is no error is an answer. */
export function readGeminiFigures(body: unknown): AnswerReading {
  const answer = asObject(Array.isArray(body) ? body[0] : body);
  if (answer === null || Object.keys(answer).length === 0) return { kind: "empty" };
  const error = inBandError(answer);
  if (error !== null) return { kind: "error", error };
  const counts = countsOf(answer);
  return { kind: "output", ...(counts && { usage: usageOf(counts) }) };
}

/**
 * The error of an answer or event (https://ai.google.dev/gemini-api/docs/troubleshooting): `code` is the HTTP status,
 * `status` its name, and an ErrorInfo among the details may give the exact reason. `"error": null` is none.
 */
function inBandError(body: JsonObject): InBandError | null {
  if (body.error === undefined || body.error === null || body.error === "") return null;
  const error = asObject(body.error);
  const status = asCount(error?.code);
  const reason = asArray(error?.details).map((detail) => asString(asObject(detail)?.reason)).find((text) =>
    text
  );
  return {
    code: reason ?? scalarText(error?.code),
    type: asString(error?.status),
    message: error === null ? scalarText(body.error) : scalarText(error.message),
    status: status !== null && status >= 400 && status < 600 ? status : null,
  };
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Whether the vendor has ended, and how. Gemini has no end mark: the answer is whole when a candidate says why it ended
 * (https://ai.google.dev/api/generate-content#FinishReason) or when the prompt was blocked, which is an answer as well
 * and comes without candidates. Every reason but STOP is an early end: length, filters, a call that went wrong.
 */
function endOf(chunk: JsonObject): "regular" | "early" | null {
  if (scalarText(asObject(chunk.promptFeedback)?.blockReason) !== "") return "early";
  for (const candidate of asArray(chunk.candidates)) {
    const reason = scalarText(asObject(candidate)?.finishReason);
    if (reason === "" || reason === "FINISH_REASON_UNSPECIFIED") continue;
    return reason === "STOP" ? "regular" : "early";
  }
  return null;
}

/** The words of an event, thoughts included. */
function textOf(chunk: JsonObject): string {
  let words = "";
  for (const candidate of asArray(chunk.candidates)) {
    for (const part of asArray(asObject(asObject(candidate)?.content)?.parts)) {
      words += asString(asObject(part)?.text);
    }
  }
  return words;
}

/** Whether a candidate carries anything but its role and empty text. */
function showsSomething(candidate: unknown): boolean {
  return asArray(asObject(asObject(candidate)?.content)?.parts).some((part) =>
    Object.entries(asObject(part) ?? {}).some(([name, value]) =>
      name !== "thought" && value !== "" && value !== null
    )
  );
}
