/** Anthropic Messages (https://docs.claude.com/en/api/messages). @module */
import { asCount, asObject } from "../json_access.ts";
import { withQuery } from "../path.ts";
import type { AnswerReading, Operation } from "../protocol.ts";
import { messageStream, readMessage } from "./answer.ts";
import { anthropicDialect, inBandError } from "./errors.ts";
import { messageFakeStream } from "./fake_stream.ts";
import { inspectCount, inspectMessage } from "./inspect.ts";

/** What both operations share. Streams report their usage unasked. */
const COMMON = {
  protocol: "anthropic",
  dialect: anthropicDialect,
  modelPlace: "json",
  meteringEdit: () => null,
  refusesMetering: () => false,
} as const;

/** `POST /messages`. */
export const anthropicMessages: Operation = {
  ...COMMON,
  name: "messages",
  main: true,
  inspect: ({ json }) => inspectMessage(json),
  path: ({ query }) => withQuery("/messages", query),
  stream: messageStream,
  readAnswer: readMessage,
  fakeStream: messageFakeStream,
};

/** `POST /messages/count_tokens` (https://docs.claude.com/en/api/messages-count-tokens). */
export const anthropicCountTokens: Operation = {
  ...COMMON,
  name: "messages.count_tokens",
  main: false,
  inspect: ({ json }) => inspectCount(json),
  path: ({ query }) => withQuery("/messages/count_tokens", query),
  stream: null,
  readAnswer: readTokenCount,
};

/** A count is good for nothing without its number. */
export function readTokenCount(value: unknown): AnswerReading {
  const body = asObject(value) ?? {};
  const error = inBandError(body);
  if (error !== null) return { kind: "error", error };
  return { kind: asCount(body.input_tokens) === null ? "empty" : "output" };
}
