/** The meaning of Messages answers, whole (https://docs.claude.com/en/api/messages) and streamed. @module */
import { asObject, asString, type JsonObject } from "../json_access.ts";
import type { AnswerReading, EventReading, StreamGrammar, StreamReader } from "../protocol.ts";
import { inBandError } from "./errors.ts";
import { messageUsage, UsageParts } from "./usage.ts";

/** The grammar of https://docs.claude.com/en/docs/build-with-claude/streaming. */
export const messageStream: StreamGrammar = { open: () => new MessageReader() };

/** Reads one stream. What an event is, its data says; the event's name counts where they do not. */
class MessageReader implements StreamReader {
  readonly #usage = new UsageParts();

  readEvent(name: string, data: string): EventReading {
    const body = parseObject(data);
    if (body === null) return withoutObject(name, data);
    const type = asString(body.type) || name;
    switch (type) {
      case "message_start":
        return this.#measured(PREAMBLE, asObject(body.message)?.usage);
      case "content_block_start":
        return showsSomething(body.content_block) ? OUTPUT : PREAMBLE;
      case "content_block_delta":
        return showsSomething(body.delta) ? { kind: "output", text: textOf(body.delta) } : PREAMBLE;
      case "message_delta":
        return this.#measured(deltaOf(body), body.usage);
      case "message_stop":
        return END;
      default:
        return otherEvent(type, body);
    }
  }

  #measured(reading: EventReading, value: unknown): EventReading {
    const usage = this.#usage.take(value);
    return usage === undefined ? reading : { ...reading, usage };
  }
}

/** Reads a whole answer, already parsed. */
export function readMessage(value: unknown): AnswerReading {
  const message = asObject(value);
  if (message === null) return { kind: "empty" };
  const error = inBandError(message);
  if (error !== null) return { kind: "error", error };
  const usage = messageUsage(message.usage);
  // An unknown but valid object is the vendor's business; only one without any member is no answer.
  return {
    kind: Object.keys(message).length > 0 ? "output" : "empty",
    ...(usage && { usage }),
    incomplete: endsEarly(asString(message.stop_reason)),
  };
}

const OUTPUT: EventReading = { kind: "output" };
const PREAMBLE: EventReading = { kind: "preamble" };
const JUNK: EventReading = { kind: "junk" };
const END: EventReading = { kind: "end", complete: true };

/**
 * The stop reason ends the message, even an empty one; `message_stop` says no more. A provider that leaves that out has
 * still said everything.
 */
function deltaOf(body: JsonObject): EventReading {
  const reason = asString(asObject(body.delta)?.stop_reason);
  if (reason === "") return PREAMBLE;
  return { kind: "output", complete: true, incomplete: endsEarly(reason) };
}

/** `pause_turn` is no early end: the client sends the turn back to go on. */
function endsEarly(reason: string): boolean {
  return reason === "max_tokens" || reason === "model_context_window_exceeded" || reason === "refusal";
}

/** New types may be added at any time, and clients ignore those that they do not know. */
function otherEvent(type: string, body: JsonObject): EventReading {
  const error = inBandError(type === "error" ? { ...body, type } : body);
  if (error !== null) return { kind: "error", error };
  return type === "" ? JUNK : PREAMBLE;
}

/** A relay's error may be plain text, and a ping may hold anything. */
function withoutObject(name: string, data: string): EventReading {
  if (name === "ping") return PREAMBLE;
  if (name !== "error") return JUNK;
  return { kind: "error", error: { code: "", type: "", message: data.slice(0, 500), status: null } };
}

/** The words of a piece: what is said, thought, or handed to a tool. */
function textOf(delta: unknown): string {
  const { text, thinking, partial_json: json } = asObject(delta) ?? {};
  return asString(text) + asString(thinking) + asString(json);
}

/** Whether a block or a piece of one carries anything but its kind: text, a thought, a signature, a tool's name or result. */
function showsSomething(value: unknown): boolean {
  for (const [name, member] of Object.entries(asObject(value) ?? {})) {
    if (name === "type" || member === null || member === undefined || member === "") continue;
    if (typeof member === "object" && Object.keys(member).length === 0) continue;
    return true;
  }
  return false;
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}
