/**
 * The smallest real call of each protocol, for health checks, and what its answer says.
 *
 * Vendors do not agree on how an answer is kept short: newer OpenAI models refuse `max_tokens`, some relays refuse the
 * name that replaced it, and reasoning models refuse any limit that leaves no room for their thoughts
 * (https://github.com/BerriAI/litellm/issues/26987). So each protocol has a few shapes of the same call, tried in
 * order and remembered by the prober.
 *
 * @module
 */
import { readMessage } from "./anthropic/answer.ts";
import { readGeminiFigures } from "./gemini/answer.ts";
import type { JsonObject } from "./json_access.ts";
import { MODEL_LISTINGS } from "./model_listing.ts";
import { readChatAnswer } from "./openai/answer.ts";
import type { AnswerReading, Protocol, Upstream } from "./protocol.ts";
import { readResponse } from "./responses/answer.ts";

/** One way to keep the answer short. */
export interface ProbeShape {
  /** The parameter that does it; `none` = no limit is sent. */
  readonly name: string;
  body(model: string): JsonObject;
}

/** How one protocol is probed. */
export interface ProbeRequest {
  /** Path of the operation under the provider's base URL. */
  path(model: string): string;
  /** Credential and version headers; an empty secret sends no credential. */
  headers(upstream: Upstream, secret: string): [name: string, value: string][];
  /** From the cheapest to the one that asks for least; at most three. */
  readonly shapes: readonly [ProbeShape, ...ProbeShape[]];
  /** Reads the body of a 2xx answer, already parsed. */
  readAnswer(body: unknown): AnswerReading;
}

const PROMPT = "hi";
const MESSAGES = [{ role: "user", content: PROMPT }];
/** The Responses API takes no smaller limit, and some models none below it either. */
const SMALL_LIMIT = 16;

/** https://platform.openai.com/docs/api-reference/chat/create */
const openai: ProbeRequest = {
  path: () => "/chat/completions",
  headers: MODEL_LISTINGS.openai.headers,
  shapes: [
    shape("max_tokens", { messages: MESSAGES, max_tokens: 1 }),
    shape("max_completion_tokens", { messages: MESSAGES, max_completion_tokens: SMALL_LIMIT }),
    shape("none", { messages: MESSAGES }),
  ],
  readAnswer: readChatAnswer,
};

/** https://platform.openai.com/docs/api-reference/responses/create; `store` keeps the probe out of the account's history. */
const responses: ProbeRequest = {
  path: () => "/responses",
  headers: MODEL_LISTINGS["openai-res"].headers,
  shapes: [
    shape("max_output_tokens", { input: PROMPT, max_output_tokens: SMALL_LIMIT, store: false }),
    shape("none", { input: PROMPT, store: false }),
    shape("bare", { input: PROMPT }),
  ],
  readAnswer: readResponse,
};

/** https://docs.claude.com/en/api/messages; `max_tokens` is required, so no shape is without it. */
const anthropic: ProbeRequest = {
  path: () => "/messages",
  headers: MODEL_LISTINGS.anthropic.headers,
  shapes: [
    shape("max_tokens", { max_tokens: 1, messages: MESSAGES }),
    shape("more_tokens", { max_tokens: 64, messages: MESSAGES }),
  ],
  readAnswer: readMessage,
};

/** https://ai.google.dev/api/generate-content; the model stands in the path. */
const gemini: ProbeRequest = {
  path: (model) => `/models/${encodeURIComponent(model.replace(/^models\//, ""))}:generateContent`,
  headers: MODEL_LISTINGS.gemini.headers,
  shapes: [
    { name: "max_output_tokens", body: () => ({ ...CONTENTS, generationConfig: { maxOutputTokens: 1 } }) },
    { name: "none", body: () => CONTENTS },
  ],
  // Thoughts may take the one token that is asked for: a provider without a candidate is alive all the same.
  readAnswer: readGeminiFigures,
};
const CONTENTS = { contents: [{ role: "user", parts: [{ text: PROMPT }] }] };

/** The probe of each protocol. */
export const PROBE_REQUESTS: Readonly<Record<Protocol, ProbeRequest>> = {
  openai,
  "openai-res": responses,
  anthropic,
  gemini,
};

/**
 * Whether a refusal, in words, is about a parameter and not about the call itself. Then the vendor has understood the
 * key, the path and the model, so it is alive. It must not match what a model says that cannot chat at all.
 */
export function refusesParameter(text: string): boolean {
  return PARAMETER.test(text);
}
const PARAMETER = new RegExp(
  [
    String.raw`\bmax[_ ]?(?:output[_ ]?|completion[_ ]?|new[_ ]?)?tokens?\b`,
    String.raw`\bunsupported_(?:parameter|value)\b`,
    String.raw`\b(?:unsupported|unknown|unrecognized|unexpected|invalid|extra) (?:parameter|argument)`,
    String.raw`\b(?:output|token) limit\b`,
    String.raw`\blimit (?:was |is )?reached\b`,
    String.raw`\btemperature\b`,
  ].join("|"),
  "i",
);

function shape(name: string, members: JsonObject): ProbeShape {
  return { name, body: (model) => ({ model, ...members }) };
}
