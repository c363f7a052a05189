/**
 * Wires the rooms together: open the store, build the app, listen; and the same backwards at the end.
 *
 * @module
 */
import { Hono } from "@hono/hono";
import { getLogger } from "@logtape/logtape";
import config from "../deno.json" with { type: "json" };
import { adminToken } from "./access/admin_token.ts";
import type { AdminTokens } from "./access/admin_tokens.ts";
import { ClientAddresses } from "./access/client_address.ts";
import { ClientKeys } from "./access/client_keys.ts";
import { allowOrigins } from "./access/cors.ts";
import { refuseDoubtful } from "./access/framing.ts";
import { type HeldSecrets, holdSecrets, storedSecrets } from "./access/scrub.ts";
import { type Certificate, readCertificate } from "./access/tls.ts";
import { UpstreamPolicy } from "./access/upstream_policy.ts";
import { LogCleaner } from "./accounting/cleanup.ts";
import { Days } from "./accounting/days.ts";
import { Metrics } from "./accounting/metrics.ts";
import { Pricing } from "./accounting/pricing.ts";
import { Recorder } from "./accounting/recorder.ts";
import { openTracing } from "./accounting/tracing.ts";
import { loadAdminTokens } from "./admin/admin_tokens.ts";
import { adminApp } from "./admin/app.ts";
import { AuditPruner } from "./admin/audit_retention.ts";
import { ActiveRequests } from "./gateway/active_requests.ts";
import { ClientStalled } from "./gateway/client_idle.ts";
import { clientPath } from "./gateway/client_path.ts";
import { Deadlines } from "./gateway/deadlines.ts";
import type { Gateway } from "./gateway/client_request.ts";
import { liveScope } from "./gateway/live_scope.ts";
import { LiveState } from "./gateway/live_state.ts";
import { metricsRoute } from "./gateway/metrics_route.ts";
import { listProviderModels } from "./gateway/provider_models.ts";
import { errorResponse } from "./gateway/reply.ts";
import type { LogTools } from "./gateway/request_log.ts";
import { ResponseOwners } from "./gateway/response_owners.ts";
import { CLIENT_PATHS, gatewayRoutes } from "./gateway/routes.ts";
import { buildRoutingTable, type RoutingTable } from "./gateway/routing_table.ts";
import { StateKeeper } from "./gateway/state_keeper.ts";
import { CallEnded, Upstreams } from "./gateway/upstream.ts";
import { UpstreamHosts } from "./gateway/upstream_hosts.ts";
import { HealthService } from "./health/service.ts";
import { openaiDialect } from "./protocols/openai/errors.ts";
import type { Settings } from "./settings.ts";
import { openEncryptedStore } from "./store/encryption_open.ts";
import type { RoutingRows, Store } from "./store/store.ts";
import { checkUiFolder } from "./ui/folder.ts";
import { showNewKeysOnce } from "./ui/new_keys.ts";
import { uiRoutes } from "./ui/routes.ts";

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
 * @throws {CertificateProblem} when the certificate cannot be used
 * @throws {StoreOpenError} when the database cannot be used
 * @throws {UiFolderProblem} when the folder of the web UI holds none
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startServer(settings: Settings): Promise<GatewayServer> {
  const certificate = settings.tls === null ? null : await readCertificate(settings.tls);
  if (settings.uiDir !== null) await checkUiFolder(settings.uiDir);
  const store = await openEncryptedStore({
    path: settings.db,
    timeZone: settings.timeZone,
    compact: settings.dbVacuum,
    secret: settings.secret,
    notice: (line) => log.info("{line}", { line }),
    warn: (line) => log.warn("{line}", { line }),
  });
  const secrets = holdSecrets([settings.token, settings.secret]);
  try {
    return await serve(settings, store, certificate, secrets);
  } catch (error) {
    secrets[Symbol.dispose]();
    await store.close();
    throw error;
  }
}

/** Limits a minute look back so far, milliseconds. */
const KEY_WINDOW_MS = 61_000;

