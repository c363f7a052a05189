/**
 * The way of one request: plan, attempt, classify, decide, commit, relay, record (DESIGN.md, section 4). Which
 * provider comes next is not decided here but in `failover/`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { withoutSecrets } from "../access/scrub.ts";
import type { RecordedAttempt } from "../accounting/recorder.ts";
import { eligible, type Need, whyNone } from "../failover/candidates.ts";
import { classify } from "../failover/classify.ts";
import { afterAttempt, emptyWalk, type FinalWord, type Pick, step, type Walk } from "../failover/decide.ts";
import type { Verdict } from "../failover/verdict.ts";
import { failedEnd, type Figures, streamEnd, streamFigures, wholeEnd, wholeFigures } from "./attempt_end.ts";
import { attempt, type AttemptResult, type PassableAnswer } from "./attempt.ts";
import type { ClientRequest, Gateway } from "./client_request.ts";
import { replyOrEarlyStream } from "./early_stream.ts";
import { fakeStreamOf } from "./fake_stream.ts";
import { type HeaderRecord, responseHeaders, streamHeaders } from "./headers.ts";
import type { AttemptHandle } from "./live_state.ts";
import { IoRecording } from "./io_recording.ts";
import { routesFor } from "./key_permit.ts";
import { loggable } from "./loggable.ts";
import { pause } from "./pause.ts";
import { relay } from "./relay.ts";
import {
  brokenStreamError,
  errorReply,
  goneReply,
  inBandCallerFault,
  mayPassOn,
  passedOnReply,
  type Reply,
  scrubbedAnswer,
  stoppingError,
  wholeReply,
} from "./reply.ts";
import { RequestLog } from "./request_log.ts";
import type { RoutedModel, Target } from "./routing_table.ts";
import { newTraceId } from "./trace_id.ts";
import { CallEnded, CLIENT_GONE } from "./upstream.ts";

const logger = getLogger(["llmio", "gateway"]);

/** Serves one request. Never throws for what a provider or a client does. */
export function dispatch(request: ClientRequest, gateway: Gateway): Promise<Response> {
  const run = new Dispatch(request, gateway);
  const reply = run.run();
  const { operation, inspection, call } = request;
  // A comment would break a stream that is none of server-sent events.
  const opensEarly = inspection.stream && (operation.streamsEvents?.(call) ?? true);
  if (!opensEarly) return reply.then(({ response }) => response);
  return replyOrEarlyStream({
    reply,
    deadlines: gateway.deadlines,
    openAfterMs: gateway.openAfterMs,
    headers: () => run.operatorHeaders({}, null),
    onGone: () => run.end(CLIENT_GONE),
  });
}

/** One attempt that is under way. */
interface Run {
  readonly pick: Pick;
  readonly target: Target;
  readonly handle: AttemptHandle;
  readonly row: RecordedAttempt;
  /** `null` = bodies are not recorded. */
  readonly io: IoRecording | null;
  /** `performance.now()` of its start. */
  readonly startedAt: number;
}

class Dispatch {
  readonly #request: ClientRequest;
  readonly #gateway: Gateway;
  readonly #traceId = newTraceId();
  readonly #startedAtMs = Date.now();
  readonly #log: RequestLog;
  /** Ends what is under way: the current attempt, or the wait between two. */
  #current: AbortController | null = null;
  #ended: CallEnded | null = null;
  #walk: Walk = emptyWalk;
  /** A stream is being relayed; the request is over when it is. */
  #relaying = false;
  /** Answers that could go to the client, by attempt. */
  readonly #answers: (PassableAnswer | null)[] = [];
  readonly #onHangUp = () => this.end(CLIENT_GONE);
  /** Ends the request, whatever it is doing. */
  readonly end = (reason: CallEnded) => {
    this.#ended ??= reason;
    this.#current?.abort(reason);
  };

