/**
 * The way of one request: plan, attempt, classify, decide, commit, relay, record (DESIGN.md, section 4). Which
 * provider comes next is not decided here but in `failover/`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { RecordedAttempt, Recorder } from "../accounting/recorder.ts";
import { eligible, type Need, whyNone } from "../failover/candidates.ts";
import { classify } from "../failover/classify.ts";
import { afterAttempt, emptyWalk, type FinalWord, type Pick, step, type Walk } from "../failover/decide.ts";
import type { FailedOutcome, Outcome } from "../failover/outcome.ts";
import type { Verdict } from "../failover/verdict.ts";
import type { HealthObservation } from "../health/state.ts";
import type { GatewayError, Inspection, WireProtocol } from "../protocols/protocol.ts";
import type { ActiveRequests } from "./active_requests.ts";
import { attempt, type AttemptResult, type AttemptTools, type PassableAnswer } from "./attempt.ts";
import { type AttemptEnd, endAttempt, nanoseconds } from "./attempt_log.ts";
import { responseHeaders, streamHeaders } from "./headers.ts";
import type { AttemptHandle, LiveState } from "./live_state.ts";
import { relay } from "./relay.ts";
import type { RoutedModel, RoutingTable, Target } from "./routing_table.ts";
import { newTraceId } from "./trace_id.ts";
import type { ClientBody } from "./upstream_request.ts";
import { CallEnded, CLIENT_GONE } from "./upstream.ts";

/** What all requests share. */
export interface Gateway extends AttemptTools {
  /** The routing table in force. */
  table(): RoutingTable;
  readonly live: LiveState;
  readonly recorder: Recorder;
  readonly active: ActiveRequests;
  /** Longest silence of a stream, milliseconds. */
  readonly streamIdleMs: number;
  /** Answers carry `x-llmio-…` headers. */
  readonly operatorHeaders: boolean;
  /** `user-agent` of the gateway's own. */
  readonly userAgent: string;
  /** Numbers in [0, 1). */
  random(): number;
  /** Traffic has shown something about a provider's health. */
  observe(providerId: number, observation: HealthObservation): void;
  /** Nobody probes, so an unhealthy provider whose time has come is tried by traffic. */
  trialUnhealthy(): boolean;
}

/** Who asks, as far as the gateway knows. */
export interface Caller {
  readonly remoteIp: string;
  readonly userAgent: string;
  /** 0 = admin token or no authentication. */
  readonly authKeyId: number;
}

/** One admitted request. */
export interface ClientRequest {
  readonly protocol: WireProtocol;
  readonly inspection: Inspection;
  readonly body: ClientBody;
  readonly headers: Headers;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  readonly caller: Caller;
  /** `performance.now()` of the arrival. */
  readonly arrivedAt: number;
}

const log = getLogger(["llmio", "gateway"]);

/** Serves one request. Never throws for what a provider or a client does. */
export function dispatch(request: ClientRequest, gateway: Gateway): Promise<Response> {
  return new Dispatch(request, gateway).run();
}

/** HTTP has no status for it; 499 is what logs of proxies use. The client is not there to read it. */
const CLIENT_CLOSED_REQUEST = 499;

