/**
 * Hours of a health service in a moment: all timers are faked, providers are functions, the store is a list. Nothing
 * here waits for anything real.
 *
 * @module
 */
import FakeTimers from "@sinonjs/fake-timers";
import { Deadlines } from "../../src/gateway/deadlines.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { type UpstreamCall, Upstreams } from "../../src/gateway/upstream.ts";
import { HealthService } from "../../src/health/service.ts";
import { DEFAULT_HEALTH_CONFIG, type HealthObservation } from "../../src/health/state.ts";
import type {
  CheckRetention,
  CompleteHealthConfig,
  ProviderCheck,
  StoredHealth,
} from "../../src/store/health.ts";
import type { RoutingRows, Store } from "../../src/store/store.ts";
import { model, provider } from "../store/fixtures.ts";
import { CHAT_COMPLETION } from "../upstream/fixtures.ts";
import { MINUTE, SECOND, START } from "./ward.ts";

/** What a provider answers a probe with; `null` = it never answers. */
export type Behaviour = (at: number) => { status: number; afterMs?: number } | null;

/** One call of a probe. */
export interface Probe {
  readonly providerId: number;
  readonly at: number;
}

class ScriptedUpstreams extends Upstreams {
  readonly probes: Probe[] = [];
  constructor(readonly behaviour: (providerId: number) => Behaviour) {
    super();
  }

  override async send(call: UpstreamCall, signal: AbortSignal): Promise<Response> {
    const providerId = Number(/provider-(\d+)/.exec(call.url)?.[1]);
    this.probes.push({ providerId, at: Date.now() });
    const answer = this.behaviour(providerId)(Date.now());
    await new Promise<void>((resolve, reject) => {
      const timer = answer === null ? undefined : setTimeout(resolve, answer.afterMs ?? 0);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
    return Response.json(CHAT_COMPLETION, { status: answer?.status ?? 0 });
  }
}

type HealthStore = Store["health"];

/** A store that keeps what it is given. */
class ListStore implements HealthStore {
  readonly written: ProviderCheck[] = [];
  readonly prunings: CheckRetention[] = [];
  constructor(public settings: CompleteHealthConfig) {}

  states = () => Promise.resolve<StoredHealth[]>([]);
  forget = () => Promise.resolve();
  checks = () => Promise.resolve({ rows: [], total: 0 });
  config = () => Promise.resolve({ id: 1, createdAt: "", updatedAt: "", config: this.settings });
  setConfig = (config: CompleteHealthConfig) => {
    this.settings = config;
    return this.config();
  };
  save = ({ checks }: { readonly checks: readonly ProviderCheck[] }) =>
    Promise.resolve(void this.written.push(...checks));
  pruneChecks = (retention: CheckRetention) => {
    this.prunings.push(retention);
    return Promise.resolve(0);
  };
}

/** The simulation. */
export class Simulation implements AsyncDisposable {
  private constructor(
    readonly clock: ReturnType<typeof FakeTimers.install>,
    readonly upstreams: ScriptedUpstreams,
    readonly store: ListStore,
    readonly live: LiveState,
    readonly deadlines: Deadlines,
    readonly health: HealthService,
  ) {}

  /** Starts with so many providers, all of which are there already. */
  static async start(
    count: number,
    behaviour: (providerId: number) => Behaviour = () => () => ({ status: 200 }),
    config: Partial<CompleteHealthConfig> = {},
  ): Promise<Simulation> {
    const clock = FakeTimers.install({ now: START });
    const upstreams = new ScriptedUpstreams(behaviour);
    const store = new ListStore({ ...DEFAULT_HEALTH_CONFIG, skipIfRecentSuccess: true, ...config });
    const live = new LiveState();
    const deadlines = new Deadlines();
    const tools = { live, upstreams, deadlines, userAgent: "llmio/test", now: () => Date.now() };
    const health = await HealthService.load({
      ...tools,
      store,
      logs: { traffic: () => Promise.resolve([]) },
      flushMs: 500,
    });
    const rows = rowsOf(count);
    health.useRouting(rows, buildRoutingTable(rows));
    return new Simulation(clock, upstreams, store, live, deadlines, health);
  }

  /** Probes so far. */
  get probes(): readonly Probe[] {
    return this.upstreams.probes;
  }

  /** Lets minutes pass, with a tick at the end of each, and lets the last tick come to its end. */
  async minutes(count: number, during: () => void = () => {}): Promise<void> {
    for (let i = 0; i < count; i++) {
      during();
      await this.clock.tickAsync(MINUTE);
      void this.health.tick();
    }
    await this.clock.tickAsync(30 * SECOND);
  }

  /** What traffic has shown. */
  traffic(id: number, result: HealthObservation["result"]): void {
    const failed = result === "failed";
    this.health.observe(id, {
      source: "traffic",
      result,
      statusCode: failed ? 502 : 200,
      latencyMs: 20,
      error: failed ? "HTTP 502: bad gateway" : null,
      at: Date.now(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.health.stop();
    this.deadlines.stop();
    this.clock.uninstall();
  }
}

function rowsOf(count: number): RoutingRows {
  const times = { createdAt: "", updatedAt: "" };
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  return {
    models: [{ ...times, ...model({ name: "m" }), id: 1, displayOrder: 1 }],
    providers: ids.map((id) => {
      const config = JSON.stringify({ base_url: `http://provider-${id}.test/v1`, api_key: `sk-${id}` });
      return { ...times, ...provider({ name: `provider-${id}`, config }), id, enabled: true };
    }),
    associations: ids.map((id) => ({
      ...times,
      id,
      modelId: 1,
      providerId: id,
      providerModel: "upstream-model",
      toolCall: true,
      structuredOutput: true,
      image: true,
      withHeader: false,
      status: true,
      customerHeaders: {},
      extraBody: null,
      weight: 1,
      inputPrice: 0,
      cacheReadPrice: 0,
      outputPrice: 0,
      currency: "USD",
    })),
  };
}
