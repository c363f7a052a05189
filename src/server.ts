/**
 * Wires the rooms together: open the store, build the app, listen; and the same backwards at the end.
 *
 * @module
 */
import { Hono } from "@hono/hono";
import { getLogger } from "@logtape/logtape";
import config from "../deno.json" with { type: "json" };
import { adminToken } from "./access/admin_token.ts";
import { LogCleaner } from "./accounting/cleanup.ts";
import { Metrics } from "./accounting/metrics.ts";
import { Pricing } from "./accounting/pricing.ts";
import { Recorder } from "./accounting/recorder.ts";
import { openTracing } from "./accounting/tracing.ts";
import { adminApp } from "./admin/app.ts";
import { ActiveRequests } from "./gateway/active_requests.ts";
import { clientPath } from "./gateway/client_path.ts";
import { Deadlines } from "./gateway/deadlines.ts";
import type { Gateway } from "./gateway/dispatch.ts";
import { liveScope } from "./gateway/live_scope.ts";
import { LiveState } from "./gateway/live_state.ts";
import { metricsRoute } from "./gateway/metrics_route.ts";
import { listProviderModels } from "./gateway/provider_models.ts";
import { errorResponse } from "./gateway/reply.ts";
import type { LogTools } from "./gateway/request_log.ts";
import { ResponseOwners } from "./gateway/response_owners.ts";
import { gatewayRoutes } from "./gateway/routes.ts";
import { buildRoutingTable, type RoutingTable } from "./gateway/routing_table.ts";
import { StateKeeper } from "./gateway/state_keeper.ts";
import { CallEnded, Upstreams } from "./gateway/upstream.ts";
import { HealthService } from "./health/service.ts";
import { openaiDialect } from "./protocols/openai/errors.ts";
import type { Settings } from "./settings.ts";
import { openStore } from "./store/open.ts";
import type { RoutingRows, Store } from "./store/store.ts";

/** What {@linkcode startServer} answers: the server, and the service whose clock a test may want to turn. */
export interface GatewayServer extends RunningServer {
  readonly health: HealthService;
}

/** A gateway that listens. */
export interface RunningServer {
  /** Where it is reached, e.g. `http://127.0.0.1:7070`. */
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  /**
   * Stops accepting, lets running requests finish within the grace time, ends the others with an error that their
   * clients notice, writes everything and closes. Calling it again waits for the same end.
   */
  stop(reason: string): Promise<void>;
  /** Resolves when everything is closed. */
  readonly finished: Promise<void>;
}

const log = getLogger(["llmio", "server"]);

/**
 * Starts a gateway.
 *
 * @throws {StoreOpenError} when the database cannot be used
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startServer(settings: Settings): Promise<GatewayServer> {
  const store = await openStore({
    path: settings.db,
    timeZone: settings.timeZone,
    compact: settings.dbVacuum,
    notice: (line) => log.info("{line}", { line }),
  });
  try {
    return await serve(settings, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function serve(settings: Settings, store: Store): Promise<GatewayServer> {
  const abandoned = await store.logs.closeAbandoned();
  if (abandoned > 0) {
    log.warn("{count} requests were cut off by the end of an earlier run", { count: abandoned });
  }
  const live = new LiveState();
  const keeper = new StateKeeper(live, store.liveState, { today: () => dayIn(settings.timeZone) });
  const tools: CallTools = {
    live,
    upstreams: new Upstreams(),
    deadlines: new Deadlines(),
    userAgent: `llmio/${config.version}`,
  };
  const health = await HealthService.load({
    ...tools,
    store: store.health,
    flushMs: settings.flushMs,
    now: () => Date.now(),
  });
  const metrics = new Metrics();
  const routing = await Routing.load(store, (rows, table) => {
    metrics.useNames(rows);
    keeper.keepWithin(liveScope(rows));
    health.useRouting(rows, table);
  });
  await keeper.restore();
  const write = metrics.timed((batch) => store.logs.write(batch));
  const recorder = new Recorder(write, { flushMs: settings.flushMs });
  const logTools: LogTools = { recorder, pricing: new Pricing(), metrics, tracing: await openTracing() };
  const gateway = makeGateway(settings, routing, { ...tools, ...logTools }, health);
  const cleaner = new LogCleaner({ store, timeZone: settings.timeZone, now: Date.now });
  const app = buildApp(settings, store, routing, gateway, health, cleaner);
  const http = Deno.serve({
    hostname: settings.host,
    port: settings.port,
    onListen: () => {},
    onError: (error) => internalError(error),
  }, gateway.tracing?.server(app.fetch) ?? app.fetch);
  const { hostname, port } = http.addr;
  keeper.start();
  health.start();
  cleaner.start();
  void gateway.pricing.load();
  const parts: Parts = { http, gateway, recorder, keeper, health, cleaner, store };
  let stopping: Promise<void> | null = null;
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  return {
    url: `http://${urlHost(hostname)}:${port}`,
    hostname,
    port,
    stop(reason) {
      stopping ??= shutDown(parts, settings.graceMs, reason).finally(resolve);
      return stopping;
    },
    finished,
    health,
  };
}

/** What a running gateway consists of. */
interface Parts {
  readonly http: Deno.HttpServer<Deno.NetAddr>;
  readonly gateway: Gateway;
  readonly recorder: Recorder;
  readonly keeper: StateKeeper;
  readonly health: HealthService;
  readonly cleaner: LogCleaner;
  readonly store: Store;
}

