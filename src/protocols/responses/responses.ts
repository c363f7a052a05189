/** OpenAI Responses (https://platform.openai.com/docs/api-reference/responses). @module */
import { eventByEvent, type Operation } from "../protocol.ts";
import { withQuery } from "../path.ts";
import { readResponse, readResponseEvent, readStoredResponse, readStoredResponseEvent } from "./answer.ts";
import { responsesDialect } from "./errors.ts";
import { responseFakeStream } from "./fake_stream.ts";
import { inspectResponses } from "./inspect.ts";

/** What all operations of the protocol have in common. Streams report their usage unasked. */
const RESPONSES = {
  protocol: "openai-res",
  dialect: responsesDialect,
  meteringEdit: () => null,
  refusesMetering: () => false,
} as const;

/** `POST /responses`. */
export const createResponse: Operation = {
  ...RESPONSES,
  name: "responses",
  modelPlace: "json",
  main: true,
  inspect: ({ json }) => inspectResponses(json),
  path: ({ query }) => withQuery("/responses", query),
  stream: eventByEvent(readResponseEvent),
  readAnswer: readResponse,
  fakeStream: responseFakeStream,
};

/** `POST /responses/compact`: a conversation made shorter, at the price of a response. */
export const compactResponse: Operation = sideOperation("compact");

/** `POST /responses/input_tokens`: how many tokens a request would have; it costs none. */
export const countInputTokens: Operation = sideOperation("input_tokens");

function sideOperation(name: string): Operation {
  return {
    ...createResponse,
    name: `responses.${name}`,
    main: false,
    path: ({ query }) => withQuery(`/responses/${name}`, query),
  };
}

/** What can be asked of a response that was made before, and by which method. */
export const STORED_RESPONSE_CALLS = {
  retrieve: { method: "GET", tail: "" },
  delete: { method: "DELETE", tail: "" },
  cancel: { method: "POST", tail: "/cancel" },
  input_items: { method: "GET", tail: "/input_items" },
} as const;

/** One of {@linkcode STORED_RESPONSE_CALLS}. */
export type StoredResponseCall = keyof typeof STORED_RESPONSE_CALLS;

/** A call about a response that was made before. The model of its `ClientCall` is the one that made it. */
export function storedResponse(call: StoredResponseCall, id: string): Operation {
  const path = `/responses/${encodeURIComponent(id)}${STORED_RESPONSE_CALLS[call].tail}`;
  return {
    ...RESPONSES,
    name: `responses.${call}`,
    modelPlace: "path",
    main: false,
    inspect: ({ pathModel, query }) => ({
      model: pathModel,
      stream: call === "retrieve" && new URLSearchParams(query).get("stream") === "true",
      tools: false,
      structuredOutput: false,
      image: false,
      sessionId: "",
    }),
    path: ({ query }) => withQuery(path, query),
    stream: eventByEvent(readStoredResponseEvent),
    readAnswer: readStoredResponse,
  };
}
