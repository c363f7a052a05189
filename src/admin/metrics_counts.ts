/**
 * The figures of the web UI's first page. They come from the daily figures, so they outlive the log rows; a request
 * counts once, however many attempts it took.
 *
 * @module
 */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { Days, shiftDay } from "../accounting/days.ts";
import type { CallCounts } from "../store/usage.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { route } from "./route.ts";

const tag = "metrics";
const count = z.int();
/** Names that have a row of their own. */
const SHOWN = 5;

/** Registers the routes. */
export function metricsCountRoutes(app: OpenAPIHono, { store, timeZone, now }: AdminContext): void {
  const days = new Days(timeZone);

  route(app, {
    method: "get",
    path: "/metrics/use/{days}",
    tag,
    summary: "Requests and tokens from so many days ago until now; 0 = today",
    data: z.object({ reqs: count, tokens: count }),
    faults: [400],
  }, async (c) => {
    const text = c.req.param("days") ?? "";
    if (!/^[+-]?\d{1,9}$/.test(text)) throw new Fault(400, "Invalid days parameter");
    const today = days.dayOf(now());
    const rows = await store.usage.report({ from: shiftDay(today, -Number(text)), to: today, groupBy: [] });
    return success(c, {
      reqs: rows.reduce((sum, row) => sum + row.requests, 0),
      tokens: rows.reduce((sum, row) => sum + row.totalTokens, 0),
    });
  });

  route(app, {
    method: "get",
    path: "/metrics/counts",
    tag,
    summary: "Requests since ever by model: the five with the most, and the others together",
    data: z.array(z.object({ model: z.string(), calls: count })),
  }, async (c) => {
    const counts = await store.usage.callsByModel(SHOWN);
    return success(c, withOthers(counts).map(({ name, calls }) => ({ model: name, calls })));
  });

  route(app, {
    method: "get",
    path: "/metrics/projects",
    tag,
    summary: "Requests since ever by auth key: the five with the most, and the others together",
    data: z.array(z.object({ project: z.string(), calls: count })),
  }, async (c) => {
    const counts = await store.usage.callsByKey(SHOWN);
    return success(c, withOthers(counts).map(({ name, calls }) => ({ project: name, calls })));
  });
}

function withOthers({ top, names, total }: CallCounts): { name: string; calls: number }[] {
  if (names <= top.length) return top;
  const rest = total - top.reduce((sum, { calls }) => sum + calls, 0);
  return [...top, { name: "others", calls: rest }];
}
