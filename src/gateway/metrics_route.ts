/** `GET /metrics`: Prometheus' scrape, behind the same door as the admin API. @module */
import process from "node:process";
import { Hono } from "@hono/hono";
import { type AdminAccess, requireAdmin } from "../access/admin_tokens.ts";
import { EXPOSITION_TYPE } from "../accounting/exposition.ts";
import type { ProcessMoment } from "../accounting/metrics.ts";
import type { Gateway } from "./client_request.ts";
import { providerMoments } from "./provider_moments.ts";

/** What the route needs. */
export interface MetricsRouteOptions extends AdminAccess {
  readonly gateway: Gateway;
  /** The gateway's own version. */
  readonly version: string;
}

/** An app with the one route. */
export function metricsRoute({ gateway, version, ...access }: MetricsRouteOptions): Hono {
  const app = new Hono();
  app.get("/metrics", requireAdmin(access), (c) => {
    const { metrics, recorder, active, live } = gateway;
    const text = metrics.render({
      version,
      requestsUnderWay: active.count,
      recorder,
      providers: providerMoments(metrics.providerIds, gateway.table(), live, Date.now()),
      process: processMoment(),
    });
    return c.body(text, 200, { "content-type": EXPOSITION_TYPE, "cache-control": "no-store" });
  });
  return app;
}

/** What the runtime tells without further permissions; open files and system load would need some. */
function processMoment(): ProcessMoment {
  const { user, system } = process.cpuUsage();
  return {
    deno: Deno.version.deno,
    startedAt: performance.timeOrigin,
    residentBytes: Deno.memoryUsage().rss,
    cpuSeconds: (user + system) / 1_000_000,
  };
}
