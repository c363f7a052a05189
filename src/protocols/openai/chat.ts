/** OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat). @module */
import { asObject } from "../json_access.ts";
import { type BodyEdit, type ClientCall, eventByEvent, type Operation } from "../protocol.ts";
import { withQuery } from "../path.ts";
import { readChatAnswer, readChatEvent } from "./answer.ts";
import { openaiDialect } from "./errors.ts";
import { chatFakeStream } from "./fake_stream.ts";
import { inspectChat } from "./inspect.ts";

/** `POST /chat/completions`. */
export const openaiChat: Operation = {
  name: "chat.completions",
  protocol: "openai",
  dialect: openaiDialect,
  modelPlace: "json",
  main: true,
  inspect: ({ json }) => inspectChat(json),
  path: ({ query }) => withQuery("/chat/completions", query),
  meteringEdit: streamUsageEdit,
  refusesMetering: refusesStreamUsage,
  stream: eventByEvent((_name, data) => readChatEvent(data)),
  readAnswer: readChatAnswer,
  fakeStream: chatFakeStream,
};

/**
 * A stream reports its usage only when asked
 * (https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options). What the client has put
 * there stays; a value that is no object is left for the vendor to refuse.
 */
export function streamUsageEdit({ json }: ClientCall): BodyEdit | null {
  if (json.stream !== true) return null;
  const options = json.stream_options;
  if (options === undefined || options === null) {
    return { path: ["stream_options"], json: '{"include_usage":true}' };
  }
  const given = asObject(options);
  if (given === null || given.include_usage === true) return null;
  return { path: ["stream_options", "include_usage"], json: "true" };
}

/** Strict providers refuse a field that they do not know. */
export function refusesStreamUsage(status: number, text: string): boolean {
  return (status === 400 || status === 422) && /stream_options|include_usage/.test(text);
}
