/** A gateway in miniature: scripted providers, the real rules, and a clock that moves only when told. @module */

import { classify } from "../../src/failover/classify.ts";
import { eligible, type Route, whyNone } from "../../src/failover/candidates.ts";
import { afterAttempt, emptyWalk, type FinalWord, step } from "../../src/failover/decide.ts";
import type { AnswerOutcome, Outcome } from "../../src/failover/outcome.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { DEFAULT_HEALTH_CONFIG, type HealthConfig, isDue, observationOf } from "../../src/health/state.ts";
import { NEED, NOW, seeded } from "./samples.ts";

/** What a provider does with its n-th call (from 1). */
export type Script = (call: number, now: number) => Outcome;

/** How one request went. */
export interface Served {
  /** Provider names in the order of the attempts. */
  readonly tried: readonly string[];
  /** Who answered; `null` = nobody. */
  readonly by: string | null;
  readonly final: FinalWord | null;
  /** From arrival to its end. */
  readonly tookMs: number;
}

/** A success. */
export const OK: Outcome = { type: "success" };

/** An answer with a status. `html` makes it a web page. */
export function status(
  code: number,
  body: unknown = { error: { message: "no", type: "x" } },
  headers: Record<string, string> = {},
): AnswerOutcome {
  const html = body === "html";
  return {
    type: "answer",
    protocol: "openai",
    status: code,
    headers: new Headers(headers),
    contentType: html ? "text/html" : "application/json",
    body: html ? null : body,
    text: html ? "<html>" : JSON.stringify(body),
  };
}

/** Scripted providers behind the rules of the gateway. */
export class Simulation {
  readonly live = new LiveState();
  now = NOW;
  strategy = "lottery";
  maxAttempts = 10;
  timeOutMs = 60_000;
  config: HealthConfig = DEFAULT_HEALTH_CONFIG;
  /** How long a provider takes to answer, by name; otherwise 10 ms. */
  readonly latencyMs = new Map<string, number>();
  /** Calls that each provider has seen, by name. */
  readonly calls = new Map<string, number>();
  readonly #random = seeded(11);

  constructor(public routes: readonly Route[], readonly scripts: Readonly<Record<string, Script>>) {}

  /** One request from arrival to its end. */
  request(): Served {
    const startedAt = this.now;
    const tried: string[] = [];
    let walk = emptyWalk;
    for (;;) {
      const routes = eligible(this.routes, NEED);
      const next = step(walk, {
        routes,
        view: this.live,
        strategy: this.strategy,
        maxAttempts: this.maxAttempts,
        now: this.now,
        deadlineAt: startedAt + this.timeOutMs,
        random: this.#random,
        sessionId: null,
        trialUnhealthy: !this.config.enabled,
        noRoute: whyNone(this.routes, NEED),
      });
      if (next.type === "give_up") {
        return { tried, by: null, final: next.final, tookMs: this.now - startedAt };
      }
      if (next.type === "wait") {
        this.now += next.ms;
        walk = next.walk;
        continue;
      }
      const { pick } = next;
      const { providerName } = pick.route;
      tried.push(providerName);
      const handle = this.live.started(pick, this.now);
      const outcome = this.#call(providerName);
      const verdict = outcome.type === "success" ? null : classify(outcome, this.now);
      const observation = this.live.ended(handle, verdict, {}, this.now);
      if (observation !== null) this.live.observeHealth(pick.route.providerId, observation, this.config);
      if (verdict === null) return { tried, by: providerName, final: null, tookMs: this.now - startedAt };
      const passOn = outcome.type === "answer" && outcome.body !== null;
      walk = afterAttempt(walk, pick, verdict, passOn);
    }
  }

  /** Several requests, one after the other. */
  requests(count: number): readonly Served[] {
    return Array.from({ length: count }, () => this.request());
  }

  /** A tick of the sweep: probes what is due, with an outcome for each provider. */
  sweep(probe: (providerName: string) => Outcome): readonly string[] {
    const probed: string[] = [];
    for (const route of this.routes) {
      if (!route.enabled || !isDue(this.live.health(route.providerId), this.config, this.now)) continue;
      probed.push(route.providerName);
      const outcome = probe(route.providerName);
      const verdict = outcome.type === "success" ? null : classify(outcome, this.now);
      const observation = observationOf(verdict, { source: "probe", at: this.now });
      this.live.observeHealth(route.providerId, observation, this.config);
    }
    return probed;
  }

  #call(providerName: string): Outcome {
    const call = (this.calls.get(providerName) ?? 0) + 1;
    this.calls.set(providerName, call);
    const script = this.scripts[providerName];
    if (script === undefined) throw new Error(`no script for ${providerName}`);
    const outcome = script(call, this.now);
    this.now += this.latencyMs.get(providerName) ?? 10;
    return outcome;
  }
}
