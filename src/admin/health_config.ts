/** Settings of the health check. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { HealthService } from "../health/service.ts";
import type { CompleteHealthConfig, StoredHealthConfig } from "../store/health.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import { success } from "./envelope.ts";
import { must, wholeField } from "./fields.ts";
import { route } from "./route.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const tag = "health";

const flag = (description: string) => z.boolean(must("true or false")).openapi({ description });

const shape = {
  enabled: flag("The sweep runs. Traffic is observed and forced checks work either way."),
  interval_minutes: wholeField(1, 1440, "Minutes between two probes of a provider."),
  max_error_count: wholeField(1, 100, "Failures in a row that make a provider unhealthy."),
  retry_after_hours: wholeField(1, 168, "Hours until an unhealthy provider is tried again."),
  retry_after_minutes: wholeField(1, 10_080, "Minutes in place of those hours; null = the hours count.")
    .nullable(),
  skip_if_recent_success: flag("A success within the interval stands in for a probe."),
};

/** Body of `PUT /api/health-check/config`; a field left out keeps its value. */
export const configUpdate = z.strictObject(shape).partial().openapi("HealthCheckConfigUpdate");
/** Its members. */
export const configNames = fieldNames(configUpdate);

/** The fork's row, and the same under the documented names. */
const configSchema = z.object({
  ...rowHeadShape,
  Enabled: z.boolean(),
  IntervalMinutes: z.int(),
  MaxErrorCount: z.int(),
  RetryAfterHours: z.int(),
  ...shape,
}).openapi("HealthCheckConfig");

/** Registers the routes. */
export function healthConfigRoutes(app: OpenAPIHono, health: HealthService): void {
  route(app, {
    method: "get",
    path: "/health-check/config",
    tag,
    summary: "The settings of the health check",
    data: configSchema,
  }, (c) => success(c, configRow(health.config)));

  route(app, {
    method: "put",
    path: "/health-check/config",
    tag,
    summary: "Change the settings of the health check; a field left out keeps its value",
    audit: {
      action: "health_config.update",
      row: () => ({ id: "", name: "", shown: configUpdate.strip().parse(configRow(health.config)) }),
    },
    body: configUpdate,
    data: configSchema,
  }, async (c) => {
    const sent = validFields(configUpdate, await readFields(c, configNames));
    return success(c, configRow(await health.setConfig(changeOf(sent))));
  });
}

/** The settings that a body changes. */
export function changeOf(sent: z.output<typeof configUpdate>): Partial<CompleteHealthConfig> {
  const change = {
    enabled: sent.enabled,
    intervalMinutes: sent.interval_minutes,
    maxErrorCount: sent.max_error_count,
    retryAfterHours: sent.retry_after_hours,
    retryAfterMinutes: sent.retry_after_minutes,
    skipIfRecentSuccess: sent.skip_if_recent_success,
  };
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** The settings under both namings. */
export function configRow({ config, ...row }: StoredHealthConfig): z.output<typeof configSchema> {
  return {
    ...rowHead(row),
    Enabled: config.enabled,
    IntervalMinutes: config.intervalMinutes,
    MaxErrorCount: config.maxErrorCount,
    RetryAfterHours: config.retryAfterHours,
    enabled: config.enabled,
    interval_minutes: config.intervalMinutes,
    max_error_count: config.maxErrorCount,
    retry_after_hours: config.retryAfterHours,
    retry_after_minutes: config.retryAfterMinutes,
    skip_if_recent_success: config.skipIfRecentSuccess,
  };
}