class Dispatch {
  readonly #request: ClientRequest;
  readonly #gateway: Gateway;
  readonly #traceId = newTraceId();
  readonly #startedAtMs = Date.now();
  /** Ends what is under way: the current attempt, or the wait between two. */
  #current = new AbortController();
  #ended: CallEnded | null = null;
  #walk: Walk = emptyWalk;
  /** Answers that could go to the client, by attempt. */
  readonly #answers: (PassableAnswer | null)[] = [];
  readonly #onHangUp = () => this.#end(CLIENT_GONE);
  readonly #end = (reason: CallEnded) => {
    this.#ended ??= reason;
    this.#current.abort(reason);
  };

  constructor(request: ClientRequest, gateway: Gateway) {
    this.#request = request;
    this.#gateway = gateway;
  }

  async run(): Promise<Response> {
    const { signal } = this.#request;
    if (signal.aborted) this.#end(CLIENT_GONE);
    else signal.addEventListener("abort", this.#onHangUp, { once: true });
    this.#gateway.active.add(this.#end);
    let response: Response | null = null;
    try {
      response = await this.#walkCandidates();
      return response;
    } finally {
      // A relayed stream leaves by itself when it ends.
      if (response === null || !this.#relaying) this.#leave();
    }
  }

  #relaying = false;

  #leave(): void {
    this.#request.signal.removeEventListener("abort", this.#onHangUp);
    this.#gateway.active.remove(this.#end);
  }

  async #walkCandidates(): Promise<Response> {
    const { inspection, protocol } = this.#request;
    const need: Need = { protocol: protocol.protocol, ...inspection };
    for (;;) {
      if (this.#ended !== null) return this.#gone(this.#ended);
      // Looked up again each time, so that an operator's change acts on requests under way.
      const table = this.#gateway.table();
      const model = table.model(inspection.model);
      if (model === undefined) return this.#unknownModel();
      const routes = eligible(model.routes, need);
      const next = step(this.#walk, {
        routes,
        ...(routes.length === 0 && { noRoute: whyNone(model.routes, need) }),
        view: this.#gateway.live,
        strategy: model.strategy,
        maxAttempts: model.maxAttempts,
        now: Date.now(),
        deadlineAt: this.#commitBefore(model),
        random: () => this.#gateway.random(),
        sessionId: inspection.sessionId === "" ? null : inspection.sessionId,
        trialUnhealthy: this.#gateway.trialUnhealthy(),
      });
      switch (next.type) {
        case "wait":
          await this.#pause(next.ms);
          this.#walk = next.walk;
          break;
        case "give_up":
          return this.#giveUp(next.final);
        case "attempt": {
          const target = table.target(next.pick.route.associationId);
          const response = target === undefined ? null : await this.#try(next.pick, target, model);
          if (response !== null) return response;
        }
      }
    }
  }

  /** From arrival to commit all attempts have the model's time-out, and twice that for a whole answer. */
  #commitBefore(model: RoutedModel): number {
    return this.#startedAtMs + model.timeOutMs * (this.#request.inspection.stream ? 1 : 2);
  }

  /** Waits, unless the request ends before. */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#current;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** One attempt. @returns the answer to the client, or `null` to go on */
  async #try(pick: Pick, target: Target, model: RoutedModel): Promise<Response | null> {
    const { protocol, inspection, body, headers, arrivedAt } = this.#request;
    const gateway = this.#gateway;
    const startedAt = performance.now();
    const handle = gateway.live.started(pick, Date.now());
    const row = gateway.recorder.begin(this.#rowStart(target, nanoseconds(startedAt - arrivedAt)));
    this.#current = new AbortController();
    const result = await attempt({
      protocol,
      target,
      secret: target.secretOf(pick.key.id),
      body,
      clientHeaders: headers,
      userAgent: gateway.userAgent,
      abort: this.#current,
      waitMs: inspection.stream ? model.timeOutMs / 3 : model.timeOutMs,
      commitBefore: this.#commitBefore(model),
      idleMs: gateway.streamIdleMs,
    }, gateway);
    switch (result.type) {
      case "whole":
        return this.#commitWhole(result, { handle, row, target, startedAt });
      case "stream":
        return this.#commitStream(result, { handle, row, target, startedAt });
      case "failed":
        return this.#failed(result, pick, { handle, row, target, startedAt });
    }
  }

  #commitWhole(result: Extract<AttemptResult, { type: "whole" }>, run: Run): Response {
    const { response, body, reading, firstByteAt } = result;
    this.#settle(run, null, response.status, firstByteAt - run.startedAt);
    this.#endRow(run.row, {
      outcome: reading.incomplete === true ? "incomplete" : "completed",
      statusCode: response.status,
      error: "",
      usage: reading.usage ?? null,
      size: body.length,
      firstByteAt,
    });
    return new Response(body, {
      status: response.status,
      headers: this.#operatorHeaders(responseHeaders(response.headers), run.target),
    });
  }

  #commitStream(result: Extract<AttemptResult, { type: "stream" }>, run: Run): Response {
    const { response, pump, gate } = result;
    const { tap } = pump.source;
    this.#relaying = true;
    this.#gateway.live.answered(run.handle, performance.now() - run.startedAt);
    const stream = relay(pump, gate, (outcome) => this.#inBandError(outcome), (outcome) => {
      this.#leave();
      const verdict = outcome.type === "success" ? null : classify(outcome, Date.now());
      this.#settle(run, verdict, response.status);
      this.#endRow(run.row, {
        outcome: verdict?.class ?? (tap.incomplete ? "incomplete" : "completed"),
        statusCode: response.status,
        error: verdict === null ? "" : this.#errorText(verdict, run.target),
        usage: tap.usage,
        size: tap.size,
        firstByteAt: pump.firstByteAt,
      });
    });
    const headers = streamHeaders(this.#operatorHeaders(responseHeaders(response.headers), run.target));
    return new Response(stream, { status: response.status, headers });
  }

  #failed(result: Extract<AttemptResult, { type: "failed" }>, pick: Pick, run: Run): Response | null {
    const outcome = result.outcome as FailedOutcome;
    const verdict = classify(outcome, Date.now());
    this.#settle(run, verdict, result.statusCode);
    const text = outcome.type === "answer" ? `status: ${outcome.status}, body: ${outcome.text}` : verdict.detail;
    this.#endRow(run.row, {
      outcome: verdict.class,
      statusCode: result.statusCode,
      error: scrub(text, run.target, pick.key.id),
      usage: null,
      size: result.answer?.body.length ?? 0,
      firstByteAt: 0,
    });
    if (verdict.class === "gateway_fault") {
      log.error("trace {trace}: {detail}", { trace: this.#traceId, detail: verdict.detail });
    } else if (verdict.class !== "client_gone") {
      log.info("trace {trace}: {provider} failed: {class} ({reason})", {
        trace: this.#traceId,
        provider: run.target.providerName,
        class: verdict.class,
        reason: verdict.reason,
      });
    }
    const answer = result.answer ?? inBandCallerFault(outcome, verdict, this.#request.protocol);
    this.#answers.push(answer);
    this.#walk = afterAttempt(this.#walk, pick, verdict, mayPassOn(answer));
    return null;
  }

  /** Tells the state of things how an attempt has ended. */
  #settle(run: Run, verdict: Verdict | null, statusCode: number, ttftMs?: number): void {
    const latencyMs = performance.now() - run.startedAt;
    const end = { statusCode, latencyMs, ...(ttftMs !== undefined && { ttftMs }) };
    const observation = this.#gateway.live.ended(run.handle, verdict, end, Date.now());
    if (observation !== null) this.#gateway.observe(run.target.providerId, observation);
  }

  #giveUp(final: FinalWord): Response {
    if (this.#ended !== null) return this.#gone(this.#ended);
    switch (final.type) {
      case "client_gone":
        return this.#gone(CLIENT_GONE);
      case "pass_on":
        return this.#passOn(this.#answers[final.attempt] ?? null, final.retryAfterMs);
      case "gateway_error":
        if (this.#walk.attempts.length === 0) this.#recordRefusal(final.code, final.message);
        return this.#refuse({ ...final, traceId: this.#traceId }, final.retryAfterMs);
    }
  }

  /** A provider's own answer, status and body unchanged. */
  #passOn(answer: PassableAnswer | null, retryAfterMs: number | null): Response {
    if (answer === null) throw new Error("the walk passes on an answer that was not kept");
    const headers = this.#operatorHeaders(responseHeaders(answer.headers), null);
    if (!headers.has("retry-after")) setRetryAfter(headers, retryAfterMs);
    return new Response(answer.body, { status: answer.status, headers });
  }

  #unknownModel(): Response {
    const { model } = this.#request.inspection;
    const message = `the model ${JSON.stringify(model)} does not exist here; GET /v1/models lists those that do`;
    this.#recordRefusal("caller_fault", message);
    return this.#refuse({ status: 404, code: "model_not_found", message, traceId: this.#traceId }, null);
  }

  #refuse(error: GatewayError, retryAfterMs: number | null): Response {
    const headers = this.#operatorHeaders(new Headers(), null);
    setRetryAfter(headers, retryAfterMs);
    return errorResponse(this.#request.protocol, error, headers);
  }

  #gone(reason: CallEnded): Response {
    if (this.#walk.attempts.length === 0) this.#recordRefusal("client_gone", "the client left before an attempt");
    if (reason.outcome.type === "client_gone") return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    return this.#refuse({ ...stopping(), traceId: this.#traceId }, 1_000);
  }

  #inBandError(outcome: Outcome): string {
    const known = outcome.type === "gateway_fault" ? stopping() : broken(outcome);
    return this.#request.protocol.errorEvent({ ...known, traceId: this.#traceId });
  }

  /** A row for a request that no provider was asked for. */
  #recordRefusal(outcome: string, error: string): void {
    const row = this.#gateway.recorder.begin(this.#rowStart(null, 0));
    this.#endRow(row, { outcome, statusCode: 0, error, usage: null, size: 0, firstByteAt: 0 });
  }

  #rowStart(target: Target | null, proxyTimeNs: number): RecordedAttempt["start"] {
    const { inspection, caller, protocol } = this.#request;
    return {
      startedAtMs: this.#startedAtMs,
      name: inspection.model,
      traceId: this.#traceId,
      providerId: target?.providerId ?? null,
      providerName: target?.providerName ?? "",
      providerModel: target?.providerModel ?? "",
      style: protocol.protocol,
      userAgent: caller.userAgent,
      remoteIp: caller.remoteIp,
      authKeyId: caller.authKeyId,
      sessionId: inspection.sessionId,
      chatIo: false,
      retry: this.#walk.attempts.length,
      proxyTimeNs,
      inputPrice: target?.inputPrice ?? 0,
      cacheReadPrice: target?.cacheReadPrice ?? 0,
      outputPrice: target?.outputPrice ?? 0,
      currency: target?.currency ?? "",
    };
  }

  #endRow(row: RecordedAttempt, end: AttemptEnd): void {
    endAttempt(this.#gateway.recorder, row, this.#request.arrivedAt, end);
  }

  #errorText(verdict: Verdict, target: Target): string {
    return scrub(`${verdict.reason}: ${verdict.detail}`, target, null);
  }

  #operatorHeaders(headers: Headers, target: Target | null): Headers {
    if (!this.#gateway.operatorHeaders) return headers;
    headers.set("x-llmio-trace-id", this.#traceId);
    headers.set("x-llmio-attempts", String(this.#walk.attempts.length + (target === null ? 0 : 1)));
    if (target !== null) headers.set("x-llmio-provider", encodeURIComponent(target.providerName));
    return headers;
  }
}

/** One attempt that is under way. */
interface Run {
  readonly handle: AttemptHandle;
  readonly row: RecordedAttempt;
  readonly target: Target;
  readonly startedAt: number;
}

/** A gateway error as the caller's protocol shows it. */
export function errorResponse(protocol: WireProtocol, error: GatewayError, headers = new Headers()): Response {
  headers.set("content-type", "application/json");
  return new Response(JSON.stringify(protocol.errorBody(error)), { status: error.status, headers });
}

function stopping(): Omit<GatewayError, "traceId"> {
  return { status: 503, code: "gateway_stopping", message: "the gateway is being stopped; try again" };
}

function broken(outcome: Outcome): Omit<GatewayError, "traceId"> {
  const message = outcome.type === "timeout"
    ? "the provider's stream fell silent before its end"
    : "the provider's stream broke off before its end";
  return { status: outcome.type === "timeout" ? 504 : 502, code: "upstream_stream_broken", message };
}

function setRetryAfter(headers: Headers, ms: number | null): void {
  if (ms !== null) headers.set("retry-after", String(Math.max(1, Math.ceil(ms / 1000))));
}

/** A fault of the caller's that a provider reports inside a 200 answer, as the refusal that it is. */
function inBandCallerFault(outcome: FailedOutcome, verdict: Verdict, protocol: WireProtocol): PassableAnswer | null {
  if (verdict.class !== "caller_fault" || outcome.type !== "bad_answer" || outcome.error === undefined) return null;
  const { status, code, type, message } = outcome.error;
  const error = {
    status: status ?? 400,
    code: String(code ?? "") || (type ?? "invalid_request_error"),
    message: message ?? "the provider refused the request",
    traceId: "",
  };
  return {
    status: error.status,
    headers: new Headers({ "content-type": "application/json" }),
    body: new TextEncoder().encode(JSON.stringify(protocol.errorBody(error))),
  };
}

/** A web page says nothing to a client that expects JSON. */
function mayPassOn(answer: PassableAnswer | null): boolean {
  if (answer === null || answer.body.length === 0) return false;
  return !/html/i.test(answer.headers.get("content-type") ?? "");
}

/** Vendors echo credentials in their errors. */
function scrub(text: string, target: Target, keyId: string | null): string {
  const secret = keyId === null ? "" : target.secretOf(keyId);
  return secret.length < 4 ? text : text.replaceAll(secret, "****");
}
