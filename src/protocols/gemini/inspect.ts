/** Reads from a generateContent request what routing must know. @module */
import type { Inspection } from "../protocol.ts";
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";

/**
 * Reads the body of a request for `:generateContent`; its model and whether it is a stream stand in the path. Google
 * takes every name in camelCase and in snake_case (https://protobuf.dev/programming-guides/json/).
 */
export function inspectGenerate(body: JsonObject): Omit<Inspection, "model" | "stream"> {
  const parts = asArray(body.contents).flatMap((content) => asArray(asObject(content)?.parts)).map(asObject)
    .filter((part) => part !== null);
  return {
    tools: hasEntries(body.tools) || asObject(either(body, "toolConfig", "tool_config")) !== null ||
      parts.some(isFunctionPart),
    structuredOutput: [body.generationConfig, body.generation_config, body.config].map(asObject)
      .some((config) => config !== null && wantsStructuredOutput(config)),
    image: parts.some(holdsImage),
    sessionId: scalarText(body.session_id),
  };
}

/** The first of two spellings that has a value. */
function either(object: JsonObject, camel: string, snake: string): unknown {
  return object[camel] ?? object[snake];
}

function hasEntries(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : asObject(value) !== null;
}

function isFunctionPart(part: JsonObject): boolean {
  return isSet(either(part, "functionCall", "function_call")) ||
    isSet(either(part, "functionResponse", "function_response"));
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A schema asks for structure in whatever form it is given; so does JSON as the answer's type. */
function wantsStructuredOutput(config: JsonObject): boolean {
  const mimeType = asString(either(config, "responseMimeType", "response_mime_type"));
  return mimeType.trim().toLowerCase() === "application/json" ||
    isSet(either(config, "responseJsonSchema", "response_json_schema")) ||
    isSet(either(config, "responseSchema", "response_schema"));
}

/** An image in a turn of any role counts, also one that a function has answered with. */
function holdsImage(part: JsonObject): boolean {
  const media = asObject(either(part, "inlineData", "inline_data")) ??
    asObject(either(part, "fileData", "file_data"));
  if (media !== null) {
    return asString(either(media, "mimeType", "mime_type")).toLowerCase().startsWith("image/");
  }
  const answer = asObject(either(part, "functionResponse", "function_response"));
  return asArray(answer?.parts).map(asObject).some((inner) => inner !== null && holdsImage(inner));
}
