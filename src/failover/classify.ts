/** From what an attempt ended in to what it means. @module */

import { type ReadError, readErrorBody, readStatedError } from "./error_body.ts";
import type {
  AnswerOutcome,
  BadAnswerKind,
  BadAnswerOutcome,
  FailedOutcome,
  TimeoutPhase,
} from "./outcome.ts";
import { parseRetryAfter, retryAfterHeader, retryAfterInMessage, statedRetryAfter } from "./retry_after.ts";
import type { Rule } from "./rule.ts";
import { IN_BAND, RULES } from "./vendor_errors.ts";
import type { Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

/** Vendors' texts are quoted up to this many characters. */
const DETAIL_MAX = 300;

/**
 * The meaning of a failed attempt.
 *
 * @param now epoch ms, for the dates in Retry-After
 */
export function classify(outcome: FailedOutcome, now: number): Verdict {
  switch (outcome.type) {
    case "answer":
      return classifyAnswer(outcome, now);
    case "bad_answer":
      return classifyBadAnswer(outcome);
    case "network":
      return { class: "network", reason: "unreachable", retryAfterMs: null, detail: outcome.detail };
    case "timeout": {
      const detail = `${TIMEOUTS[outcome.phase].detail} within ${Math.round(outcome.afterMs)} ms`;
      return { class: "timeout", reason: TIMEOUTS[outcome.phase].reason, retryAfterMs: null, detail };
    }
    case "client_gone":
      return {
        class: "client_gone",
        reason: "client_gone",
        retryAfterMs: null,
        detail: "the client hung up",
      };
    case "gateway_fault":
      return { class: "gateway_fault", reason: "gateway_fault", retryAfterMs: null, detail: outcome.detail };
  }
}

const TIMEOUTS: Readonly<Record<TimeoutPhase, { readonly reason: string; readonly detail: string }>> = {
  connect: { reason: "connect_timeout", detail: "no connection" },
  headers: { reason: "header_timeout", detail: "no answer" },
  first_token: { reason: "first_token_timeout", detail: "no output" },
  body: { reason: "body_timeout", detail: "no complete answer" },
  idle: { reason: "idle_timeout", detail: "nothing further" },
  deadline: { reason: "deadline", detail: "the time of the whole request was over" },
};

const BAD_ANSWERS: Readonly<Record<BadAnswerKind, string>> = {
  html: "html_answer",
  empty: "empty_answer",
  not_json: "answer_not_json",
  error_body: "error_in_answer",
  error_event: "error_in_stream",
  no_output: "answer_without_output",
  truncated: "answer_cut_off",
  redirect: "redirect",
  matched: "error_matcher",
  too_large: "answer_too_large",
  malformed: "answer_malformed",
};

interface Facts {
  readonly status: number;
  readonly error: ReadError;
  readonly html: boolean;
  readonly mainRoute: boolean;
}

function classifyAnswer(outcome: AnswerOutcome, now: number): Verdict {
  const { status, headers, body } = outcome;
  const error = readErrorBody(body);
  const html = isHtml(outcome);
  const rule = ruleFor({ status, error, html, mainRoute: outcome.mainRoute !== false });
  return {
    class: rule.class,
    reason: rule.reason,
    retryAfterMs: retryAfter(rule, headers, body, now),
    detail: describe(`HTTP ${status}`, error, html ? "web page" : body === null ? outcome.text : ""),
  };
}

function retryAfter(
  rule: Rule,
  headers: AnswerOutcome["headers"],
  body: unknown,
  now: number,
): number | null {
  switch (rule.class) {
    case "rate_limit":
      return parseRetryAfter(headers, body, now);
    case "overload":
      return statedRetryAfter(headers, body, now);
    case "quota":
      return rule.dailyQuota === true ? retryAfterHeader(headers, now) : statedRetryAfter(headers, body, now);
    default:
      // Nothing cools for the other classes, whatever the header says.
      return null;
  }
}

/**
 * An error inside a 2xx answer. What it says is believed where its name or status is clear: a refused key, a limit, an
 * overload, a missing model, and also a fault of the caller, who would only get the same words from the next provider
 * (a vendor that reports such faults under 200 would otherwise be worn out by its clients' mistakes). All else is a
 * `bad_answer`: the status promised an answer, and there was none.
 */
function classifyBadAnswer(outcome: BadAnswerOutcome): Verdict {
  const plain = BAD_ANSWERS[outcome.what];
  const stated = outcome.what === "error_body" || outcome.what === "error_event" ? outcome.error : undefined;
  if (stated === undefined) {
    return { class: "bad_answer", reason: plain, retryAfterMs: null, detail: outcome.detail };
  }
  const error = readStatedError(stated);
  const detail = describe(outcome.detail, error, "");
  const rule = ruleFor({ status: error.status ?? IN_BAND, error, html: false, mainRoute: true });
  switch (rule.class) {
    case "caller_fault":
    case "credential":
    case "quota":
    case "rate_limit":
    case "overload":
    case "no_model": {
      const timed = rule.class === "rate_limit" || rule.class === "overload";
      const retryAfterMs = timed ? retryAfterInMessage(error.message) : null;
      return { class: rule.class, reason: rule.reason, retryAfterMs, detail };
    }
    default:
      return { class: "bad_answer", reason: plain, retryAfterMs: null, detail };
  }
}

function ruleFor(facts: Facts): Rule {
  return RULES.find((rule) => matches(rule, facts)) ?? LAST_RULE;
}

/** Never reached, since the last rule of the table matches everything; it spares the reader a cast. */
const LAST_RULE: Rule = {
  reason: "unexpected_status",
  class: "bad_answer",
  on: [],
  why: "See the table's end.",
};

function matches(rule: Rule, { status, error, html, mainRoute }: Facts): boolean {
  if (!rule.on.some(([from, to]) => status >= from && status <= to)) return false;
  if (rule.names !== undefined && !rule.names.some((name) => error.names.has(name))) return false;
  if (rule.structured !== undefined && rule.structured !== error.names.size > 0) return false;
  if (rule.html !== undefined && rule.html !== html) return false;
  if (rule.mainRoute !== undefined && rule.mainRoute !== mainRoute) return false;
  if (rule.dailyQuota !== undefined && rule.dailyQuota !== error.dailyQuota) return false;
  return rule.message === undefined || rule.message.test(error.message);
}

function isHtml({ contentType, text, body }: AnswerOutcome): boolean {
  if (body !== null) return false;
  return /^text\/html\b/i.test(contentType.trim()) || /^\s*<(?:!doctype html|html)\b/i.test(text);
}

function describe(what: string, error: ReadError, fallback: string): string {
  const names = [...error.names].join(" ");
  const head = names === "" ? what : `${what} ${names}`;
  const words = (error.message === "" ? fallback : error.message).replaceAll(/\s+/g, " ").trim();
  return (words === "" ? head : `${head}: ${words}`).slice(0, DETAIL_MAX);
}