async function serve(
  settings: Settings,
  store: Store,
  certificate: Certificate | null,
  secrets: HeldSecrets,
): Promise<GatewayServer> {
  const abandoned = await store.logs.closeAbandoned();
  if (abandoned > 0) {
    log.warn("{count} requests were cut off by the end of an earlier run", { count: abandoned });
  }
  const live = new LiveState();
  const days = new Days(settings.timeZone);
  const keeper = new StateKeeper(live, store.liveState, { today: () => days.dayOf(Date.now()) });
  const tools: CallTools = {
    live,
    upstreams: new Upstreams(
      new UpstreamHosts({ policy: new UpstreamPolicy({ denyPrivate: settings.denyPrivateUpstreams }) }),
    ),
    deadlines: new Deadlines(),
    userAgent: `llmio/${config.version}`,
  };
  const health = await HealthService.load({
    ...tools,
    store: store.health,
    logs: store.logs,
    flushMs: settings.flushMs,
    now: () => Date.now(),
  });
  const metrics = new Metrics();
  const keys = new ClientKeys({ now: Date.now, days, cnyPerUsd: settings.cnyPerUsd });
  const routing = await Routing.load(store, tools.upstreams.hosts.policy, (rows, table) => {
    secrets.replace(storedSecrets(rows));
    tools.upstreams.keepProxies(new Set(rows.providers.map(({ proxy }) => proxy.trim())));
    metrics.useNames(rows);
    keys.useRows(rows.authKeys ?? []);
    keeper.keepWithin(liveScope(rows));
    health.useRouting(rows, table);
  });
  await keeper.restore();
  const now = Date.now();
  keys.restore(
    await store.authKeys.spending(days.dayOf(now)),
    await store.authKeys.recentUse(now - KEY_WINDOW_MS),
  );
  const write = metrics.timed((batch) => store.logs.write(batch));
  const recorder = new Recorder(write, { flushMs: settings.flushMs });
  const logTools: LogTools = { recorder, pricing: new Pricing(), metrics, tracing: await openTracing() };
  const gateway = makeGateway(settings, routing, { ...tools, ...logTools }, health);
  const cleaner = new LogCleaner({ store, timeZone: settings.timeZone, now: Date.now });
  const pruner = new AuditPruner(store.audit, Date.now);
  const adminTokens = await loadAdminTokens(store, Date.now);
  const app = buildApp(settings, { store, routing, gateway, keys, adminTokens, health, cleaner });
  const http = Deno.serve({
    hostname: settings.host,
    port: settings.port,
    ...certificate,
    onListen: () => {},
    onError: (error) => internalError(error),
  }, refuseDoubtful(gateway.tracing?.server(app.fetch) ?? app.fetch));
  const { hostname, port } = http.addr;
  keeper.start();
  health.start();
  cleaner.start();
  pruner.start();
  void gateway.pricing.load();
  const parts: Parts = { http, gateway, recorder, keeper, health, cleaner, pruner, store, secrets };
  let stopping: Promise<void> | null = null;
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  return {
    url: `${certificate === null ? "http" : "https"}://${urlHost(hostname)}:${port}`,
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
  readonly pruner: AuditPruner;
  readonly store: Store;
  readonly secrets: HeldSecrets;
}

/** After the grace time, a cut stream still gets this long to be told so, milliseconds. */
const LAST_WORDS_MS = 500;

async function shutDown(
  { http, gateway, recorder, keeper, health, cleaner, pruner, store, secrets }: Parts,
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
  await pruner.stop();
  gateway.deadlines.stop();
  gateway.upstreams.close();
  await recorder.close();
  await gateway.owners.close();
  await keeper.close();
  await store.close();
  secrets[Symbol.dispose]();
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
    readonly policy: UpstreamPolicy,
    /** Told of the rows of each new table as it comes into force. */
    readonly onSwap: (rows: RoutingRows, table: RoutingTable) => void,
    public table: RoutingTable,
  ) {}

  static async load(store: Store, policy: UpstreamPolicy, onSwap: Routing["onSwap"]): Promise<Routing> {
    const empty = buildRoutingTable({ providers: [], models: [], associations: [] });
    const routing = new Routing(store, policy, onSwap, empty);
    await routing.reload();
    return routing;
  }

  /** Reads the rows again; from then on requests are routed by them. */
  async reload(): Promise<void> {
    const rows = await this.store.routing();
    this.table = buildRoutingTable(rows, this.policy);
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
    clientIdleMs: settings.clientIdleMs,
    openAfterMs: settings.openAfterMs,
    ioLimitBytes: settings.ioLimitBytes,
    cnyPerUsd: settings.cnyPerUsd,
    operatorHeaders: settings.operatorHeaders,
    random: Math.random,
    observe: (providerId, observation) => health.observe(providerId, observation),
    trialUnhealthy: () => health.trialUnhealthy(),
  };
}

/** What the routes are made of. */
interface Rooms extends Pick<Parts, "store" | "gateway" | "health" | "cleaner"> {
  readonly routing: Routing;
  readonly keys: ClientKeys;
  readonly adminTokens: AdminTokens;
}

function buildApp(settings: Settings, rooms: Rooms): Hono {
  const { store, routing, gateway, keys, adminTokens, health, cleaner } = rooms;
  const token = adminToken(settings.token);
  const app = new Hono({ getPath: clientPath });
  const addresses = new ClientAddresses(settings.trustedProxies);
  // Without a token no foreign page is let in, so none is told that it may come (access/host_guard.ts).
  if (token !== null && settings.corsOrigins.length > 0) {
    for (const path of CLIENT_PATHS) app.use(path, allowOrigins(settings.corsOrigins));
  }
  app.route("/", gatewayRoutes({ gateway, token, keys, bodyLimitBytes: settings.bodyLimitBytes, addresses }));
  if (settings.uiDir !== null) app.use("/api/auth-keys", showNewKeysOnce(Date.now));
  app.route(
    "/api",
    adminApp({
      store,
      token,
      adminTokens,
      version: config.version,
      now: Date.now,
      onRoutingChange: () => routing.reload(),
      listModels: (provider, limitMs) => listProviderModels(provider, gateway, limitMs),
      gateway,
      calls: gateway,
      addressOf: (c) => addresses.of(c.req.raw.headers, c.env?.remoteAddr),
      upstreamPolicy: gateway.upstreams.hosts.policy,
      health,
      cleaner,
      timeZone: settings.timeZone,
      cnyPerUsd: settings.cnyPerUsd,
    }),
  );
  app.route("/", metricsRoute({ gateway, token, adminTokens, version: config.version }));
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    try {
      await store.ping();
      return c.json({ status: "ready" });
    } catch {
      return c.json({ status: "not ready" }, 503);
    }
  });
  if (settings.uiDir !== null) app.route("/", uiRoutes({ folder: settings.uiDir, token }));
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
  if (error instanceof ClientStalled) return new Response(null, { status: 408 }); // of an answer that is under way
  log.error("a request failed inside the gateway: {error}", { error });
  const message = "the gateway failed on this request; its log says why";
  return errorResponse(openaiDialect, { status: 500, code: "internal_error", message, traceId: "" });
}

function urlHost(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "127.0.0.1";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
