/**
 * The health service: observes traffic, probes providers, keeps the verdicts and tells them to whoever asks.
 *
 * The verdicts themselves live in {@link LiveState}, where requests are routed by them; what an observation makes of
 * them is decided in `state.ts`; the database only remembers.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { RoutingTable } from "../gateway/routing_table.ts";
import type { CompleteHealthConfig, StoredHealthConfig } from "../store/health.ts";
import type { TrafficRow } from "../store/logs.ts";
import type { Provider } from "../store/providers.ts";
import type { RoutingRows, Store } from "../store/store.ts";
import { everyMinute } from "./every_minute.ts";
import { isResting, planProbe } from "./probe_plan.ts";
import { Prober, type ProbeReport, type ProbeTools } from "./probe.ts";
import { isSame, ProviderBook } from "./provider_book.ts";
import { dayStatistics, type HealthRow, healthRow } from "./report.ts";
import { Retention } from "./retention.ts";
import { type HealthEvent, type HealthObservation, type HealthStatus, isDue } from "./state.ts";
import { Sweep } from "./sweep.ts";
import { HealthWriter } from "./writer.ts";

/** What the service works with. */
export interface HealthDependencies extends ProbeTools {
  readonly store: Store["health"];
  /** Tells what the last 24 hours have seen. */
  readonly logs: Pick<Store["logs"], "traffic">;
  /** Longest time that a change waits for its batch, ms. */
  readonly flushMs: number;
}

const DAY_MS = 24 * 3_600_000;
/** The checks at start begin within this time, ms. */
const START_WINDOW_MS = 5_000;
/** Those of a tick have begun before the next tick, ms. */
const TICK_WINDOW_MS = 50_000;
/** A tick is the nearest minute, not the next: or else each interval would be longer by what the check before took. */
const TICK_SLACK_MS = 30_000;

const log = getLogger(["llmio", "health"]);

/** The service. One a gateway. */
export class HealthService {
  readonly #deps: HealthDependencies;
  readonly #book = new ProviderBook();
  readonly #prober: Prober;
  readonly #sweep: Sweep;
  readonly #writer: HealthWriter;
  readonly #retention: Retention;
  #stored: StoredHealthConfig;
  /** Changed since their last check: what was found out before no longer counts. */
  readonly #unchecked = new Set<number>();
  /** What ends the sweep's check of a provider. */
  readonly #checks = new Map<number, AbortController>();
  readonly #forced = new Map<number, Promise<void>>();
  readonly #abort = new AbortController();
  /** One after another, so that an older reading never replaces a newer setting. */
  #configWork: Promise<unknown> = Promise.resolve();
  #stopTicking: (() => Promise<void>) | null = null;

