/** Usage and cost of whole days, as JSON or CSV. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { Days, isDay, shiftDay } from "../accounting/days.ts";
import { PRICE_LIST } from "../accounting/pricing.ts";
import { USAGE_GROUPS, type UsageGroup, type UsageQuery } from "../store/usage.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { idQuery, textQuery } from "./query.ts";
import { route } from "./route.ts";
import { csvOf, figureShape, figuresOf, groupShape, groupsOf, totalsOf } from "./usage_row.ts";

/** Days of a report when nobody says. */
const DEFAULT_DAYS = 30;
/** The most groups in one answer, so that it stays a few tens of megabytes. */
const MAX_ROWS = 100_000;

const groupNames = USAGE_GROUPS.join(", ");

const usageQuery = z.object({
  from: dayQuery("from", "The first day, `2026-05-01`, in the configured time zone."),
  to: dayQuery("to", "The last day. Without it: today."),
  days: textQuery(
    `So many days until \`to\`, that one included, in place of from. Without both: ${DEFAULT_DAYS}.`,
  )
    .refine((text) => text === undefined || /^[1-9]\d{0,4}$/.test(text), "invalid days parameter (1 or more)")
    .transform((text) => text === undefined ? undefined : Number(text))
    .openapi({ type: "integer", minimum: 1 }),
  group_by: textQuery(
    `What figures are told apart by, with commas between: ${groupNames}. Currencies always are. Without it: day.`,
  ).transform((text) => (text ?? "day").split(",").map((name) => name.trim()))
    .refine((names) => names.every(isGroup), `invalid group_by parameter (${groupNames}; commas between)`)
    .transform((names) => names.filter(isGroup))
    .openapi({ type: "string" }),
  provider_id: idQuery("invalid provider_id parameter", "Only this provider."),
  model: textQuery("Only this model, as clients ask for it."),
  auth_key_id: idQuery("invalid auth_key_id parameter", "Only this auth key; 0 = admin."),
  style: textQuery("Only this protocol."),
  format: z.enum(["json", "csv"], "invalid format parameter (json or csv)").default("json"),
  bom: z.enum(["0", "1"], "invalid bom parameter (0 or 1)").default("0").openapi({
    description: "1 = begin a CSV with a byte-order mark, by which spreadsheet programs know UTF-8.",
  }),
});

const usageSchema = z.object({
  from: z.iso.date(),
  to: z.iso.date(),
  time_zone: z.string().openapi({ description: "The zone in which these days begin." }),
  group_by: z.array(z.enum(USAGE_GROUPS)),
  price_list: z.string().openapi({
    description: "The built-in list by which attempts without prices of their own are priced.",
  }),
  rows: z.array(z.object({ ...groupShape, ...figureShape })).openapi({
    description: "Days in order, in each the groups with the most requests first.",
  }),
  totals: z.object({
    ...figureShape,
    costs: z.array(z.object({ currency: z.string(), cost: z.number() })).openapi({
      description: "One for each currency in which anything was priced.",
    }),
  }).omit({ cost: true }),
}).openapi("Usage");

/** Registers the route. */
export function usageRoutes(app: OpenAPIHono, { store, timeZone, now }: AdminContext): void {
  const days = new Days(timeZone);
  route(app, {
    method: "get",
    path: "/usage",
    tag: "usage",
    summary: "Requests, tokens and costs of days; they outlive the request log",
    query: usageQuery,
    data: usageSchema,
    media: ["text/csv"],
  }, async (c, query) => {
    const wanted = reportOf(query, days.dayOf(now()));
    const rows = await store.usage.report(wanted);
    if (rows.length > MAX_ROWS) {
      throw new Fault(400, `This report has over ${MAX_ROWS} rows: ask for fewer days or group by less`);
    }
    const { from, to, groupBy } = wanted;
    if (query.format === "csv") return csvFile(c, csvOf(rows, groupBy, query.bom === "1"), `${from}_${to}`);
    return success(c, {
      from,
      to,
      time_zone: timeZone,
      group_by: groupBy,
      price_list: PRICE_LIST,
      rows: rows.map((row) => ({ ...groupsOf(row), ...figuresOf(row) })),
      totals: totalsOf(rows),
    });
  });
}

function reportOf(query: z.output<typeof usageQuery>, today: string): UsageQuery {
  const { provider_id: providerId, model, auth_key_id: authKeyId, style } = query;
  if (query.from !== undefined && query.days !== undefined) {
    throw new Fault(400, "from and days exclude each other: leave one of them out");
  }
  const to = query.to ?? today;
  const from = query.from ?? shiftDay(to, 1 - (query.days ?? DEFAULT_DAYS));
  if (from > to) throw new Fault(400, `from (${from}) is later than to (${to})`);
  return {
    from,
    to,
    groupBy: [...new Set<UsageGroup>(query.group_by)],
    limit: MAX_ROWS + 1,
    ...(providerId === undefined ? {} : { providerId }),
    ...(model === undefined ? {} : { model }),
    ...(authKeyId === undefined ? {} : { authKeyId }),
    ...(style === undefined ? {} : { style }),
  };
}

function csvFile(c: Context, text: string, name: string): Response {
  return c.body(text, 200, {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": `attachment; filename="llmio_usage_${name}.csv"`,
  });
}

function dayQuery(name: string, description: string) {
  return textQuery(description)
    .refine(
      (text) => text === undefined || isDay(text),
      `invalid ${name} parameter (a day such as 2026-05-01)`,
    );
}

function isGroup(name: string): name is UsageGroup {
  return (USAGE_GROUPS as readonly string[]).includes(name);
}
