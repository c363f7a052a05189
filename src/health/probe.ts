/** One probe: the smallest real call that tells whether a provider works. @module */
import { classify } from "../failover/classify.ts";
import type { Outcome } from "../failover/outcome.ts";
import type { Verdict } from "../failover/verdict.ts";
import { CallTimer } from "../gateway/call_timer.ts";
import type { Deadlines } from "../gateway/deadlines.ts";
import { setPath } from "../gateway/json_body.ts";
import type { LiveState } from "../gateway/live_state.ts";
import { CallEnded, outcomeOfThrown, type UpstreamCall, type Upstreams } from "../gateway/upstream.ts";
import { readAnswer } from "../gateway/whole_answer.ts";
import { endpoint } from "../protocols/base_url.ts";
import { MODEL_LISTINGS } from "../protocols/model_listing.ts";
import { PROBE_REQUESTS, type ProbeShape, refusesParameter } from "../protocols/probe_request.ts";
import type { Usage } from "../protocols/protocol.ts";
import type { CheckResult } from "../store/health.ts";
import { type AnswerReader, judgeProbe } from "./probe_answer.ts";
import type { ProbeKey, ProbeModel, ProbePlan } from "./probe_plan.ts";

/** What a probe works with. */
export interface ProbeTools {
  readonly upstreams: Upstreams;
  readonly deadlines: Deadlines;
  readonly live: LiveState;
  /** `user-agent` of the gateway's own. */
  readonly userAgent: string;
  /** Epoch ms. */
  now(): number;
}

/** What a probe has found out. */
export interface ProbeReport {
  readonly result: CheckResult;
  /** HTTP status; `null` = there was no answer. */
  readonly statusCode: number | null;
  /** Of the last call. */
  readonly latencyMs: number | null;
  /** In words; `""` = nothing to say. It may quote the vendor: scrub it before it is stored or shown. */
  readonly error: string;
  /** The model that was called; `""` = the model list. */
  readonly model: string;
  readonly usage: Usage | null;
}

/** Longest time that a probe takes, all of its calls together, ms. */
export const PROBE_DEADLINE_MS = 10_000;
/** A probe is cheap: after so many calls it takes what it has. */
const MAX_CALLS = 6;

/** Probes providers, and remembers which shape of a call each of their models takes. */
export class Prober {
  readonly #shapes = new Map<number, Map<string, ProbeShape>>();

  constructor(readonly tools: ProbeTools) {}

  /** Probes a provider. Never throws. @returns `null` when `signal` has ended it */
  async probe(plan: ProbePlan, signal: AbortSignal): Promise<ProbeReport | null> {
    if (signal.aborted) return null;
    const shapes = this.#shapes.get(plan.provider.id) ?? new Map<string, ProbeShape>();
    this.#shapes.set(plan.provider.id, shapes);
    const abort = new AbortController();
    const stop = () => abort.abort(STOPPED);
    signal.addEventListener("abort", stop, { once: true });
    const timer = new CallTimer(this.tools.deadlines, abort);
    timer.arm("headers", Date.now() + PROBE_DEADLINE_MS);
    try {
      const report = await new ProbeRun(plan, shapes, abort, this.tools).run();
      return signal.aborted ? null : report;
    } finally {
      timer.clear();
      signal.removeEventListener("abort", stop);
    }
  }

  /** A provider is gone or configured anew: what its models take is no longer known. */
  forget(providerId: number): void {
    this.#shapes.delete(providerId);
  }
}

const STOPPED = new CallEnded({ type: "client_gone" });

/** One call of a probe and what it means. */
interface Answer {
  /** `null` = success. */
  readonly verdict: Verdict | null;
  readonly statusCode: number | null;
  readonly latencyMs: number;
  readonly usage: Usage | null;
}

class ProbeRun {
  #calls = 0;
  /** Index of the key in use. */
  #key = 0;

  constructor(
    readonly plan: ProbePlan,
    readonly shapes: Map<string, ProbeShape>,
    readonly abort: AbortController,
    readonly tools: ProbeTools,
  ) {}

  async run(): Promise<ProbeReport> {
    let report: ProbeReport | null = null;
    for (const model of this.plan.models) {
      const answer = await this.#askModel(model);
      report = answer.report;
      if (!answer.isMissing) return report;
    }
    return report ?? await this.#askList();
  }

  /** Calls a model in the shape that it takes, or in each one until it takes one. */
  async #askModel(model: ProbeModel): Promise<{ report: ProbeReport; isMissing: boolean }> {
    let aliveBy: Answer | null = null;
    let last: Answer | null = null;
    for (const shape of this.#shapesOf(model)) {
      if (this.#calls >= MAX_CALLS) break;
      last = await this.#askWithKeys(model, shape);
      if (last.verdict === null) this.shapes.set(model.name, shape);
      if (!isAboutShape(last)) {
        const isMissing = last.verdict?.class === "no_model";
        return { report: this.#report(model.name, last), isMissing };
      }
      if (refusesParameter(last.verdict?.detail ?? "")) aliveBy = last;
    }
    const refused = aliveBy ?? last;
    if (refused === null) throw new Error("a probe needs at least one shape");
    const report = this.#report(model.name, refused);
    // It has read the key and the model and weighed the parameters: that is a provider at work.
    return { report: aliveBy === null ? report : { ...report, result: "ok" }, isMissing: false };
  }

  #shapesOf(model: ProbeModel): readonly ProbeShape[] {
    const { shapes } = PROBE_REQUESTS[this.plan.protocol];
    const known = this.shapes.get(model.name);
    return known === undefined ? shapes : [known, ...shapes.filter((shape) => shape !== known)];
  }

