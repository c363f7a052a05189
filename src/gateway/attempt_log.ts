/** Turns what an attempt has shown into its row of the request log. @module */
import type { LogOutcome } from "../store/logs.ts";
import type { RecordedAttempt, Recorder } from "../accounting/recorder.ts";
import { recordedUsage } from "../accounting/usage.ts";
import type { Usage } from "../protocols/protocol.ts";

/** How an attempt has ended, for its row. */
export interface AttemptEnd {
  /** `completed`, `incomplete`, `client_gone` or a failure class. */
  readonly outcome: string;
  readonly statusCode: number;
  /** `""` when there is nothing to say. */
  readonly error: string;
  readonly usage: Usage | null;
  /** Bytes of the answer. */
  readonly size: number;
  /** `performance.now()` of the first byte; 0 = none came. */
  readonly firstByteAt: number;
}

const NS_PER_MS = 1_000_000;
/** A stored error text is for people; a page of HTML is not. */
const ERROR_TEXT_LIMIT = 4096;

/** Ends an attempt's row. `arrivedAt` is the `performance.now()` of its request's arrival. */
export function endAttempt(
  recorder: Recorder,
  attempt: RecordedAttempt,
  arrivedAt: number,
  end: AttemptEnd,
): void {
  const now = performance.now();
  const usage = recordedUsage(end.usage);
  const wholeMs = now - arrivedAt;
  const row: LogOutcome = {
    status: end.outcome === "completed" || end.outcome === "incomplete" ? "success" : "error",
    outcome: end.outcome,
    statusCode: end.statusCode,
    error: end.error.slice(0, ERROR_TEXT_LIMIT),
    firstChunkTimeNs: end.firstByteAt > 0 ? nanoseconds(end.firstByteAt - arrivedAt) : 0,
    chunkTimeNs: end.firstByteAt > 0 ? nanoseconds(now - end.firstByteAt) : 0,
    tps: usage.completionTokens > 0 && wholeMs > 0 ? usage.completionTokens / (wholeMs / 1000) : 0,
    size: end.size,
    ...usage,
  };
  recorder.end(attempt, row);
}

/** Milliseconds as whole nanoseconds. */
export function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * NS_PER_MS));
}
