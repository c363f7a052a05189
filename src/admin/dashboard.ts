/** The fork's dashboard: the last day and the last hour at a glance. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { failuresOf } from "../health/report.ts";
import type { TrafficRow } from "../store/logs.ts";
import type { Provider } from "../store/providers.ts";
import type { AdminContext } from "./context.ts";
import { success } from "./envelope.ts";
import { route } from "./route.ts";

const tag = "dashboard";
const HOUR_MS = 3_600_000;
/** Models and providers that are shown. */
const TOP = 5;

const count = z.int();
const percent = z.number().openapi({ description: "Percent; 0 without any." });
const meanMs = z.number().openapi({
  description:
    "Mean time of a success from the choice of the provider to the end of its answer, milliseconds.",
});

const figures = {
  request_count: count,
  success_rate: percent,
  total_tokens: count,
  avg_response_time_ms: meanMs,
};

const statsSchema = z.object({
  total_providers: count,
  healthy_providers: count.openapi({ description: "Those whose status is exactly healthy." }),
  total_models: count,
  total_requests_24h: count.openapi({ description: "Ended requests of clients, retries not counted." }),
  success_requests_24h: count,
  failed_requests_24h: count.openapi({ description: "All others, no matter by whose fault." }),
  avg_response_time_ms: meanMs,
  total_tokens_24h: count,
  top_models: z.array(z.object({ model_name: z.string(), ...figures })).openapi({
    description: "Their requests, most first, and how many of 100 of them succeeded.",
  }),
  top_providers: z.array(z.object({ provider_name: z.string(), ...figures })).openapi({
    description:
      "Their attempts, most first. The rate is successes of 100 attempts that succeeded or were the " +
      "provider's failure, as in its health.",
  }),
}).openapi("DashboardStats");

const realtimeSchema = z.object({
  requests_1h: count,
  success_rate_1h: percent,
  avg_response_time_1h: meanMs,
  timestamp: count.openapi({ description: "Unix seconds." }),
}).openapi("DashboardRealtime");

/** Registers the routes. */
export function dashboardRoutes(app: OpenAPIHono, { store, health, now }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/dashboard/stats",
    tag,
    summary: "Providers, models and the traffic of the last 24 hours",
    data: statsSchema,
  }, async (c) => {
    const [traffic, providers, models] = await Promise.all([
      store.logs.traffic(now() - 24 * HOUR_MS),
      store.providers.list({}),
      store.models.list(),
    ]);
    const statuses = health.statuses(traffic);
    const all = summed(traffic);
    return success(c, {
      total_providers: providers.length,
      healthy_providers: statuses.filter((status) => status === "healthy").length,
      total_models: models.length,
      total_requests_24h: all.requests,
      success_requests_24h: all.successes,
      failed_requests_24h: Math.max(0, all.requests - all.successes),
      avg_response_time_ms: mean(all),
      total_tokens_24h: all.totalTokens,
      top_models: topModels(traffic),
      top_providers: topProviders(traffic, providers),
    });
  });

  route(app, {
    method: "get",
    path: "/dashboard/realtime",
    tag,
    summary: "The traffic of the last hour",
    data: realtimeSchema,
  }, async (c) => {
    const all = summed(await store.logs.traffic(now() - HOUR_MS));
    return success(c, {
      requests_1h: all.requests,
      success_rate_1h: rate(all.successes, all.requests),
      avg_response_time_1h: mean(all),
      timestamp: Math.floor(now() / 1000),
    });
  });
}

/** What several rows of traffic come to. */
interface Sum {
  requests: number;
  attempts: number;
  successes: number;
  /** The provider's own. */
  failures: number;
  totalTokens: number;
  responseMs: number;
}

function summed(rows: readonly TrafficRow[]): Sum {
  const sum: Sum = { requests: 0, attempts: 0, successes: 0, failures: 0, totalTokens: 0, responseMs: 0 };
  for (const row of rows) {
    for (const field of ["requests", "attempts", "successes", "totalTokens", "responseMs"] as const) {
      sum[field] += row[field];
    }
    sum.failures += failuresOf(row);
  }
  return sum;
}

function topModels(traffic: readonly TrafficRow[]) {
  const models = Array.from(
    Map.groupBy(traffic, ({ model }) => model),
    ([name, rows]) => ({ name, ...summed(rows) }),
  );
  return top(models, ({ requests }) => requests).map((model) => ({
    model_name: model.name,
    request_count: model.requests,
    success_rate: rate(model.successes, model.requests),
    total_tokens: model.totalTokens,
    avg_response_time_ms: mean(model),
  }));
}

function topProviders(traffic: readonly TrafficRow[], live: readonly Provider[]) {
  const names = new Map(live.map(({ id, name }) => [id, name]));
  // A provider may have been renamed; rows of older programs know its name only.
  const called = traffic.filter(({ providerId, providerName }) => providerId !== 0 || providerName !== "");
  const groups = Map.groupBy(called, ({ providerId, providerName }) => names.get(providerId) ?? providerName);
  const providers = Array.from(groups, ([name, rows]) => ({ name, ...summed(rows) }));
  return top(providers, ({ attempts }) => attempts).map((provider) => ({
    provider_name: provider.name,
    request_count: provider.attempts,
    success_rate: rate(provider.successes, provider.successes + provider.failures),
    total_tokens: provider.totalTokens,
    avg_response_time_ms: mean(provider),
  }));
}

function top<Item extends { readonly name: string }>(
  items: readonly Item[],
  size: (item: Item) => number,
): Item[] {
  const byName = (one: Item, other: Item) => one.name < other.name ? -1 : 1;
  return items.filter((item) => size(item) > 0)
    .sort((one, other) => size(other) - size(one) || byName(one, other)).slice(0, TOP);
}

function mean({ responseMs, successes }: Sum): number {
  return successes === 0 ? 0 : hundredths(responseMs / successes);
}

/** In rows of older programs a window can hold the success of a request and not its first attempt. */
function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(100, hundredths(100 * part / whole));
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
