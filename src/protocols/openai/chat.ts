/** OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat). @module */
import type { BodyEdit, GatewayError, WireProtocol } from "../protocol.ts";
import { asObject, type JsonObject } from "../json_access.ts";
import { readChatAnswer, readChatEvent } from "./answer.ts";
import { openaiErrorBody } from "./errors.ts";
import { inspectChat } from "./inspect.ts";

/** The protocol `openai`. */
export const openaiChat: WireProtocol = {
  protocol: "openai",
  path: "/chat/completions",
  inspect: inspectChat,
  headers: (_upstream, secret) => secret === "" ? [] : [["authorization", `Bearer ${secret}`]],
  meteringEdit,
  refusesMetering: (status, text) =>
    (status === 400 || status === 422) && /stream_options|include_usage/.test(text),
  readEvent: (_name, data) => readChatEvent(data),
  readAnswer: readChatAnswer,
  errorBody: openaiErrorBody,
  errorEvent: (error: GatewayError) => `data: ${JSON.stringify(openaiErrorBody(error))}\n\n`,
};

/**
 * A stream reports its usage only when asked
 * (https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options). What the client has put
 * there stays; a value that is no object is left for the vendor to refuse.
 */
function meteringEdit(body: JsonObject): BodyEdit | null {
  if (body.stream !== true) return null;
  const options = body.stream_options;
  if (options === undefined || options === null) {
    return { path: ["stream_options"], json: '{"include_usage":true}' };
  }
  const given = asObject(options);
  if (given === null || given.include_usage === true) return null;
  return { path: ["stream_options", "include_usage"], json: "true" };
}
