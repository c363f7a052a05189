/**
 * A health service over a real store in memory, with a clock that only the test moves. Probes go over the wire, to
 * whatever upstream the test has scripted.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Deadlines } from "../../src/gateway/deadlines.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { Upstreams } from "../../src/gateway/upstream.ts";
import type { HealthRow } from "../../src/health/report.ts";
import { HealthService } from "../../src/health/service.ts";
import type { HealthObservation, ProviderHealth } from "../../src/health/state.ts";
import type { AssociationFields } from "../../src/store/associations.ts";
import type { ProviderCheckRow } from "../../src/store/health.ts";
import { openStore } from "../../src/store/open.ts";
import type { ProviderFields } from "../../src/store/providers.ts";
import type { Store } from "../../src/store/store.ts";
import { association, model, provider } from "../store/fixtures.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
/** A full minute, as every tick of the sweep is. */
export const START = Date.UTC(2026, 4, 20, 12);

/** How a provider is set up. */
export interface PatientSetup {
  readonly url: string;
  readonly type?: string;
  readonly key?: string;
  /** Further members of the config. */
  readonly config?: Record<string, unknown>;
  readonly provider?: Partial<ProviderFields>;
  /** Its associations; one without further wishes if left out. */
  readonly models?: readonly Partial<AssociationFields>[];
}

/** The service and what is around it. */
export class Ward implements AsyncDisposable {
  live = new LiveState();
  #upstreams = new Upstreams();
  #deadlines = new Deadlines(10);
  #health: HealthService | null = null;
  #modelId = 0;
  #count = 0;

  private constructor(readonly store: Store, private readonly clock: { now: number }) {}

  /** What the service and the store take for the time, epoch ms. */
  get now(): number {
    return this.clock.now;
  }

  set now(epochMs: number) {
    this.clock.now = epochMs;
  }

  get health(): HealthService {
    assert.ok(this.#health, "the ward was not started");
    return this.#health;
  }

  /** Starts with these providers, as if they had been there before the gateway was started. */
  static async start(...setups: readonly PatientSetup[]): Promise<Ward> {
    const clock = { now: START };
    const store = await openStore({ path: ":memory:", timeZone: "UTC", now: () => clock.now });
    const ward = new Ward(store, clock);
    for (const setup of setups) await ward.#create(setup);
    await ward.restart();
    return ward;
  }

  /** The service anew, over the same store, with nothing but what was stored. */
  async restart(): Promise<void> {
    await this.#health?.stop();
    this.live = new LiveState();
    this.#health = await HealthService.load({
      store: this.store.health,
      logs: this.store.logs,
      live: this.live,
      upstreams: this.#upstreams,
      deadlines: this.#deadlines,
      userAgent: "llmio/test",
      flushMs: 5,
      now: () => this.now,
    });
    await this.reload();
  }

  /** Adds a provider while the service runs. */
  async add(setup: PatientSetup): Promise<number> {
    const id = await this.#create(setup);
    await this.reload();
    return id;
  }

  /** Puts the stored rows in force. */
  async reload(): Promise<void> {
    const rows = await this.store.routing();
    this.health.useRouting(rows, buildRoutingTable(rows));
  }

  /** Moves the clock on to the next full minutes, one by one, with a tick at each. */
  async ticks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.now = (Math.floor(this.now / MINUTE) + 1) * MINUTE;
      await this.health.tick();
    }
  }

  /** Checks a provider as the sweep does, whether it is due or not. */
  async probe(id = 1): Promise<ProviderHealth> {
    this.now += HOUR;
    await this.health.tick();
    return this.state(id);
  }

  /** What traffic has shown. */
  traffic(id: number, result: HealthObservation["result"], fields: Partial<HealthObservation> = {}): void {
    const error = result === "failed" ? "HTTP 502: bad gateway" : null;
    const statusCode = result === "failed" ? 502 : 200;
    this.health.observe(id, {
      source: "traffic",
      result,
      statusCode,
      latencyMs: 20,
      error,
      at: this.now,
      ...fields,
    });
  }

  state(id = 1): ProviderHealth {
    const state = this.live.health(id);
    assert.ok(state, `provider ${id} was never observed`);
    return state;
  }

  async row(id = 1): Promise<HealthRow> {
    const [row] = await this.health.report(id);
    assert.ok(row, `there is no provider ${id}`);
    return row;
  }

  /** The checks of a provider, oldest first, once they are written. */
  async checks(id = 1): Promise<ProviderCheckRow[]> {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await this.store.ping();
    const { rows } = await this.store.health.checks({ providerId: id }, { page: 1, pageSize: 1_000 });
    return rows.reverse();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.health.stop();
    this.#deadlines.stop();
    this.#upstreams.close();
    await this.store.close();
  }

  async #create({ url, type = "openai", key, config, provider: fields, models = [{}] }: PatientSetup) {
    const number = ++this.#count;
    if (this.#modelId === 0) this.#modelId = (await this.store.models.create(model({ name: "m" }))).id;
    const created = await this.store.providers.create(provider({
      name: `provider-${number}`,
      type,
      config: JSON.stringify({ base_url: url, api_key: key ?? `sk-canary-${number}-secret`, ...config }),
      ...fields,
    }));
    for (const wishes of models) {
      await this.store.associations.create(association({
        modelId: this.#modelId,
        providerId: created.id,
        providerModel: "upstream-model",
        customerHeaders: {},
        extraBody: {},
        ...wishes,
      }));
    }
    return created.id;
  }
}