  constructor(request: ClientRequest, gateway: Gateway) {
    this.#request = request;
    this.#gateway = gateway;
    const { operation, inspection, caller, arrivedAt } = request;
    this.#log = new RequestLog(gateway, {
      traceId: this.#traceId,
      operation: operation.name,
      protocol: operation.protocol,
      inspection: loggable(inspection, gateway.table()),
      caller,
      startedAtMs: this.#startedAtMs,
      arrivedAt,
    });
  }

  async run(): Promise<Reply> {
    const { signal } = this.#request;
    if (signal.aborted) this.end(CLIENT_GONE);
    else signal.addEventListener("abort", this.#onHangUp, { once: true });
    this.#gateway.active.add(this.end);
    try {
      return await this.#walkCandidates();
    } finally {
      if (!this.#relaying) {
        this.#leave();
        this.#log.close();
      }
    }
  }

  #leave(): void {
    this.#request.signal.removeEventListener("abort", this.#onHangUp);
    this.#gateway.active.remove(this.end);
  }

  async #walkCandidates(): Promise<Reply> {
    const { inspection, operation } = this.#request;
    const { tools, structuredOutput, image } = inspection;
    const need: Need = { protocol: operation.protocol, tools, structuredOutput, image };
    for (;;) {
      if (this.#ended !== null) return this.#gone(this.#ended);
      // Looked up again each time, so that an operator's change acts on requests under way.
      const table = this.#gateway.table();
      const model = table.model(inspection.model);
      if (model === undefined) return this.#unknownModel();
      const allowed = routesFor(this.#request.caller, model.routes);
      const fit = eligible(allowed, need);
      const routes = this.#request.tie?.narrow(fit) ?? fit;
      const next = step(this.#walk, {
        routes,
        noRoute: routes.length === 0 ? whyNone(allowed, need) : undefined,
        view: this.#gateway.live,
        strategy: model.strategy,
        maxAttempts: model.maxAttempts,
        now: Date.now(),
        deadlineAt: this.#commitBefore(model),
        random: this.#gateway.random,
        sessionId: inspection.sessionId === "" ? null : inspection.sessionId,
        trialUnhealthy: this.#gateway.trialUnhealthy(),
      });
      switch (next.type) {
        case "wait":
          this.#current = new AbortController();
          await pause(next.ms, this.#current.signal);
          this.#walk = next.walk;
          break;
        case "give_up":
          return this.#giveUp(next.final);
        case "attempt": {
          const target = table.target(next.pick.route.associationId);
          if (target === undefined) throw new Error("a route of the routing table has no target");
          const reply = await this.#try(next.pick, target, model);
          if (reply !== null) return reply;
        }
      }
    }
  }

  /**
   * From arrival to commit all attempts have the model's time-out, and twice that for a whole answer, of which a stream
   * may have to be made.
   */
  #commitBefore(model: RoutedModel): number {
    const isWhole = !this.#request.inspection.stream || model.fakesStreams;
    return this.#startedAtMs + model.timeOutMs * (isWhole ? 2 : 1);
  }

  /** One attempt. @returns the reply to the client, or `null` to go on */
  async #try(pick: Pick, target: Target, model: RoutedModel): Promise<Reply | null> {
    const { operation, method, call, inspection, body, headers, caller } = this.#request;
    const gateway = this.#gateway;
    const run: Run = {
      pick,
      target,
      handle: gateway.live.started(pick, Date.now()),
      row: this.#log.begin(target, this.#walk.attempts.length),
      io: caller.recordsIo ? new IoRecording(body, gateway.ioLimitBytes, target.secrets) : null,
      startedAt: performance.now(),
    };
    const abort = new AbortController();
    this.#current = abort;
    const streams = inspection.stream &&
      fakeStreamOf({ operation, target, call, stream: true }) === null;
    const firstTokenMs = streams ? Math.min(model.firstTokenMs, model.timeOutMs) : Infinity;
    const result = await this.#log.run(attempt, {
      operation,
      method,
      target,
      secret: target.secretOf(pick.key.id),
      call,
      body,
      clientHeaders: gateway.tracing?.passable(headers) ?? headers,
      stream: inspection.stream,
      userAgent: gateway.userAgent,
      abort,
      waitMs: streams ? model.timeOutMs / 3 : model.timeOutMs,
      commitBefore: Math.min(this.#commitBefore(model), Date.now() + firstTokenMs),
      idleMs: gateway.streamIdleMs,
      keep: run.io?.keep,
    }, gateway);
    switch (result.type) {
      case "whole":
        return this.#commitWhole(result, run);
      case "stream":
        return this.#commitStream(result, run);
      case "failed":
        this.#failed(result, run);
        return null;
    }
  }

  #commitWhole(result: Extract<AttemptResult, { type: "whole" }>, run: Run): Reply {
    const { response, body, reading, firstByteAt } = result;
    this.#log.answered([body]);
    this.#settle(run, null, response.status, firstByteAt - run.startedAt);
    const figures = this.#book(run, reading.answerId, wholeFigures(result, this.#request));
    this.#log.end(run.row, wholeEnd(result, figures, run.io));
    const headers = this.operatorHeaders(responseHeaders(response.headers), run.target);
    return wholeReply(body, response.status, headers, this.#gateway);
  }

  /** What the row gets of an answer's usage: that of a response which can be asked for again counts once. */
  #book(run: Run, answerId: string | undefined, { usage, estimated }: Figures): Figures {
    const facts = { usage, ...(answerId !== undefined && { answerId }) };
    return { usage: this.#gateway.owners.book(this.#request, run.pick, facts), estimated };
  }

  #commitStream(result: Extract<AttemptResult, { type: "stream" }>, run: Run): Reply {
    const { response, pump, gate } = result;
    const { tap } = pump.source;
    const { dialect } = this.#request.operation;
    this.#relaying = true;
    this.#log.streaming();
    this.#log.answered(gate.held);
    this.#gateway.owners.learn(this.#request, run.pick, tap);
    this.#gateway.live.answered(run.handle, performance.now() - run.startedAt);
    const stream = relay(
      pump,
      gate,
      (outcome) => dialect.errorEvent(brokenStreamError(outcome, this.#traceId)),
      (outcome) => {
        this.#leave();
        const verdict = outcome.type === "success" ? null : classify(outcome, Date.now());
        this.#settle(run, verdict, response.status);
        const figures = this.#book(run, tap.answerId, streamFigures(result, this.#request));
        const { io, target: { secrets } } = run;
        this.#log.end(run.row, streamEnd(result, verdict, figures, { io, secrets }));
        this.#log.close();
      },
      this.#gateway,
    );
    const headers = streamHeaders(this.operatorHeaders(responseHeaders(response.headers), run.target));
    return { response: new Response(stream, { status: response.status, headers }), inBand: null };
  }

  #failed(result: Extract<AttemptResult, { type: "failed" }>, run: Run): void {
    const { outcome, statusCode } = result;
    const verdict = classify(outcome, Date.now());
    const detail = withoutSecrets(verdict.detail, run.target.secrets);
    this.#settle(run, { ...verdict, detail }, statusCode);
    const { io, target: { secrets } } = run;
    this.#log.end(run.row, failedEnd(result, { ...verdict, detail }, { io, secrets }));
    this.#tellLog(verdict, detail, run);
    const answer = result.answer ?? inBandCallerFault(outcome, verdict, this.#request.operation.dialect);
    this.#answers.push(answer === null ? null : scrubbedAnswer(answer, run.target.secrets));
    this.#walk = afterAttempt(this.#walk, run.pick, verdict, mayPassOn(answer, verdict));
  }

  #tellLog(verdict: Verdict, detail: string, run: Run): void {
    const facts = { trace: this.#traceId, provider: run.target.providerName, class: verdict.class, detail };
    if (verdict.class === "gateway_fault") {
      logger.error("Request {trace} failed inside the gateway: {detail}", facts);
    } else if (verdict.class !== "client_gone") {
      logger.info("Request {trace}: {provider} failed with {class}: {detail}", facts);
    }
  }

  /** Tells the state of things how an attempt has ended. */
  #settle(run: Run, verdict: Verdict | null, statusCode: number, ttftMs?: number): void {
    const end = { statusCode, latencyMs: performance.now() - run.startedAt, ttftMs };
    const observation = this.#gateway.live.ended(run.handle, verdict, end, Date.now());
    if (observation !== null) this.#gateway.observe(run.target.providerId, observation);
  }

  #giveUp(final: FinalWord): Reply {
    if (this.#ended !== null) return this.#gone(this.#ended);
    switch (final.type) {
      case "client_gone":
        return this.#gone(CLIENT_GONE);
      case "pass_on": {
        const answer = this.#answers[final.attempt] ?? null;
        if (answer === null) throw new Error("an answer that is to be passed on was not kept");
        const headers = this.operatorHeaders(responseHeaders(answer.headers), null);
        return passedOnReply(this.#request.operation.dialect, answer, final.retryAfterMs, headers);
      }
      case "gateway_error":
        if (this.#walk.attempts.length === 0) this.#log.refused(final.code, final.message);
        return this.#refuse(final, final.retryAfterMs);
    }
  }

  #unknownModel(): Reply {
    const { model } = this.#request.inspection;
    const message = `the model ${
      JSON.stringify(model)
    } does not exist here; GET /v1/models lists those that do`;
    this.#log.refused("caller_fault", withoutSecrets(message));
    return this.#refuse({ status: 404, code: "model_not_found", message }, null);
  }

  #refuse(error: { status: number; code: string; message: string }, retryAfterMs: number | null): Reply {
    const { status, code, message } = error;
    const told = { status, code, message, traceId: this.#traceId };
    return errorReply(this.#request.operation.dialect, told, retryAfterMs, this.operatorHeaders({}, null));
  }

  #gone(reason: CallEnded): Reply {
    const clientGone = reason.outcome.type === "client_gone";
    if (this.#walk.attempts.length === 0) {
      this.#log.refused(
        reason.outcome.type,
        clientGone ? "the client left before an attempt" : "the gateway was stopped",
      );
    }
    return clientGone ? goneReply() : this.#refuse(stoppingError(this.#traceId), 1_000);
  }

  /** Adds the headers that tell an operator who has answered. */
  operatorHeaders(headers: HeaderRecord, target: Target | null): HeaderRecord {
    if (!this.#gateway.operatorHeaders) return headers;
    headers["x-llmio-trace-id"] = this.#traceId;
    headers["x-llmio-attempts"] = String(this.#walk.attempts.length + (target === null ? 0 : 1));
    if (target !== null) headers["x-llmio-provider"] = encodeURIComponent(target.providerName);
    return headers;
  }
}
