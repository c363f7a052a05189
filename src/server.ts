/**
 * Wires the rooms together: open the store, build the app, listen; and the same backwards at the end.
 *
 * @module
 */
import { Hono } from "@hono/hono";
import { getLogger } from "@logtape/logtape";
import config from "../deno.json" with { type: "json" };
import { adminToken } from "./access/admin_token.ts";
import { Recorder } from "./accounting/recorder.ts";
import { adminApp } from "./admin/app.ts";
import { ActiveRequests } from "./gateway/active_requests.ts";
import { Deadlines } from "./gateway/deadlines.ts";
import { errorResponse, type Gateway } from "./gateway/dispatch.ts";
import { LiveState } from "./gateway/live_state.ts";
import { listProviderModels } from "./gateway/provider_models.ts";
import { gatewayRoutes } from "./gateway/routes.ts";
import { buildRoutingTable, type RoutingTable } from "./gateway/routing_table.ts";
import { CallEnded, Upstreams } from "./gateway/upstream.ts";
import type { HealthConfig } from "./health/state.ts";
import { openaiChat } from "./protocols/openai/chat.ts";
import type { Settings } from "./settings.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";

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

const DEFAULT_HEALTH_CONFIG: HealthConfig = {
  enabled: true,
  intervalMinutes: 5,
  maxErrorCount: 5,
  retryAfterHours: 1,
  retryAfterMinutes: null,
};

/**
 * Starts a gateway.
 *
 * @throws {StoreOpenError} when the database cannot be used
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startServer(settings: Settings): Promise<RunningServer> {
  const store = await openStore({
    path: settings.db,
    timeZone: settings.timeZone,
    notice: (line) => log.info("{line}", { line }),
  });
  try {
    return await serve(settings, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function serve(settings: Settings, store: Store): Promise<RunningServer> {
  const abandoned = await store.logs.closeAbandoned();
  if (abandoned > 0) log.warn("{count} requests were cut off by the end of an earlier run", { count: abandoned });
  const routing = await Routing.load(store);
  const recorder = new Recorder((batch) => store.logs.write(batch), { flushMs: settings.flushMs });
  const gateway = makeGateway(settings, routing, recorder);
  const app = buildApp(settings, store, routing, gateway);
  const http = Deno.serve({
    hostname: settings.host,
    port: settings.port,
    onListen: () => {},
    onError: (error) => internalError(error),
  }, app.fetch);
  const { hostname, port } = http.addr;
  const parts: Parts = { http, gateway, recorder, store };
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
  };
}

/** What a running gateway consists of. */
interface Parts {
  readonly http: Deno.HttpServer<Deno.NetAddr>;
  readonly gateway: Gateway;
  readonly recorder: Recorder;
  readonly store: Store;
}

/** After the grace time, a cut stream still gets this long to be told so, milliseconds. */
const LAST_WORDS_MS = 500;

async function shutDown({ http, gateway, recorder, store }: Parts, graceMs: number, reason: string): Promise<void> {
  log.info("stopping: {reason}; {count} requests are under way", { reason, count: gateway.active.count });
  const closed = http.shutdown();
  if (!await within(gateway.active.idle(), graceMs)) {
    log.warn("{count} requests outlast the grace time and are ended", { count: gateway.active.count });
    gateway.active.endAll(new CallEnded({ type: "gateway_fault", detail: "the gateway was stopped" }));
    await within(gateway.active.idle(), LAST_WORDS_MS);
  }
  // Connections on which a client still reads its last bytes do not hold the end.
  await within(closed, LAST_WORDS_MS);
  gateway.deadlines.stop();
  gateway.upstreams.close();
  await recorder.close();
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
  private constructor(readonly store: Store, public table: RoutingTable) {}

  static async load(store: Store): Promise<Routing> {
    const routing = new Routing(store, buildRoutingTable({ providers: [], models: [], associations: [] }));
    await routing.reload();
    return routing;
  }

  /** Reads the rows again; from then on requests are routed by them. */
  async reload(): Promise<void> {
    this.table = buildRoutingTable(await this.store.routing());
    for (const { providerName, reason } of this.table.problems) {
      log.warn("provider {provider} is not routed to: {reason}", { provider: providerName, reason });
    }
  }
}

function makeGateway(settings: Settings, routing: Routing, recorder: Recorder): Gateway {
  const live = new LiveState();
  return {
    table: () => routing.table,
    live,
    recorder,
    active: new ActiveRequests(),
    upstreams: new Upstreams(),
    deadlines: new Deadlines(),
    unmetered: new Set(),
    streamIdleMs: settings.streamIdleMs,
    operatorHeaders: settings.operatorHeaders,
    userAgent: `llmio/${config.version}`,
    random: Math.random,
    observe: (providerId, observation) => {
      live.observeHealth(providerId, observation, DEFAULT_HEALTH_CONFIG);
    },
    trialUnhealthy: () => true,
  };
}

function buildApp(settings: Settings, store: Store, routing: Routing, gateway: Gateway): Hono {
  const token = adminToken(settings.token);
  const app = new Hono();
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
    }),
  );
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
    c.json({ code: 404, message: `there is no ${c.req.method} ${c.req.path} here; see the README for the routes` }, 404)
  );
  app.onError((error) => internalError(error));
  return app;
}

function internalError(error: unknown): Response {
  log.error("a request failed inside the gateway: {error}", { error });
  const message = "the gateway failed on this request; its log says why";
  return errorResponse(openaiChat, { status: 500, code: "internal_error", message, traceId: "" });
}

function urlHost(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "127.0.0.1";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