/** After the grace time, a cut stream still gets this long to be told so, milliseconds. */
const LAST_WORDS_MS = 500;

async function shutDown(
  { http, gateway, recorder, keeper, health, cleaner, store }: Parts,
  graceMs: number,
  reason: string,
): Promise<void> {
  log.info("stopping: {reason}; {count} requests are under way", { reason, count: gateway.active.count });
  const closed = http.shutdown();
  if (!await within(gateway.active.idle(), graceMs)) {
    log.warn("{count} requests outlast the grace time and are ended", { count: gateway.active.count });
    gateway.active.endAll(new CallEnded({ type: "gateway_fault", detail: "the gateway was stopped" }));
    await within(gateway.active.idle(), LAST_WORDS_MS);
  }
  // Connections on which a client still reads its last bytes do not hold the end.
  await within(closed, LAST_WORDS_MS);
  await health.stop();
  await cleaner.stop();
  gateway.deadlines.stop();
  gateway.upstreams.close();
  await recorder.close();
  await gateway.owners.close();
  await keeper.close();
  await store.close();
}

/** Whether a promise settles within a time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([promise.then(() => true as const, () => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The routing table in force, and how a new one comes into force. */
class Routing {
  private constructor(
    readonly store: Store,
    /** Told of the rows of each new table as it comes into force. */
    readonly onSwap: (rows: RoutingRows, table: RoutingTable) => void,
    public table: RoutingTable,
  ) {}

  static async load(store: Store, onSwap: Routing["onSwap"]): Promise<Routing> {
    const empty = buildRoutingTable({ providers: [], models: [], associations: [] });
    const routing = new Routing(store, onSwap, empty);
    await routing.reload();
    return routing;
  }

  /** Reads the rows again; from then on requests are routed by them. */
  async reload(): Promise<void> {
    const rows = await this.store.routing();
    this.table = buildRoutingTable(rows);
    this.onSwap(rows, this.table);
    for (const { providerName, reason } of this.table.problems) {
      log.warn("provider {provider} is not routed to: {reason}", { provider: providerName, reason });
    }
  }
}

/** What requests and probes call providers with. */
type CallTools = Pick<Gateway, "live" | "upstreams" | "deadlines" | "userAgent">;

function makeGateway(
  settings: Settings,
  routing: Routing,
  tools: CallTools & LogTools,
  health: HealthService,
): Gateway {
  return {
    ...tools,
    table: () => routing.table,
    active: new ActiveRequests(),
    owners: new ResponseOwners(routing.store.responseOwners, { flushMs: settings.flushMs }),
    unmetered: new WeakSet(),
    streamIdleMs: settings.streamIdleMs,
    openAfterMs: settings.openAfterMs,
    operatorHeaders: settings.operatorHeaders,
    random: Math.random,
    observe: (providerId, observation) => health.observe(providerId, observation),
    trialUnhealthy: () => health.trialUnhealthy(),
  };
}

function buildApp(
  settings: Settings,
  store: Store,
  routing: Routing,
  gateway: Gateway,
  health: HealthService,
  cleaner: LogCleaner,
): Hono {
  const token = adminToken(settings.token);
  const app = new Hono({ getPath: clientPath });
  app.route("/", gatewayRoutes({ gateway, token, bodyLimitBytes: settings.bodyLimitBytes }));
  app.route(
    "/api",
    adminApp({
      store,
      token,
      version: config.version,
      now: Date.now,
      onRoutingChange: () => routing.reload(),
      listModels: (provider) => listProviderModels(provider, gateway),
      gateway,
      health,
      cleaner,
      timeZone: settings.timeZone,
    }),
  );
  app.route("/", metricsRoute({ gateway, token, version: config.version }));
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    try {
      await store.ping();
      return c.json({ status: "ready" });
    } catch {
      return c.json({ status: "not ready" }, 503);
    }
  });
  app.notFound((c) =>
    c.json({
      code: 404,
      message: `there is no ${c.req.method} ${c.req.path} here; see the README for the routes`,
    }, 404)
  );
  app.onError((error) => internalError(error));
  return app;
}

function internalError(error: unknown): Response {
  log.error("a request failed inside the gateway: {error}", { error });
  const message = "the gateway failed on this request; its log says why";
  return errorResponse(openaiDialect, { status: 500, code: "internal_error", message, traceId: "" });
}

/** The date in a time zone, `2026-05-20`. */
function dayIn(timeZone: string): string {
  // Swedes write dates as ISO 8601 does.
  return new Date().toLocaleDateString("sv-SE", { timeZone });
}

function urlHost(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "127.0.0.1";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
