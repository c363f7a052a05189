/** Letting old rows of the request log go, and what was done about that. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { Days } from "../accounting/days.ts";
import type { CleanupRow } from "../store/log_cleanup.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { pageData, pageRequest, pageSchema, pagingQuery } from "./query.ts";
import { route } from "./route.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const tag = "logs";

/** The most days and rows that can be kept: a hundred years, and more rows than a file can hold. */
const MAX_DAYS = 36_500;
const MAX_ROWS = 1_000_000_000_000;

const cleanupBody = z.strictObject({
  type: z.enum(["count", "days"]).openapi({
    description: "count = keep the newest so many rows; days = remove rows older than so many days.",
  }),
  value: z.int().min(1).max(MAX_ROWS),
}).openapi("LogCleanup");
/** What is read of a body first, so that the refusals are those of llmio. */
const cleanupFields = z.object({ type: z.unknown().optional(), value: z.int("must be a whole number") });
const names = fieldNames(cleanupBody);

const recordSchema = z.object({
  ...rowHeadShape,
  RetentionDays: z.int().openapi({ description: "0 for a clean-up by count." }),
  DeletedCount: z.int(),
  DurationMs: z.int(),
  Source: z.string().openapi({ description: "manual or scheduled." }),
  Type: z.string().openapi({ description: "days or count." }),
}).openapi("LogCleanupRecord");

const clearQuery = z.object({
  days: z.string("Days parameter is required").min(1, "Days parameter is required")
    .regex(/^\d{1,9}$/, "Invalid days parameter").transform(Number)
    .openapi({ type: "integer", minimum: 0, description: "Rows older than so many days go; 0 = all rows." }),
});

/** Registers the routes. */
export function logCleanupRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, cleaner, timeZone } = context;
  const days = new Days(timeZone);

  route(app, {
    method: "post",
    path: "/logs/cleanup",
    tag,
    summary: "Remove old rows of the request log for good, with their recorded bodies; daily figures stay",
    audit: {
      action: "log.clean",
      note: async (data, c) => {
        const { type, value } = validFields(cleanupFields, await readFields(c, names));
        return { type: [null, type], value: [null, value], deleted_count: [null, data["deleted_count"]] };
      },
    },
    body: cleanupBody,
    data: z.object({ deleted_count: z.int() }),
  }, async (c) => {
    const { type, value } = validFields(cleanupFields, await readFields(c, names));
    if (value <= 0) throw new Fault(400, "Value must be greater than 0");
    if (type !== "count" && type !== "days") throw new Fault(400, "Invalid type: must be 'count' or 'days'");
    if (type === "days" && value > MAX_DAYS) throw new Fault(400, `Value must be at most ${MAX_DAYS} days`);
    return success(c, { deleted_count: await cleaner.clean({ type, value: Math.min(value, MAX_ROWS) }) });
  });

  route(app, {
    method: "get",
    path: "/logs/cleanup/history",
    tag,
    summary: "What was removed so far, newest first",
    query: z.object(pagingQuery),
    data: pageSchema(recordSchema),
  }, async (c, query) => {
    const request = pageRequest(query);
    return success(c, pageData(await store.logCleanup.history(request), request, recordRow));
  });

  route(app, {
    method: "delete",
    path: "/logs/clear",
    tag,
    summary: "Remove rows of the request log that are older than so many days, for good",
    audit: {
      action: "log.clear",
      note: (data) => ({
        cutoff_date: [null, data["cutoff_date"]],
        deleted_count: [null, data["deleted_count"]],
      }),
    },
    query: clearQuery,
    data: z.object({ deleted_count: z.int(), cutoff_date: z.string() }),
  }, async (c, query) => {
    const value = Math.min(query.days, MAX_DAYS);
    const cutoff = days.clockOf(cleaner.cutoff(value));
    return success(c, { deleted_count: await cleaner.clean({ type: "days", value }), cutoff_date: cutoff });
  });
}

function recordRow(row: CleanupRow): z.output<typeof recordSchema> {
  return {
    ...rowHead(row),
    RetentionDays: row.retentionDays,
    DeletedCount: row.deletedCount,
    DurationMs: row.durationMs,
    Source: row.source,
    Type: row.type,
  };
}
