/** Reads from a Messages request what routing must know. @module */
import type { Inspection } from "../protocol.ts";
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";

/**
 * Reads a request for `/messages`.
 *
 * llmio took every request with tools for one that needs structured output as well, and so left providers out that can
 * serve it. Here that is what a request asks for with a schema of its answer
 * (https://docs.claude.com/en/docs/build-with-claude/structured-outputs), in either spelling.
 */
export function inspectMessage(body: JsonObject): Inspection {
  return {
    model: asString(body.model),
    stream: isOn(body.stream),
    tools: hasEntries(body.tools) || hasEntries(body.mcp_servers),
    structuredOutput: hasSchema(body.output_format) || hasSchema(asObject(body.output_config)?.format),
    image: asArray(body.messages).some(holdsImage),
    sessionId: sessionOf(body),
  };
}

/** Reads a request for `/messages/count_tokens`: whoever speaks the protocol can count, whatever the model can do. */
export function inspectCount(body: JsonObject): Inspection {
  return {
    model: asString(body.model),
    stream: false,
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: sessionOf(body),
  };
}

/** Vendors take only `true`; llmio also read numbers and strings as a wish for a stream. */
function isOn(value: unknown): boolean {
  return value === true || value === "true" || (typeof value === "number" && value !== 0);
}

function hasEntries(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : asObject(value) !== null;
}

function hasSchema(format: unknown): boolean {
  return asString(asObject(format)?.type) === "json_schema";
}

/** An image in any message counts, in a tool's result and in a document made of blocks too. */
function holdsImage(message: unknown): boolean {
  return asArray(asObject(message)?.content).some((block) => {
    const { type, content, source } = asObject(block) ?? {};
    if (type === "image") return true;
    return [content, asObject(source)?.content].some((inner) => asArray(inner).some(isImage));
  });
}

function isImage(block: unknown): boolean {
  return asObject(block)?.type === "image";
}

/**
 * `session_id`, as all llmio routes take it; else the session in `metadata.user_id` as Claude Code writes it: a JSON
 * object in newer versions, `user_…_account_…_session_<id>` in older ones. Another user id names no session: a user
 * has many.
 */
function sessionOf(body: JsonObject): string {
  const given = scalarText(body.session_id);
  if (given !== "") return given;
  const user = asString(asObject(body.metadata)?.user_id);
  if (user.startsWith("{")) return scalarText(parseObject(user)?.session_id);
  return /_session_([\w-]+)$/.exec(user)?.[1] ?? "";
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}
