/**
 * The four protocols as a client asks and as a vendor answers, with a request's number in every prompt and every
 * answer, so that nothing can be taken for another's.
 *
 * @module
 */
import { chunk, head, json, type Reply, sse, type Step, write } from "../upstream/replies.ts";
import type { Plan, Protocol, Tokens } from "./plan.ts";

/** A request as `fetch` takes it. */
export interface WireRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Wire {
  /** Path, and the header that carries the credential. */
  ask(plan: Plan, credential: string): { path: string; headers: Record<string, string> };
  /** The members of the request's body that hold the prompt. */
  body(plan: Plan, prompt: string): unknown;
  /** A whole answer. */
  whole(plan: Plan, text: string, complete: boolean): unknown;
  /** The frames up to and including the first text, and those after it. */
  frames(plan: Plan, text: string, complete: boolean): { first: string[]; rest: string[] };
  /** What the frames up to the first text tell of the usage; `null` = nothing. */
  partial(tokens: Tokens): Tokens | null;
  /** The body of an error. */
  error(status: number, type: string, message: string): unknown;
}

/** What stands in the answer to a request, and in no other. */
export function textOf({ number }: Plan): string {
  return `answer-${number}.`;
}

/** The number in a request's prompt. */
export function numberIn(body: string): number {
  const number = /request-(\d+)\./.exec(body)?.[1];
  if (number === undefined) throw new Error(`no number in ${body}`);
  return Number(number);
}

/** The request that a client sends. */
export function requestOf(plan: Plan, credential: string): WireRequest {
  const wire = WIRES[plan.protocol];
  const { path, headers } = wire.ask(plan, credential);
  return {
    path,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(wire.body(plan, `request-${plan.number}.`)),
  };
}

/** The vendor's answer, whole or as a stream, as the request asks. */
export function answerOf(plan: Plan, complete: boolean): Reply {
  const wire = WIRES[plan.protocol];
  if (!plan.stream) return json(200, wire.whole(plan, textOf(plan), complete));
  const { first, rest } = wire.frames(plan, textOf(plan), complete);
  return sse([...first, ...rest]);
}

/** The beginning of a stream, up to its first text. */
export function beginningOf(plan: Plan): Step[] {
  const { first } = WIRES[plan.protocol].frames(plan, textOf(plan), true);
  return [
    write(head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" })),
    write(chunk(first.join(""))),
  ];
}

/** The beginning of a whole answer that never comes to its end. */
export function halfOf(plan: Plan): Step {
  const text = JSON.stringify(WIRES[plan.protocol].whole(plan, textOf(plan), true));
  const headers = { "content-type": "application/json", "content-length": String(text.length) };
  return write(head(200, headers) + text.slice(0, text.length >> 1));
}

/** An error of the vendor. */
export function errorOf(
  { protocol }: Plan,
  status: number,
  type: string,
  headers: Record<string, string> = {},
): Reply {
  return json(status, WIRES[protocol].error(status, type, `scripted ${status}`), headers);
}

/** What is known of the tokens after the first text; `null` = nothing. */
export function partialTokens({ protocol, tokens }: Plan): Tokens | null {
  return WIRES[protocol].partial(tokens);
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const named = (type: string, members: Record<string, unknown>) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

const openai: Wire = {
  ask: (_, credential) => ({ path: "/v1/chat/completions", headers: bearer(credential) }),
  body: ({ model, stream, number }, content) => ({
    model,
    messages: [{ role: "user", content }],
    ...(stream && { stream }),
    // Some clients ask for the usage themselves.
    ...(stream && number % 3 === 0 && { stream_options: { include_usage: true } }),
  }),
  whole: ({ tokens }, content, complete) => ({
    id: "chatcmpl-books",
    object: "chat.completion",
    choices: [{
      index: 0,
      message: { role: "assistant", content },
      finish_reason: complete ? "stop" : "length",
    }],
    usage: chatUsage(tokens),
  }),
  frames: ({ tokens }, content, complete) => {
    const frame = (choices: unknown[], usage?: unknown) =>
      data({ id: "chatcmpl-books", object: "chat.completion.chunk", choices, ...(usage ? { usage } : {}) });
    const piece = (delta: unknown, reason: string | null = null) =>
      frame([{ index: 0, delta, finish_reason: reason }]);
    return {
      first: [piece({ role: "assistant", content: "" }), piece({ content })],
      rest: [
        piece({ content: " more" }),
        piece({}, complete ? "stop" : "length"),
        frame([], chatUsage(tokens)),
        "data: [DONE]\n\n",
      ],
    };
  },
  partial: () => null,
  error: (_, type, message) => ({ error: { message, type, code: null, param: null } }),
};

function chatUsage({ prompt, completion, cached, reasoning }: Tokens) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

const responses: Wire = {
  ask: (_, credential) => ({ path: "/v1/responses", headers: bearer(credential) }),
  body: ({ model, stream }, input) => ({ model, input, ...(stream && { stream }) }),
  whole: (plan, text, complete) => responseObject(plan, text, complete ? "completed" : "incomplete"),
  frames: (plan, text, complete) => {
    const end = complete ? "completed" : "incomplete";
    const begun = { ...responseObject(plan, "", "in_progress"), output: [], usage: null };
    return {
      first: [
        named("response.created", { sequence_number: 0, response: begun }),
        named("response.output_text.delta", { sequence_number: 1, output_index: 0, delta: text }),
      ],
      rest: [
        named("response.output_text.delta", { sequence_number: 2, output_index: 0, delta: " more" }),
        named(`response.${end}`, { sequence_number: 3, response: responseObject(plan, text, end) }),
      ],
    };
  },
  partial: () => null,
  error: openai.error,
};

function responseObject({ number, tokens }: Plan, text: string, status: string) {
  const { prompt, completion, cached, reasoning } = tokens;
  return {
    id: `resp_${number}`,
    object: "response",
    status,
    error: null,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text }] }],
    usage: {
      input_tokens: prompt,
      input_tokens_details: { cached_tokens: cached },
      output_tokens: completion,
      output_tokens_details: { reasoning_tokens: reasoning },
      total_tokens: prompt + completion,
    },
  };
}