  private constructor(deps: HealthDependencies, stored: StoredHealthConfig) {
    this.#deps = deps;
    this.#stored = stored;
    this.#prober = new Prober(deps);
    this.#sweep = new Sweep({
      isWanted: (id) => this.#stored.config.enabled && this.#book.get(id)?.enabled === true,
      check: (id) => this.#checkForSweep(id),
    });
    this.#writer = new HealthWriter({
      save: (batch) => deps.store.save(batch),
      health: (id) => deps.live.health(id),
      flushMs: deps.flushMs,
    });
    this.#retention = new Retention((retention) => deps.store.pruneChecks(retention));
  }

  /**
   * Makes the service with the settings and verdicts that are stored; the verdicts are in force at once. It knows no
   * provider until {@link useRouting} tells it of some.
   */
  static async load(deps: HealthDependencies): Promise<HealthService> {
    const [stored, states] = await Promise.all([deps.store.config(), deps.store.states()]);
    for (const { providerId, health } of states) deps.live.restoreHealth(providerId, health);
    return new HealthService(deps, stored);
  }

  /** Begins the sweep, with one check of every provider. */
  start(): void {
    const { enabled, intervalMinutes } = this.#stored.config;
    log.info("Health check service started", { enabled, interval: `${intervalMinutes}m` });
    this.#stopTicking = everyMinute(() => void this.tick());
    if (!enabled) return;
    const due = this.#due(this.#deps.now(), (id, now) => this.#isDueAtStart(id, now));
    void this.#sweep.round(due, START_WINDOW_MS);
  }

  /** Ends what is under way and writes what is not yet written. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const check of this.#checks.values()) check.abort();
    await this.#stopTicking?.();
    await this.#sweep.stop();
    await Promise.all(this.#forced.values());
    await this.#retention.stop();
    await this.#writer.close();
  }

  /** The settings in force. */
  get config(): StoredHealthConfig {
    return this.#stored;
  }

  /** Replaces the given settings; they are in force when this resolves. */
  setConfig(change: Partial<CompleteHealthConfig>): Promise<StoredHealthConfig> {
    return this.#inTurn(async () => {
      const { config } = await this.#deps.store.config();
      return await this.#deps.store.setConfig({ ...config, ...change });
    });
  }

  /** The sweep is off, so an unhealthy provider whose time has come is tried by traffic. */
  trialUnhealthy(): boolean {
    return !this.#stored.config.enabled;
  }

  /** The rows that requests are routed by, at the start and after each change. */
  useRouting(rows: RoutingRows, table: RoutingTable): void {
    const { gone, reconfigured, off } = this.#book.adopt(rows, table, this.#deps.now());
    for (const id of [...gone, ...reconfigured, ...off]) this.#checks.get(id)?.abort();
    for (const id of [...gone, ...reconfigured]) this.#prober.forget(id);
    for (const id of reconfigured) this.#unchecked.add(id);
    if (gone.length === 0) return;
    for (const id of gone) {
      this.#unchecked.delete(id);
      this.#deps.live.forgetProvider(id);
      this.#writer.forget(id);
    }
    this.#deps.store.forget(gone).catch((error) => {
      log.warn("could not remove the health of deleted providers: {reason}", { reason: messageOf(error) });
    });
  }

  /** Traffic has shown something of a provider. Nothing here waits for anything. */
  observe(providerId: number, observation: HealthObservation): void {
    const provider = this.#book.get(providerId);
    if (provider !== undefined) this.#apply(provider, observation);
  }

  /**
   * One tick of the sweep: checks what is due, by the settings as they are stored now. Never rejects.
   *
   * @param now epoch ms; whether a provider is due is decided by it
   * @returns when the checks that it began are over
   */
  async tick(now = this.#deps.now()): Promise<void> {
    if (this.#abort.signal.aborted) return;
    try {
      await this.#inTurn(() => this.#deps.store.config());
    } catch (error) {
      log.warn("could not read the settings of the health check: {reason}", { reason: messageOf(error) });
    }
    this.#retention.tick(now);
    if (!this.#stored.config.enabled) return;
    await this.#sweep.round(this.#due(now, (id) => this.#isDueAtTick(id, now)), TICK_WINDOW_MS);
  }

  /** Whether there is such a provider. */
  has(providerId: number): boolean {
    return this.#book.get(providerId) !== undefined;
  }

  /** Checks a provider now, whatever its state. @returns `false` when there is no such provider */
  async checkNow(providerId: number): Promise<boolean> {
    if (!this.has(providerId)) return false;
    let check = this.#forced.get(providerId);
    if (check === undefined) {
      check = this.#check(providerId, "forced", this.#abort.signal)
        .finally(() => this.#forced.delete(providerId));
      this.#forced.set(providerId, check);
    }
    await check;
    return this.has(providerId);
  }

  /** What is known of all providers, oldest first; or of one, if it exists. */
  async report(providerId?: number): Promise<HealthRow[]> {
    return this.#rows(await this.#deps.logs.traffic(this.#deps.now() - DAY_MS), providerId);
  }

  /** The status of each provider, for who has asked already. @param traffic of the last 24 hours */
  statuses(traffic: readonly TrafficRow[]): HealthStatus[] {
    return this.#rows(traffic).map(({ status }) => status);
  }

  #rows(traffic: readonly TrafficRow[], providerId?: number): HealthRow[] {
    const { live } = this.#deps;
    const now = this.#deps.now();
    const dayOf = dayStatistics(traffic);
    return this.#book.all.filter(({ id }) => providerId === undefined || id === providerId)
      .map((provider) => {
        const { id } = provider;
        return healthRow({
          provider,
          health: live.health(id),
          trouble: live.trouble(id, now),
          day: dayOf(id),
          now,
        });
      });
  }

  #inTurn(work: () => Promise<StoredHealthConfig>): Promise<StoredHealthConfig> {
    const done = this.#configWork.then(async () => this.#stored = await work());
    this.#configWork = done.catch(() => {});
    return done;
  }

  /** Providers that the sweep may check now and that `isDue` picks; those that wait longest first. */
  #due(now: number, isDue: (providerId: number, now: number) => boolean): number[] {
    const lastProbe = (id: number) => this.#deps.live.health(id)?.lastProbeAt ?? 0;
    return this.#book.all
      .filter(({ id, enabled }) => enabled && this.#book.isSettled(id, now) && isDue(id, now))
      .map(({ id }) => id)
      .toSorted((one, other) => lastProbe(one) - lastProbe(other));
  }

  /** At start a probe of a moment ago does not count, since nobody knows what happened meanwhile; a success does. */
  #isDueAtStart(id: number, now: number): boolean {
    const health = this.#deps.live.health(id);
    return isDue(health && { ...health, lastProbeAt: null }, this.#stored.config, now);
  }

  #isDueAtTick(id: number, now: number): boolean {
    if (this.#unchecked.has(id)) return true;
    const health = this.#deps.live.health(id);
    const slackMs = health?.isHealthy === false ? 0 : TICK_SLACK_MS;
    return isDue(health, this.#stored.config, now + slackMs);
  }

  async #checkForSweep(providerId: number): Promise<void> {
    const abort = new AbortController();
    this.#checks.set(providerId, abort);
    try {
      await this.#check(providerId, "probe", abort.signal);
    } finally {
      this.#checks.delete(providerId);
    }
  }

  async #check(providerId: number, source: "probe" | "forced", signal: AbortSignal): Promise<void> {
    const provider = this.#book.get(providerId);
    if (provider === undefined) return;
    const { live, now } = this.#deps;
    const startedAt = now();
    const { table } = this.#book;
    const associations = this.#book.associationsOf(providerId);
    const planned = planProbe({ provider, associations, table, live, now: startedAt });
    if (planned.ok && source === "probe" && isResting(planned.plan)) return;
    const report = planned.ok ? await this.#prober.probe(planned.plan, signal) : unusable(planned.reason);
    // What the operator has deleted, changed or switched off meanwhile is no longer what was checked.
    const current = this.#book.get(providerId);
    if (report === null || current === undefined || !isSame(provider, current)) return;
    if (source === "probe" && !current.enabled) return;
    this.#unchecked.delete(providerId);
    this.#conclude(current, source, report, startedAt);
  }

  #conclude(provider: Provider, source: "probe" | "forced", report: ProbeReport, startedAt: number): void {
    const { result, statusCode, latencyMs, model, usage } = report;
    this.#apply(provider, {
      source,
      result: this.#observed(provider.id, report),
      statusCode,
      latencyMs,
      error: result === "failed" ? report.error : null,
      at: this.#deps.now(),
    });
    this.#writer.add({
      providerId: provider.id,
      checkedAtMs: startedAt,
      source,
      result,
      statusCode,
      latencyMs,
      error: this.#book.scrub(provider, report.error),
      model,
      promptTokens: usage?.promptTokens ?? null,
      completionTokens: usage?.completionTokens ?? null,
    });
  }

  #observed(providerId: number, { result }: ProbeReport): HealthObservation["result"] {
    switch (result) {
      case "ok":
      case "failed":
        return result;
      case "limited":
      case "busy":
        return "neutral";
      case "cannot_probe":
        // It answers again, and no probe will ever say more. Only traffic can, so it must get some.
        return this.#deps.live.health(providerId)?.isHealthy === false ? "ok" : "neutral";
    }
  }

  #apply(provider: Provider, seen: HealthObservation): void {
    const observation = seen.error === null
      ? seen
      : { ...seen, error: this.#book.scrub(provider, seen.error) };
    const events = this.#deps.live.observeHealth(provider.id, observation, this.#stored.config);
    this.#writer.touch(provider.id);
    for (const event of events) this.#tell(event, provider, observation);
  }

  #tell(event: HealthEvent, provider: Provider, { source, error }: HealthObservation): void {
    if (event === "became_healthy") {
      log.info("provider {provider} is healthy again", { provider: provider.name, source });
      return;
    }
    const nextRetryAt = this.#deps.live.health(provider.id)?.nextRetryAt ?? null;
    log.warn("provider {provider} is unhealthy: {reason}", {
      provider: provider.name,
      reason: error ?? "",
      source,
      ...(nextRetryAt !== null && { nextRetryAt: new Date(nextRetryAt).toISOString() }),
    });
  }
}

/** A provider that cannot be called is as good as dead, and its row says why. */
function unusable(reason: string): ProbeReport {
  return { result: "failed", statusCode: null, latencyMs: null, error: reason, model: "", usage: null };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
