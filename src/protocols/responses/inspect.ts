/** Reads from a Responses request what routing must know. @module */
import type { Inspection } from "../protocol.ts";
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";
import { hasEntries, isOn } from "../openai/inspect.ts";

/** Reads a request for `/responses`. */
export function inspectResponses(body: JsonObject): Inspection {
  const previous = asString(body.previous_response_id);
  return {
    model: asString(body.model),
    stream: isOn(body.stream),
    tools: hasEntries(body.tools),
    structuredOutput: asObject(asObject(body.text)?.format)?.type === "json_schema",
    image: asArray(body.input).some(holdsImage),
    sessionId: sessionOf(body),
    ...(isOn(body.background) && { background: true }),
    ...(previous !== "" && { previousAnswerId: previous }),
  };
}

/**
 * llmio's own field first; then the conversation, whose turns only one account has; then the key by which OpenAI
 * itself keeps requests with a common beginning together
 * (https://platform.openai.com/docs/api-reference/responses/create#responses-create-prompt_cache_key).
 */
function sessionOf(body: JsonObject): string {
  const conversation = asObject(body.conversation)?.id ?? body.conversation;
  return scalarText(body.session_id) || asString(conversation) || asString(body.prompt_cache_key);
}

/** Images stand in messages of any role, in what tools have given back, and in screenshots. */
function holdsImage(item: unknown): boolean {
  const { content, output } = asObject(item) ?? {};
  return isImage(output) || asArray(content).some(isImage) || asArray(output).some(isImage);
}

function isImage(part: unknown): boolean {
  const type = asObject(part)?.type;
  return type === "input_image" || type === "computer_screenshot";
}
