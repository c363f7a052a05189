/** What an answer to a probe means. @module */
import type { Outcome } from "../failover/outcome.ts";
import { matchedRule } from "../gateway/whole_answer.ts";
import type { AnswerReading, Protocol, Usage } from "../protocols/protocol.ts";

/** How the body of a 2xx answer is read. */
export interface AnswerReader {
  readAnswer(body: unknown): AnswerReading;
  /** Texts that turn a 200 answer into a failure, lower-cased. */
  readonly errorMatcher: readonly string[];
}

/** What an answer means, and what it cost. */
export interface ProbeJudgement {
  readonly outcome: Outcome;
  readonly usage: Usage | null;
}

type BadAnswer = Extract<Outcome, { type: "bad_answer" }>;

/**
 * Judges an answer.
 *
 * @param mainRoute `false` = the model list was asked for; a 404 there says nothing about a model
 */
export function judgeProbe(
  response: Response,
  bytes: Uint8Array,
  reader: AnswerReader,
  protocol: Protocol,
  mainRoute: boolean,
): ProbeJudgement {
  const text = new TextDecoder().decode(bytes);
  const contentType = response.headers.get("content-type") ?? "";
  const body = parse(text);
  if (!response.ok) {
    const { status, headers } = response;
    const outcome: Outcome = {
      type: "answer",
      protocol,
      status,
      headers,
      contentType,
      body: body ?? null,
      text: text.slice(0, 4096),
      mainRoute,
    };
    return { outcome, usage: null };
  }
  if (text.trim() === "") return bad("empty", "the answer has no body");
  const rule = matchedRule(text, reader.errorMatcher);
  if (rule !== null) return bad("matched", `the answer matches the provider's error rule "${rule}"`);
  // It was not asked to stream. That it does so all the same is odd, and alive.
  if (/^\s*text\/event-stream\b/i.test(contentType)) return { outcome: { type: "success" }, usage: null };
  if (body === undefined) {
    const isPage = /html/i.test(contentType) || /^\s*<(?:!doctype|html)/i.test(text);
    return isPage ? bad("html", "the answer is a web page") : bad("not_json", "the answer is not JSON");
  }
  return judgeBody(reader.readAnswer(body));
}

function judgeBody(reading: AnswerReading): ProbeJudgement {
  switch (reading.kind) {
    case "output":
      return { outcome: { type: "success" }, usage: reading.usage ?? null };
    case "empty":
      return bad("no_output", "the answer is JSON, but no answer of its protocol");
    case "error": {
      const { error } = reading;
      const outcome: BadAnswer = {
        type: "bad_answer",
        what: "error_body",
        detail: "an error under a success status",
        ...(error && { error }),
      };
      return { outcome, usage: null };
    }
  }
}

function bad(what: BadAnswer["what"], detail: string): ProbeJudgement {
  return { outcome: { type: "bad_answer", what, detail }, usage: null };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
