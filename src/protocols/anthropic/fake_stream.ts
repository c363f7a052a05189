/** Whole Messages answers as streams, for providers that cannot stream. @module */
import { parseExact } from "../exact_json.ts";
import { asArray, asObject, asString, type JsonObject } from "../json_access.ts";
import type { FakeStream } from "../protocol.ts";
import { textPieces } from "../text_pieces.ts";

/** https://docs.claude.com/en/docs/build-with-claude/streaming */
export const messageFakeStream: FakeStream = { edits: [["stream", "false"]], write: writeMessage };

function* writeMessage(text: string): Generator<string> {
  const message = asObject(parseExact(text)) ?? {};
  const { content, stop_reason = null, stop_sequence = null, stop_details } = message;
  const end = { stop_reason, stop_sequence, ...(stop_details !== undefined && { stop_details }) };
  // Clients read both, and stumble where there is none.
  const usage = asObject(message.usage) ?? {};
  yield event("message_start", {
    message: {
      ...message,
      content: [],
      ...Object.fromEntries(Object.keys(end).map((name) => [name, null])),
      usage: "output_tokens" in usage ? { ...usage, output_tokens: 0 } : usage,
    },
  });
  for (const [index, given] of asArray(content).entries()) {
    const block = asObject(given) ?? {};
    yield event("content_block_start", { index, content_block: openedBlock(block) });
    for (const delta of deltasOf(block)) yield event("content_block_delta", { index, delta });
    yield event("content_block_stop", { index });
  }
  yield event("message_delta", { delta: end, usage });
  yield event("message_stop", {});
}

function event(type: string, members: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

/** A block as it is announced: without what its pieces bring. */
function openedBlock(block: JsonObject): JsonObject {
  switch (block.type) {
    case "text":
      return { ...block, text: "", ...(Array.isArray(block.citations) && { citations: [] }) };
    case "thinking":
      return { ...block, thinking: "", ..."signature" in block && { signature: "" } };
    default:
      return isToolUse(block) ? { ...block, input: {} } : block;
  }
}

function* deltasOf(block: JsonObject): Generator<JsonObject> {
  switch (block.type) {
    case "text":
      for (const text of textPieces(asString(block.text))) yield { type: "text_delta", text };
      for (const citation of asArray(block.citations)) yield { type: "citations_delta", citation };
      return;
    case "thinking":
      for (const thinking of textPieces(asString(block.thinking))) yield { type: "thinking_delta", thinking };
      if ("signature" in block) yield { type: "signature_delta", signature: block.signature };
      return;
    default:
      if (!isToolUse(block)) return;
      for (const json of textPieces(JSON.stringify(block.input))) {
        yield { type: "input_json_delta", partial_json: json };
      }
  }
}

/** `tool_use`, `server_tool_use`, `mcp_tool_use`: their input comes in pieces. */
function isToolUse({ type, input }: JsonObject): boolean {
  return asString(type).endsWith("tool_use") && asObject(input) !== null;
}
