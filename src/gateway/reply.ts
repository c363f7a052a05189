/** What a request has come to, in both forms that it may take: an answer of its own, or words in an open stream. @module */
import { withoutSecrets } from "../access/scrub.ts";
import type { FailedOutcome, Outcome } from "../failover/outcome.ts";
import type { Verdict } from "../failover/verdict.ts";
import type { Dialect, GatewayError } from "../protocols/protocol.ts";
import type { PassableAnswer } from "./attempt.ts";
import { type Patience, patientBody } from "./client_idle.ts";
import type { HeaderRecord } from "./headers.ts";

/** The end of a request's way. */
export interface Reply {
  readonly response: Response;
  /**
   * What goes into a stream that the client has been given already, instead of `response`; `null` = the response is
   * itself such a stream, and its body goes on.
   */
  readonly inBand: (() => string) | null;
}

/** HTTP has no status for it; 499 is what logs of proxies use. The client is not there to read it. */
const CLIENT_CLOSED_REQUEST = 499;

/** The reply to a client that is not there any more. */
export function goneReply(): Reply {
  return { response: new Response(null, { status: CLIENT_CLOSED_REQUEST }), inBand: () => "" };
}

/** An error of the gateway's own. `retryAfterMs` becomes a `retry-after` header. */
export function errorReply(
  dialect: Dialect,
  error: GatewayError,
  retryAfterMs: number | null,
  headers: HeaderRecord,
): Reply {
  setRetryAfter(headers, retryAfterMs);
  return { response: errorResponse(dialect, error, headers), inBand: () => dialect.errorEvent(error) };
}

/** A provider's own answer, status and body unchanged. */
export function passedOnReply(
  dialect: Dialect,
  answer: PassableAnswer,
  retryAfterMs: number | null,
  headers: HeaderRecord,
): Reply {
  if (headers["retry-after"] === undefined) setRetryAfter(headers, retryAfterMs);
  const { body, status } = answer;
  return {
    response: new Response(bodyFor(status, body), { status, headers }),
    inBand: () => asEvent(body, dialect.errorEventName),
  };
}

/**
 * A whole answer. In a stream that is open already it is one event: better an odd answer than a lost one.
 *
 * @param patience how long the client may take nothing of a large one; without it, for ever
 */
export function wholeReply(
  body: Uint8Array<ArrayBuffer>,
  status: number,
  headers: HeaderRecord,
  patience?: Patience,
): Reply {
  const whole = bodyFor(status, body);
  const sent = whole === null || patience === undefined ? whole : patientBody(whole, patience);
  if (sent instanceof ReadableStream) headers["content-length"] = String(body.length);
  return { response: new Response(sent, { status, headers }), inBand: () => asEvent(body) };
}

/** Some statuses say by themselves that there is no body (https://fetch.spec.whatwg.org/#null-body-status). */
function bodyFor(status: number, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  return status === 204 || status === 205 || status === 304 ? null : body;
}

/** A gateway error as the caller's protocol shows it. */
export function errorResponse(
  dialect: Dialect,
  error: GatewayError,
  headers: HeaderRecord = {},
): Response {
  return new Response(JSON.stringify(dialect.errorBody(error)), {
    status: error.status,
    headers: { ...headers, "content-type": "application/json" },
  });
}

/** The error of a gateway that is being stopped. */
export function stoppingError(traceId: string): GatewayError {
  return {
    status: 503,
    code: "gateway_stopping",
    message: "the gateway is being stopped; try again",
    traceId,
  };
}

/** The error of a stream that a provider has not brought to its end. */
export function brokenStreamError(outcome: Outcome, traceId: string): GatewayError {
  if (outcome.type === "gateway_fault") return stoppingError(traceId);
  const late = outcome.type === "timeout";
  return {
    status: late ? 504 : 502,
    code: "upstream_stream_broken",
    message: `the provider's stream ${late ? "fell silent" : "broke off"} before its end`,
    traceId,
  };
}

/** A fault of the caller's that a provider reports inside a 200 answer, as the refusal that it is. */
export function inBandCallerFault(
  outcome: FailedOutcome,
  verdict: Verdict,
  dialect: Dialect,
): PassableAnswer | null {
  if (verdict.class !== "caller_fault" || outcome.type !== "bad_answer" || outcome.error === undefined) {
    return null;
  }
  const { status, code, type, message } = outcome.error;
  const error: GatewayError = {
    status: status ?? 400,
    code: String(code ?? "") || (type ?? "invalid_request_error"),
    message: message ?? "the provider refused the request",
    traceId: "",
  };
  return {
    status: error.status,
    headers: new Headers({ "content-type": "application/json" }),
    body: encoder.encode(JSON.stringify(dialect.errorBody(error))),
  };
}

/**
 * A failure's answer without secrets, which vendors echo in their errors, a client's credential for another service
 * among them. Its bytes are kept if there are none.
 *
 * @param secrets the provider's
 */
export function scrubbedAnswer(answer: PassableAnswer, secrets: readonly string[]): PassableAnswer {
  const text = decoder.decode(answer.body);
  const clean = withoutSecrets(text, secrets);
  const headers = new Headers();
  for (const [name, value] of answer.headers) headers.append(name, withoutSecrets(value, secrets));
  return { ...answer, headers, body: clean === text ? answer.body : encoder.encode(clean) };
}

/** Whether an answer's status and body can go to the client as they are: a web page says nothing to an API client. */
export function mayPassOn(answer: PassableAnswer | null, verdict: Verdict): boolean {
  if (answer === null) return false;
  // What is the caller's own fault is told with the status that the provider chose, in whatever words.
  if (verdict.class === "caller_fault") return true;
  return answer.body.length > 0 && !/html/i.test(answer.headers.get("content-type") ?? "");
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function asEvent(body: Uint8Array, name?: string): string {
  const text = decoder.decode(body);
  // Line breaks between the tokens of JSON mean nothing, and Google's SDK reads one data line of an event only.
  const lines = isJson(text) ? [text.replaceAll(/[\r\n]+/g, " ")] : text.split(/\r\n|\n|\r/);
  const event = name === undefined ? "" : `event: ${name}\n`;
  return `${event}${lines.map((line) => `data: ${line}`).join("\n")}\n\n`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function setRetryAfter(headers: HeaderRecord, ms: number | null): void {
  if (ms !== null) headers["retry-after"] = String(Math.max(1, Math.ceil(ms / 1000)));
}
