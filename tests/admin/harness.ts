/** The admin API over a database in memory, for tests. @module */
import { Hono } from "@hono/hono";
import { UpstreamPolicy } from "../../src/access/upstream_policy.ts";
import { adminToken } from "../../src/access/admin_token.ts";
import { LogCleaner } from "../../src/accounting/cleanup.ts";
import { loadAdminTokens } from "../../src/admin/admin_tokens.ts";
import { adminApp, adminRoutes } from "../../src/admin/app.ts";
import type { AdminDependencies } from "../../src/admin/context.ts";
import { Deadlines } from "../../src/gateway/deadlines.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { Upstreams } from "../../src/gateway/upstream.ts";
import { HealthService } from "../../src/health/service.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";

/** The admin token of the tests. */
export const TOKEN = "QXJWZKVT-canary-5150";

/** An answer, read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly code: number;
  readonly message: string;
  // deno-lint-ignore no-explicit-any -- tests look into rows of every kind
  readonly data: any;
}

/** A running admin API. */
export interface Admin extends AsyncDisposable {
  readonly store: Store;
  /** How often routing was reloaded. */
  readonly reloads: () => number;
  /** Sends a request with the token; `path` is below `/api`, a body is sent as JSON. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Sends a request as it is. */
  send(request: Request | string, init?: RequestInit): Promise<Answer>;
  /** Sends a request as it is and leaves its answer unread. */
  raw(request: Request | string, init?: RequestInit): Promise<Response>;
  /** Methods and paths of all routes. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

/** Starts one, with other dependencies where a test needs them. */
export async function startAdmin(overrides: Partial<AdminDependencies> = {}): Promise<Admin> {
  const store = overrides.store ?? await openStore({
    path: ":memory:",
    timeZone: "UTC",
    ...(overrides.now !== undefined && { now: overrides.now }),
  });
  const live = new LiveState();
  const health = overrides.health ?? await HealthService.load({
    store: store.health,
    logs: store.logs,
    live,
    upstreams: new Upstreams(),
    deadlines: new Deadlines(),
    userAgent: "test",
    flushMs: 10,
    now: overrides.now ?? (() => 0),
  });
  let reloads = 0;
  const dependencies: AdminDependencies = {
    store,
    token: adminToken(TOKEN),
    adminTokens: await loadAdminTokens(store, overrides.now ?? (() => 0)),
    onRoutingChange: () => Promise.resolve(void reloads++),
    listModels: () => Promise.resolve([]),
    gateway: {
      live,
      table: () => buildRoutingTable({ providers: [], models: [], associations: [] }),
      trialUnhealthy: () => true,
    },
    calls: {
      upstreams: new Upstreams(),
      deadlines: new Deadlines(),
      userAgent: "test",
      streamIdleMs: 1000,
    },
    health,
    cleaner: new LogCleaner({
      store,
      timeZone: overrides.timeZone ?? "UTC",
      now: overrides.now ?? (() => 0),
    }),
    now: () => 0,
    timeZone: "UTC",
    cnyPerUsd: 7.2,
    upstreamPolicy: new UpstreamPolicy(),
    version: "1.2.3",
    ...overrides,
  };
  const app = new Hono().route("/api", adminApp(dependencies));
  const send = async (request: Request | string, init?: RequestInit) =>
    read(await app.request(request, init));
  return {
    store,
    reloads: () => reloads,
    send,
    raw: async (path, init) => await app.request(path, init),
    call: (method, path, body) =>
      send(`/api${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKEN}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    routes: adminRoutes(dependencies).routes.filter(({ method }) => method !== "ALL"),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const { status, headers } = response;
  const isJson = headers.get("content-type")?.startsWith("application/json") && text !== "";
  const body = isJson ? JSON.parse(text) : {};
  return { status, headers, text, code: body.code, message: body.message, data: body.data };
}

/** A usable provider's fields. */
export const PROVIDER = {
  name: "Acme West",
  type: "openai",
  config: '{"base_url":"https://llm.example/v1","api_key":"sk-canary-0123456789"}',
  console: "https://console.example/",
  proxy: "http://user:canary-pass@proxy.example:3128",
  error_matcher: '"status":"439"',
};

/** A model, a provider and an association between them. */
export async function seed(admin: Admin): Promise<{ modelId: number; providerId: number; id: number }> {
  const provider = await admin.call("POST", "/providers", PROVIDER);
  const model = await admin.call("POST", "/models", { name: "gpt-4o" });
  const association = await admin.call("POST", "/model-providers", {
    model_id: model.data.ID,
    provider_id: provider.data.ID,
    provider_name: "gpt-4o-2024-08-06",
  });
  return { modelId: model.data.ID, providerId: provider.data.ID, id: association.data.ID };
}
