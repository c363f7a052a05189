/** Reads from a Chat Completions request what routing must know. @module */
import type { Inspection } from "../protocol.ts";
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";

/** Reads a request for `/chat/completions`. */
export function inspectChat(body: JsonObject): Inspection {
  return {
    model: asString(body.model),
    stream: isOn(body.stream),
    tools: hasEntries(body.tools) || hasEntries(body.functions),
    structuredOutput: wantsStructuredOutput(body.response_format),
    image: asArray(body.messages).some(holdsImage),
    sessionId: scalarText(body.session_id),
  };
}

/** Vendors take only `true`; llmio also read numbers and strings as a wish for a stream. */
export function isOn(value: unknown): boolean {
  return value === true || value === "true" || (typeof value === "number" && value !== 0);
}

/** Whether a list of tools asks for any; an object in its place is left for the vendor to judge. */
export function hasEntries(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : asObject(value) !== null;
}

/** `{"type":"text"}` and `null` are the vendor's default and ask for nothing. */
function wantsStructuredOutput(format: unknown): boolean {
  const type = asString(asObject(format)?.type);
  return type !== "" && type !== "text";
}

/** An image in any message counts: tool results and earlier turns hold them too. */
function holdsImage(message: unknown): boolean {
  return asArray(asObject(message)?.content).some((part) => asObject(part)?.type === "image_url");
}
