/** How attempts have ended, as their rows tell it. @module */
import { withoutSecrets } from "../access/scrub.ts";
import { estimatedStreamUsage, estimatedUsage } from "../accounting/usage_estimate.ts";
import type { Verdict } from "../failover/verdict.ts";
import type { Usage } from "../protocols/protocol.ts";
import type { RecordedIo } from "../store/logs.ts";
import type { AttemptResult } from "./attempt.ts";
import { wholeJson } from "./client_body.ts";
import type { ClientRequest } from "./client_request.ts";
import type { IoRecording } from "./io_recording.ts";

/** How an attempt has ended, for its row. */
export interface AttemptEnd {
  /** `completed`, `incomplete`, `client_gone` or a failure class. */
  readonly outcome: string;
  readonly statusCode: number;
  /** `""` when there is nothing to say. */
  readonly error: string;
  readonly usage: Usage | null;
  /** The usage is not the vendor's. @default false */
  readonly estimated?: boolean;
  /** Bytes of the answer. */
  readonly size: number;
  /** `performance.now()` of the first byte; 0 = none came. */
  readonly firstByteAt: number;
  /** The bodies, if they are recorded. */
  readonly io?: RecordedIo | undefined;
}

type Whole = Extract<AttemptResult, { type: "whole" }>;
type Streamed = Extract<AttemptResult, { type: "stream" }>;
type Failed = Extract<AttemptResult, { type: "failed" }>;

/** The usage of an answer as it is to be booked. */
export interface Figures {
  /** `null` = nobody knows. */
  readonly usage: Usage | null;
  /** It is not the vendor's. */
  readonly estimated: boolean;
}

/** The usage of a whole answer: the vendor's, or else an estimate by the words of both sides. */
export function wholeFigures({ reading, body }: Whole, request: ClientRequest): Figures {
  if (reading.usage !== undefined) return { usage: reading.usage, estimated: false };
  return isEstimated(request) ? { usage: estimatedUsage(askedOf(request), body), estimated: true } : UNKNOWN;
}

/** The same of a stream, as far as it has come. */
export function streamFigures({ pump }: Streamed, request: ClientRequest): Figures {
  const { usage, said } = pump.source.tap;
  if (usage !== null) return { usage, estimated: false };
  if (said === undefined || !isEstimated(request)) return UNKNOWN;
  return { usage: estimatedStreamUsage(askedOf(request), said), estimated: true };
}

const UNKNOWN: Figures = { usage: null, estimated: false };

/**
 * Models' own words can be estimated; what side routes answer with has other prices, or none. An answer that is made
 * later, or was made before, tells its usage when it is whole.
 */
function isEstimated({ operation, inspection, tie }: ClientRequest): boolean {
  return operation.main && inspection.background !== true && tie?.asksAgain !== true;
}

/** The end of a whole answer. */
export function wholeEnd(
  { response, body, reading, firstByteAt }: Whole,
  figures: Figures,
  io: IoRecording | null,
): AttemptEnd {
  return {
    outcome: reading.incomplete === true ? "incomplete" : "completed",
    statusCode: response.status,
    error: "",
    ...figures,
    size: body.length,
    firstByteAt,
    io: io?.whole({ body, contentType: contentTypeOf(response) }),
  };
}

/** The end of a stream that went to the client. @param verdict `null` = it came to its end */
export function streamEnd(
  { response, pump }: Streamed,
  verdict: Verdict | null,
  figures: Figures,
  { io, secrets }: { readonly io: IoRecording | null; readonly secrets: readonly string[] },
): AttemptEnd {
  const { tap } = pump.source;
  return {
    outcome: verdict?.class ?? (tap.incomplete ? "incomplete" : "completed"),
    statusCode: response.status,
    error: verdict === null ? "" : withoutSecrets(`${verdict.reason}: ${verdict.detail}`, secrets),
    ...figures,
    size: tap.size,
    firstByteAt: pump.firstByteAt,
    io: io?.streamed(contentTypeOf(response)),
  };
}

/** The end of an attempt that gave the client nothing. @param verdict without secrets */
export function failedEnd(
  { outcome, statusCode, answer }: Failed,
  verdict: Verdict,
  { io, secrets }: { readonly io: IoRecording | null; readonly secrets: readonly string[] },
): AttemptEnd {
  return {
    outcome: verdict.class,
    statusCode,
    error: outcome.type === "answer"
      ? withoutSecrets(`status: ${outcome.status}, body: ${outcome.text}`, secrets)
      : verdict.detail,
    usage: null,
    size: answer?.body.length ?? 0,
    firstByteAt: 0,
    io: answer === null
      ? io?.unanswered()
      : io?.whole({ body: answer.body, contentType: contentTypeOf(answer) }),
  };
}

function askedOf({ body, call }: ClientRequest): unknown {
  return body.kind === "json" ? wholeJson(body) : call.json;
}

function contentTypeOf({ headers }: { readonly headers: Headers }): string {
  return headers.get("content-type") ?? "";
}
