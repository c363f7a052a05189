/** The rows that one request leaves in the request log. @module */
import type { Metrics } from "../accounting/metrics.ts";
import type { PriceRule, Pricing } from "../accounting/pricing.ts";
import type { RecordedAttempt, Recorder } from "../accounting/recorder.ts";
import type { AttemptSpan, RequestSpan, Tracing } from "../accounting/tracing.ts";
import { recordedUsage } from "../accounting/usage.ts";
import type { Inspection, Protocol } from "../protocols/protocol.ts";
import type { Permit } from "../access/client_keys.ts";
import type { LogOutcome } from "../store/logs.ts";
import type { AttemptEnd } from "./attempt_end.ts";
import type { Target } from "./routing_table.ts";

/** Where what is known of requests goes. */
export interface LogTools {
  readonly recorder: Recorder;
  readonly pricing: Pricing;
  readonly metrics: Metrics;
  /** `null` = nothing is traced. */
  readonly tracing: Tracing | null;
}

/** Who asks, as far as the gateway knows. */
export interface Caller {
  readonly remoteIp: string;
  readonly userAgent: string;
  /** 0 = admin token or no authentication. */
  readonly authKeyId: number;
  /** Bodies are recorded. */
  readonly recordsIo: boolean;
  /** Providers that may serve it; `null` = all. */
  readonly providers: ReadonlySet<number> | null;
  /** Its place within the limits of its key; `null` = it has none. Given back when the request is over. */
  readonly permit: Permit | null;
}

/** What all rows of a request share. */
export interface LoggedRequest {
  readonly traceId: string;
  /** Name of the operation. */
  readonly operation: string;
  readonly protocol: Protocol;
  readonly inspection: Inspection;
  readonly caller: Caller;
  /** Epoch milliseconds of the arrival. */
  readonly startedAtMs: number;
  /** `performance.now()` of the arrival. */
  readonly arrivedAt: number;
}

const NS_PER_MS = 1_000_000;
/** A stored error text is for people; more than this of a body helps nobody. */
const ERROR_TEXT_LIMIT = 4096;

/** Writes the rows of one request, and tells metrics and traces the same. */
export class RequestLog {
  readonly #prices = new WeakMap<RecordedAttempt, PriceRule>();
  readonly #span: RequestSpan | null;
  #attemptSpan: AttemptSpan | null = null;
  /** That of the last row. A request that ends without any has met a fault of the gateway. */
  #outcome = "gateway_fault";
  #streaming = false;

  constructor(readonly tools: LogTools, readonly request: LoggedRequest) {
    const { operation, protocol, traceId, inspection: { model } } = request;
    this.#span = tools.tracing?.request({ operation, protocol, traceId, model }) ?? null;
  }

  /** An attempt begins. `retry` is its index within the request, from 0. */
  begin(target: Target, retry: number): RecordedAttempt {
    const rule = this.tools.pricing.ruleOf(target);
    const attempt = this.#begin(
      target,
      retry,
      nanoseconds(performance.now() - this.request.arrivedAt),
      rule.currency,
    );
    this.#prices.set(attempt, rule);
    if (this.#span !== null) {
      const { providerName, providerModel, upstream: { baseUrl } } = target;
      this.#attemptSpan = this.#span.attempt({ providerName, providerModel, baseUrl, retry });
    }
    return attempt;
  }

  /** Does some work of the attempt that has begun, so that calls made by it are traced as its own. */
  run<Args extends unknown[], Result>(work: (...args: Args) => Result, ...args: Args): Result {
    return this.#attemptSpan === null ? work(...args) : this.#attemptSpan.run(work, args);
  }

  /** The attempt has an answer, of which these are the first bytes or all. */
  answered(bytes: readonly Uint8Array[]): void {
    this.#attemptSpan?.answer(bytes);
  }

  /** Its answer streams to the client from now on, until {@link close}. */
  streaming(): void {
    this.#streaming = true;
    this.tools.metrics.streamOpened();
  }

  /** An attempt has ended. */
  end(attempt: RecordedAttempt, end: AttemptEnd): void {
    const { arrivedAt } = this.request;
    const now = performance.now();
    const usage = recordedUsage(end.usage, end.estimated);
    const wholeMs = now - arrivedAt;
    const answered = end.firstByteAt > 0;
    const cost = this.#prices.get(attempt)?.cost(usage) ?? 0;
    const outcome: LogOutcome = {
      status: end.outcome === "completed" || end.outcome === "incomplete" ? "success" : "error",
      outcome: end.outcome,
      statusCode: end.statusCode,
      error: end.error.length > ERROR_TEXT_LIMIT ? end.error.slice(0, ERROR_TEXT_LIMIT) : end.error,
      firstChunkTimeNs: answered ? nanoseconds(end.firstByteAt - arrivedAt) : 0,
      chunkTimeNs: answered ? nanoseconds(now - end.firstByteAt) : 0,
      tps: usage.completionTokens > 0 && wholeMs > 0 ? usage.completionTokens / (wholeMs / 1000) : 0,
      size: end.size,
      cost,
      costSource: cost > 0 ? this.#prices.get(attempt)?.source ?? "" : "",
      ...usage,
    };
    this.tools.recorder.end(attempt, outcome, end.io);
    const { currency } = this.#prices.get(attempt) ?? attempt.start;
    this.request.caller.permit?.spent({ tokens: usage.totalTokens, cost, currency });
    this.tools.metrics.attemptEnded(attempt.start, outcome);
    this.#attemptSpan?.end(outcome);
    this.#attemptSpan = null;
    this.#outcome = end.outcome;
  }

  /** The request has ended without an attempt. */
  refused(outcome: string, error: string): void {
    const row = this.#begin(null, 0, 0, "");
    this.end(row, { outcome, statusCode: 0, error, usage: null, size: 0, firstByteAt: 0 });
  }

  /** The request is over: all its rows have ended. */
  close(): void {
    const { tools: { metrics }, request: { protocol, inspection } } = this;
    this.request.caller.permit?.release();
    if (this.#streaming) metrics.streamClosed();
    metrics.requestEnded(protocol, inspection.model, this.#outcome);
    this.#span?.end(this.#outcome);
  }

  #begin(target: Target | null, retry: number, proxyTimeNs: number, currency: string): RecordedAttempt {
    const { traceId, protocol, inspection, caller, startedAtMs } = this.request;
    return this.tools.recorder.begin({
      startedAtMs,
      name: inspection.model,
      traceId,
      providerId: target?.providerId ?? null,
      providerName: target?.providerName ?? "",
      providerModel: target?.providerModel ?? "",
      style: protocol,
      userAgent: caller.userAgent,
      remoteIp: caller.remoteIp,
      authKeyId: caller.authKeyId,
      sessionId: inspection.sessionId,
      chatIo: caller.recordsIo && target !== null,
      retry,
      proxyTimeNs,
      inputPrice: target?.inputPrice ?? 0,
      cacheReadPrice: target?.cacheReadPrice ?? 0,
      outputPrice: target?.outputPrice ?? 0,
      currency,
    });
  }
}

/** Milliseconds as whole nanoseconds. */
function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * NS_PER_MS));
}
