/** Reads and judges answers that come in one piece. @module */
import type { FailedOutcome } from "../failover/outcome.ts";
import type { AnswerReading, Operation } from "../protocols/protocol.ts";
import { asObject } from "../protocols/json_access.ts";
import { inBandError } from "../protocols/openai/answer.ts";
import { isCoded } from "./content_coding.ts";
import { joinBytes } from "./join_bytes.ts";
import { decode } from "./request_body.ts";

/** Largest whole answer that is taken, in bytes: it is held in memory until it is known to be good. */
export const ANSWER_LIMIT_BYTES = 256 * 1024 * 1024;
/** Of an error's body this much is read, in bytes. */
const ERROR_LIMIT_BYTES = 1024 * 1024;

const decoder = new TextDecoder();

/** The body of an answer, without an encoding. @throws what the body, its encoding or a deadline throws */
export async function readAnswer(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const limit = response.ok ? ANSWER_LIMIT_BYTES : ERROR_LIMIT_BYTES;
  let body = await readUpTo(response, limit);
  for (const coding of encodingsOf(response).reverse()) {
    if (isCoded(coding, body)) body = new Uint8Array(await decode(body, coding, limit));
  }
  return body;
}

/** The codings that the provider applied although it was asked for none, in their order. */
export function encodingsOf(response: Response): string[] {
  return (response.headers.get("content-encoding") ?? "").split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
}

async function readUpTo(response: Response, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) <= limit) return await response.bytes();
  if (response.body === null) return new Uint8Array(0);
  const pieces: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the body, which closes the provider's connection.
  for await (const piece of response.body) {
    size += piece.length;
    if (size > limit) throw new AnswerTooLarge(limit);
    pieces.push(piece);
  }
  return joinBytes(pieces, size);
}

/** A provider's answer is larger than the gateway holds. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
  constructor(limit: number) {
    super(`the answer is larger than ${limit} bytes`);
  }
}

/** A whole answer with a success status, judged: what it says, or why it is none. */
export type WholeJudgement = { readonly good: true; readonly reading: AnswerReading } | {
  readonly good: false;
  readonly outcome: FailedOutcome;
};

/** Judges the body of a 2xx answer. */
export function judgeAnswer(
  body: Uint8Array,
  contentType: string,
  operation: Pick<Operation, "readAnswer" | "textAnswers">,
  errorMatcher: readonly string[],
): WholeJudgement {
  const text = decoder.decode(body);
  const mayBeText = operation.readAnswer === null || operation.textAnswers === true;
  if (text.trim() === "") {
    // Silence is written down as nothing.
    const saysNothing = operation.textAnswers === true && /^\s*text\/(?!html)/i.test(contentType);
    return saysNothing ? UNREAD : bad("empty", "the answer has no body");
  }
  const rule = matchedRule(text, errorMatcher);
  if (rule !== null) return bad("matched", `the answer matches the provider's error rule "${rule}"`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    if (mayBeText && !isHtml(text, contentType)) return UNREAD;
    return isHtml(text, contentType)
      ? bad("html", "the answer is an HTML page")
      : bad("not_json", "the answer is not JSON");
  }
  const reading = (operation.readAnswer ?? readUnknown)(json);
  switch (reading.kind) {
    case "output":
      return { good: true, reading };
    case "empty":
      return bad("no_output", "the answer is JSON, but no answer of its protocol");
    case "error":
      return {
        good: false,
        outcome: {
          type: "bad_answer",
          what: "error_body",
          detail: reading.error?.message ?? "",
          ...(reading.error && { error: reading.error }),
        },
      };
  }
}

function isHtml(text: string, contentType: string): boolean {
  return /html/i.test(contentType) || /^\s*<(!doctype|html)/i.test(text);
}

const UNREAD: WholeJudgement = { good: true, reading: { kind: "output" } };

/** Of an answer that nobody here understands only an error object tells that it is none. */
function readUnknown(json: unknown): AnswerReading {
  const error = inBandError(asObject(json) ?? {});
  return error === null ? { kind: "output" } : { kind: "error", error };
}

function bad(what: Extract<FailedOutcome, { type: "bad_answer" }>["what"], detail: string): WholeJudgement {
  return { good: false, outcome: { type: "bad_answer", what, detail } };
}

/** The first rule that occurs in the text, ignoring case and, failing that, white space. */
export function matchedRule(text: string, rules: readonly string[]): string | null {
  if (rules.length === 0) return null;
  const lower = text.toLowerCase();
  const packed = lower.replace(/\s+/g, "");
  for (const rule of rules) {
    if (lower.includes(rule) || packed.includes(rule.replace(/\s+/g, ""))) return rule;
  }
  return null;
}
