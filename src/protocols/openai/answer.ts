/** The meaning of Chat Completions answers, whole and streamed. @module */
import type { AnswerReading, EventReading, InBandError } from "../protocol.ts";
import { asArray, asCount, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";
import { chatUsage } from "./usage.ts";

/** Reads the `data` of one event of a stream. */
export function readChatEvent(data: string): EventReading {
  if (data.trim() === "[DONE]") return END;
  const chunk = parseObject(data);
  if (chunk === null) return JUNK;
  const error = inBandError(chunk);
  if (error !== null) return { kind: "error", error };
  const usage = chatUsage(chunk);
  const choices = asArray(chunk.choices);
  const finish = finishReason(choices);
  const text = textOf(choices);
  const reading: EventReading = {
    kind: finish !== "" || choices.some(showsSomething) ? "output" : "preamble",
  };
  return {
    ...reading,
    ...(text !== "" && { text }),
    ...(usage && { usage, usageOnly: choices.length === 0 }),
    ...(finish !== "" && { complete: true, incomplete: endsEarly(finish) }),
  };
}

/** Reads a whole answer, already parsed. */
export function readChatAnswer(body: unknown): AnswerReading {
  const answer = asObject(body);
  if (answer === null) return { kind: "empty" };
  const error = inBandError(answer);
  if (error !== null) return { kind: "error", error };
  const usage = chatUsage(answer);
  // An unknown but valid object is the vendor's business; only one without any member is no answer.
  return {
    kind: Object.keys(answer).length > 0 ? "output" : "empty",
    ...(usage && { usage }),
    incomplete: endsEarly(finishReason(asArray(answer.choices))),
  };
}

/** The error of an answer or chunk; `"error": null` beside a real answer is none. */
export function inBandError(body: JsonObject): InBandError | null {
  if (body.error === undefined || body.error === null || body.error === "") return null;
  const error = asObject(body.error);
  const code = error?.code ?? body.code;
  const status = asCount(error?.status) ?? asCount(code) ?? asCount(body.status);
  return {
    code: scalarText(code),
    type: scalarText(error?.type ?? body.type),
    message: error === null ? scalarText(body.error) : scalarText(error.message),
    status: status !== null && status >= 400 && status < 600 ? status : null,
  };
}

const END: EventReading = { kind: "end", complete: true };
const JUNK: EventReading = { kind: "junk" };

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The first reason that a choice gives for its end; `""` while all go on. */
function finishReason(choices: readonly unknown[]): string {
  for (const choice of choices) {
    const reason = scalarText(asObject(choice)?.finish_reason);
    if (reason !== "") return reason;
  }
  return "";
}

function endsEarly(reason: string): boolean {
  return reason === "length" || reason === "content_filter";
}

/** The words of a chunk: what is said, thought, or handed to a tool. */
function textOf(choices: readonly unknown[]): string {
  let words = "";
  for (const choice of choices) {
    const { delta, text } = asObject(choice) ?? {};
    const { content, reasoning_content: thought, tool_calls: calls } = asObject(delta) ?? {};
    words += asString(text) + asString(content) + asString(thought);
    for (const call of asArray(calls)) words += asString(asObject(asObject(call)?.function)?.arguments);
  }
  return words;
}

/** Whether a choice of a chunk carries anything but the announcement of its role. */
function showsSomething(choice: unknown): boolean {
  const { delta, text } = asObject(choice) ?? {};
  if (typeof text === "string" && text !== "") return true;
  for (const [name, value] of Object.entries(asObject(delta) ?? {})) {
    if (name === "role" || value === null || value === "" || value === undefined) continue;
    if (Array.isArray(value) && value.length === 0) continue;
    return true;
  }
  return false;
}