  /** Goes on to the next usable key while one is refused. */
  async #askWithKeys(model: ProbeModel, shape: ProbeShape): Promise<Answer> {
    for (;;) {
      const key = this.plan.keys[this.#key] ?? this.plan.keys[0];
      const answer = await this.#call(this.#modelCall(model, shape, key), {
        readAnswer: PROBE_REQUESTS[this.plan.protocol].readAnswer,
        errorMatcher: model.target?.errorMatcher ?? [],
      });
      this.#mark(model, key, answer.verdict);
      const next = this.plan.keys[this.#key + 1];
      const isRefused = answer.verdict?.class === "credential";
      if (!isRefused || !isUsable(next) || this.#calls >= MAX_CALLS) return answer;
      this.#key++;
    }
  }

  /** Tells the state of things what the call says about the association and the key. */
  #mark({ target }: ProbeModel, key: ProbeKey, verdict: Verdict | null): void {
    if (target === null || this.abort.signal.aborted) return;
    // The route is missing, not the model: it may well serve other operations than the one that probes use.
    if (verdict?.reason === "route_not_found") return;
    this.tools.live.probed(target, key.id, verdict, this.tools.now());
  }

  async #askList(): Promise<ProbeReport> {
    const { provider, config, protocol, keys: [key] } = this.plan;
    const listing = MODEL_LISTINGS[protocol];
    const answer = await this.#call(
      {
        url: endpoint(config.baseUrl, listing.path),
        method: "GET",
        headers: this.#headers(listing.headers(config, key.secret), false),
        body: null,
        proxy: provider.proxy.trim(),
      },
      { readAnswer: () => ({ kind: "output" }), errorMatcher: [] },
      false,
    );
    return this.#report("", answer);
  }

  #modelCall({ name, target }: ProbeModel, shape: ProbeShape, key: ProbeKey): UpstreamCall {
    const { provider, config, protocol } = this.plan;
    const request = PROBE_REQUESTS[protocol];
    const headers = this.#headers([
      ...(protocol === "anthropic" && config.beta !== ""
        ? [["anthropic-beta", config.beta] as [string, string]]
        : []),
      ...(target?.customerHeaders ?? []),
      ...request.headers(config, key.secret),
    ], true);
    let body: Uint8Array<ArrayBuffer> = new TextEncoder().encode(JSON.stringify(shape.body(name)));
    for (const [path, value] of target?.extraBody ?? []) body = setPath(body, path, value);
    return {
      url: endpoint(config.baseUrl, request.path(name)),
      method: "POST",
      headers,
      body,
      proxy: provider.proxy.trim(),
    };
  }

  /** Ours, over them the operator's and the credential, and over all what answers are read by. */
  #headers(own: readonly (readonly [string, string])[], hasBody: boolean): Record<string, string> {
    const all: (readonly [string, string])[] = [
      ["accept", "application/json"],
      // `fetch` would add "*" of its own.
      ["accept-language", ""],
      ["user-agent", this.tools.userAgent],
      ...own,
      ...(hasBody ? [["content-type", "application/json"] as const] : []),
      ["accept-encoding", "identity"],
    ];
    return Object.fromEntries(all.map(([name, value]) => [name.toLowerCase(), value]));
  }

  async #call(call: UpstreamCall, reader: AnswerReader, mainRoute = true): Promise<Answer> {
    this.#calls++;
    const startedAt = performance.now();
    let statusCode: number | null = null;
    let usage: Usage | null = null;
    let outcome: Outcome;
    try {
      const response = await this.tools.upstreams.send(call, this.abort.signal);
      statusCode = response.status;
      const body = await readAnswer(response);
      const judged = judgeProbe(response, body, reader, this.plan.protocol, mainRoute);
      outcome = judged.outcome;
      usage = judged.usage;
    } catch (error) {
      outcome = outcomeOfThrown(error, this.abort.signal);
    }
    const verdict = outcome.type === "success" ? null : classify(outcome, this.tools.now());
    return { verdict, statusCode, usage, latencyMs: performance.now() - startedAt };
  }

  #report(model: string, { verdict, statusCode, latencyMs, usage }: Answer): ProbeReport {
    const result = verdict === null ? "ok" : this.#resultOf(verdict);
    return { result, statusCode, latencyMs, error: verdict?.detail ?? "", model, usage };
  }

  #resultOf(verdict: Verdict): CheckResult {
    switch (verdict.class) {
      case "rate_limit":
      case "quota":
        return "limited";
      case "caller_fault":
      case "no_model":
        return "cannot_probe";
      case "timeout":
        return this.#isServing() ? "busy" : "failed";
      case "credential":
      case "overload":
      case "server":
      case "network":
      case "bad_answer":
      case "client_gone":
      case "gateway_fault":
        return "failed";
    }
  }

  /**
   * Whether requests that have had good answers before are under way: a server with one slot lets the probe wait for
   * them. If they fail too, they will say so themselves.
   */
  #isServing(): boolean {
    return this.plan.associationIds.some((id) => {
      const state = this.tools.live.association(id);
      return state !== undefined && state.inFlight > 0 && state.ttftMs !== null;
    });
  }
}

/** Another shape of the same call may be taken. */
function isAboutShape({ verdict, statusCode }: Answer): boolean {
  return verdict?.class === "caller_fault" && (statusCode === 400 || statusCode === 422);
}

function isUsable(key: ProbeKey | undefined): boolean {
  return key?.status === "usable" || key?.status === "trial";
}
