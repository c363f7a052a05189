/** Health of providers: verdicts, forced checks, the history of checks. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { withoutSecrets } from "../access/scrub.ts";
import type { HealthRow } from "../health/report.ts";
import type { HealthService } from "../health/service.ts";
import type { CheckFilter, ProviderCheckRow } from "../store/health.ts";
import type { PageRequest } from "../store/page.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { healthConfigRoutes } from "./health_config.ts";
import { pageData, pageRequest, pageSchema, pagingQuery, pathId, textQuery } from "./query.ts";
import { route } from "./route.ts";

const tag = "health";

const count = z.int();
const moment = z.iso.datetime();

/** The fork's members in the fork's order. */
const healthSchema = z.object({
  provider_id: count,
  provider_name: z.string(),
  provider_type: z.string(),
  status: z.enum(["healthy", "degraded", "unhealthy", "unknown", "disabled"]).openapi({
    description:
      "degraded = healthy, but with errors in a row, cooling, with a refused key, or under 90 % success. " +
      "unknown = nothing was observed that tells. disabled = switched off by the operator.",
  }),
  is_healthy: z.boolean().openapi({ description: "The stored verdict; true when there is none." }),
  response_time_ms: count.openapi({ description: "Of the last success; 0 = none." }),
  last_checked: moment.openapi({
    description: "The last observation, of traffic or a check; now if there is none.",
  }),
  last_success: moment.optional(),
  error_message: z.string().optional().openapi({ description: "The last failure, until a success." }),
  error_count: count.openapi({ description: "Failures in a row." }),
  consecutive_successes: count,
  next_retry_at: moment.optional().openapi({ description: "When an unhealthy provider is tried again." }),
  last_status_code: count.optional(),
  success_rate_24h: z.number().openapi({
    description: "Successes of 100 attempts that succeeded or were the provider's failure; 0 without any.",
  }),
  total_requests_24h: count.openapi({ description: "All attempts that have ended." }),
  avg_response_time_ms: z.number().openapi({ description: "Whole duration of successes in the last 24 h." }),
}).openapi("ProviderHealth");

const checkSchema = z.object({
  id: count,
  provider_id: count,
  checked_at: moment,
  source: z.string().openapi({ description: "probe or forced." }),
  result: z.string().openapi({
    description:
      "ok, failed, limited (alive, over a limit), busy (no answer in time while it served others), " +
      "cannot_probe (it answers, but not to a call as small as a probe).",
  }),
  status_code: count.nullable(),
  latency_ms: z.number().nullable(),
  error: z.string(),
  model: z.string().openapi({ description: "The upstream model called; empty = the model list." }),
  prompt_tokens: count.nullable(),
  completion_tokens: count.nullable(),
}).openapi("ProviderCheck");

/** Checks in one answer that asks for the latest. */
const LIMIT_MAX = 1000;
const LIMIT_MESSAGE = `invalid limit parameter (1-${LIMIT_MAX})`;

const checksQuery = z.object({
  ...pagingQuery,
  since: textQuery("Only checks from this time on: RFC 3339, or epoch milliseconds.")
    .transform((text) => text === undefined ? undefined : momentMs(text))
    .refine((at) => at === undefined || Number.isFinite(at), "invalid since parameter (RFC 3339 time)"),
  limit: textQuery(`The latest so many in one page, 1 to ${LIMIT_MAX}, in place of page and page_size.`)
    .refine((text) => text === undefined || /^\d{1,4}$/.test(text), LIMIT_MESSAGE)
    .transform((text) => text === undefined ? undefined : Number(text))
    .refine((limit) => limit === undefined || (limit >= 1 && limit <= LIMIT_MAX), LIMIT_MESSAGE),
});

/** Registers the routes. They go before those of `/providers/:id`. */
export function healthRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { health } = context;
  verdictRoutes(app, health);
  historyRoute(app, context);
  healthConfigRoutes(app, health);
}

function verdictRoutes(app: OpenAPIHono, health: HealthService): void {
  route(app, {
    method: "get",
    path: "/providers/health",
    tag,
    summary: "The health of all providers, oldest first; nobody is called",
    data: z.array(healthSchema),
  }, async (c) => success(c, (await health.report()).map(shown)));

  route(app, {
    method: "get",
    path: "/providers/health/{id}",
    tag,
    summary: "The health of a provider; it is not called",
    data: healthSchema,
    faults: [404],
  }, async (c) => success(c, await rowOf(providerId(c), health)));

  route(app, {
    method: "post",
    path: "/health-check/force/{id}",
    tag,
    summary: "Check a provider now, also one that is unhealthy and not yet due, and answer its health",
    reads: true,
    body: z.strictObject({}),
    data: healthSchema,
    faults: [404],
  }, async (c) => {
    const id = providerId(c);
    if (!await health.checkNow(id)) throw notFound();
    return success(c, await rowOf(id, health));
  });
}

function historyRoute(app: OpenAPIHono, { store, health }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/providers/health/{id}/checks",
    tag,
    summary: "The checks of a provider, newest first",
    query: checksQuery,
    data: pageSchema(checkSchema),
    faults: [404],
  }, async (c, query) => {
    const id = providerId(c);
    if (!health.has(id)) throw notFound();
    const filter: CheckFilter = {
      providerId: id,
      ...(query.since === undefined ? {} : { sinceMs: query.since }),
    };
    const request: PageRequest = query.limit === undefined
      ? pageRequest(query)
      : { page: 1, pageSize: query.limit };
    return success(c, pageData(await store.health.checks(filter, request), request, checkRow));
  });
}

async function rowOf(id: number, health: HealthService): Promise<HealthRow> {
  const [row] = await health.report(id);
  if (row === undefined) throw notFound();
  return shown(row);
}

/** Older programs have stored what vendors said as it was. */
function shown(row: HealthRow): HealthRow {
  const { error_message } = row;
  return error_message === undefined ? row : { ...row, error_message: withoutSecrets(error_message) };
}

function notFound(): Fault {
  return new Fault(404, "Provider not found");
}

/** The `:id` of the path, refused as the fork refuses it. */
function providerId(c: Context): number {
  try {
    return pathId(c);
  } catch (error) {
    if (error instanceof Fault) throw new Fault(400, "Invalid provider ID format");
    throw error;
  }
}

function momentMs(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
}

function checkRow(row: ProviderCheckRow): z.output<typeof checkSchema> {
  return {
    id: row.id,
    provider_id: row.providerId,
    checked_at: new Date(row.checkedAtMs).toISOString(),
    source: row.source,
    result: row.result,
    status_code: row.statusCode,
    latency_ms: row.latencyMs === null ? null : Math.round(row.latencyMs * 100) / 100,
    error: withoutSecrets(row.error),
    model: row.model,
    prompt_tokens: row.promptTokens,
    completion_tokens: row.completionTokens,
  };
}