const anthropic: Wire = {
  ask: (_, credential) => ({
    path: "/anthropic/v1/messages",
    headers: { "x-api-key": credential, "anthropic-version": "2023-06-01" },
  }),
  body: ({ model, stream }, content) => ({
    model,
    max_tokens: 64,
    messages: [{ role: "user", content }],
    ...(stream && { stream }),
  }),
  whole: ({ tokens }, text, complete) => ({
    ...MESSAGE,
    content: [{ type: "text", text }],
    stop_reason: complete ? "end_turn" : "max_tokens",
    usage: messageUsage(tokens, tokens.completion),
  }),
  frames: ({ tokens }, text, complete) => {
    const delta = (text: string) =>
      named("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
    return {
      first: [
        named("message_start", { message: { ...MESSAGE, content: [], usage: messageUsage(tokens, 1) } }),
        named("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
        delta(text),
      ],
      rest: [
        delta(" more"),
        named("content_block_stop", { index: 0 }),
        named("message_delta", {
          delta: { stop_reason: complete ? "end_turn" : "max_tokens", stop_sequence: null },
          usage: { output_tokens: tokens.completion },
        }),
        named("message_stop", {}),
      ],
    };
  },
  partial: begun,
  error: (_, type, message) => ({ type: "error", error: { type, message } }),
};

const MESSAGE = {
  id: "msg_books",
  type: "message",
  role: "assistant",
  model: "upstream-model",
  stop_reason: null,
  stop_sequence: null,
};

function messageUsage({ prompt, cached, written }: Tokens, output: number) {
  return {
    input_tokens: prompt - cached - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    output_tokens: output,
  };
}

const gemini: Wire = {
  ask: ({ model, stream }, credential) => ({
    path: `/gemini/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    headers: { "x-goog-api-key": credential },
  }),
  body: (_, text) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
  whole: ({ tokens }, text, complete) => geminiPiece(text, tokens, complete ? "STOP" : "MAX_TOKENS"),
  frames: ({ tokens }, text, complete) => ({
    first: [data(geminiPiece(text, begun(tokens)))],
    rest: [data(geminiPiece(" more", tokens, complete ? "STOP" : "MAX_TOKENS"))],
  }),
  partial: begun,
  error: (code, status, message) => ({ error: { code, status: status.toUpperCase(), message } }),
};

function geminiPiece(
  text: string,
  { prompt, completion, cached, reasoning }: Tokens,
  finishReason?: string,
) {
  return {
    candidates: [{ content: { role: "model", parts: [{ text }] }, index: 0, finishReason }],
    usageMetadata: {
      promptTokenCount: prompt,
      candidatesTokenCount: completion - reasoning,
      thoughtsTokenCount: reasoning,
      totalTokenCount: prompt + completion,
      cachedContentTokenCount: cached,
    },
  };
}

/** What a vendor that tells its usage from the beginning tells there. */
function begun(tokens: Tokens): Tokens {
  return { ...tokens, completion: 1, reasoning: 0 };
}

const WIRES: Readonly<Record<Protocol, Wire>> = { openai, "openai-res": responses, anthropic, gemini };
