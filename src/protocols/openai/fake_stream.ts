/** Whole Chat Completions answers as streams, for providers that cannot stream. @module */
import { parseExact } from "../exact_json.ts";
import { asArray, asCount, asObject, asString, type JsonObject } from "../json_access.ts";
import type { FakeStream } from "../protocol.ts";
import { textPieces } from "../text_pieces.ts";

/** What has to change in a request so that its answer comes whole. */
export const ASKS_WHOLE: FakeStream["edits"] = [["stream", "false"], ["stream_options", null]];

/** https://platform.openai.com/docs/api-reference/chat-streaming */
export const chatFakeStream: FakeStream = { edits: ASKS_WHOLE, write: writeChat };

/** Members of a message that clients put together from pieces. */
const SPOKEN = ["reasoning_content", "reasoning", "content", "refusal"];

/**
 * The stream of a whole answer. Its usage always comes, as a chunk of its own: the gateway takes that out where the
 * client did not ask for it.
 */
function* writeChat(text: string): Generator<string> {
  const { choices, usage, object: _, ...head } = asObject(parseExact(text)) ?? {};
  const chunk = (members: JsonObject) =>
    `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...members })}\n\n`;
  for (const [position, given] of asArray(choices).entries()) {
    const { index: stated, message, finish_reason = null, ...rest } = asObject(given) ?? {};
    const index = asCount(stated) ?? position;
    for (const delta of deltasOf(asObject(message) ?? {})) {
      yield chunk({ choices: [{ index, delta, finish_reason: null }] });
    }
    yield chunk({ choices: [{ index, delta: {}, finish_reason, ...rest }] });
  }
  if (asObject(usage) !== null) yield chunk({ choices: [], usage });
  yield "data: [DONE]\n\n";
}

/** First the role with all that is said at once, then what is said in pieces, then the calls. */
function* deltasOf(message: JsonObject): Generator<JsonObject> {
  const { tool_calls: calls, function_call: call, ...rest } = message;
  const opening: JsonObject = { role: "assistant", ...rest };
  const spoken = SPOKEN.filter((name) => typeof rest[name] === "string");
  for (const name of spoken) {
    if (name === "content") opening[name] = "";
    else delete opening[name];
  }
  yield opening;
  for (const name of spoken) {
    for (const piece of textPieces(asString(rest[name]))) yield { [name]: piece };
  }
  const legacy = asObject(call);
  if (legacy !== null) {
    yield { function_call: { ...legacy, arguments: "" } };
    for (const piece of textPieces(asString(legacy.arguments))) yield { function_call: { arguments: piece } };
  }
  for (const [index, each] of asArray(calls).entries()) yield* callDeltas(index, asObject(each) ?? {});
}

/** An index that the call has itself does not count: whole answers need none, and relays number all calls 0. */
function* callDeltas(index: number, { index: _, ...rest }: JsonObject): Generator<JsonObject> {
  const called = asObject(rest.function);
  if (called === null) {
    yield { tool_calls: [{ index, ...rest }] };
    return;
  }
  yield { tool_calls: [{ index, ...rest, function: { ...called, arguments: "" } }] };
  for (const piece of textPieces(asString(called.arguments))) {
    yield { tool_calls: [{ index, function: { arguments: piece } }] };
  }
}
