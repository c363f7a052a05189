/** `GET /metrics`: Prometheus' scrape, behind the same door as the admin API. @module */
import process from "node:process";
import { Hono } from "@hono/hono";
import { type AdminToken, requireAdminToken } from "../access/admin_token.ts";
import { requireLoopbackHost } from "../access/host_guard.ts";
import { EXPOSITION_TYPE } from "../accounting/exposition.ts";
import type { ProcessMoment } from "../accounting/metrics.ts";
import type { Gateway } from "./dispatch.ts";
import { providerMoments } from "./provider_moments.ts";

/** What the route needs. */
export interface MetricsRouteOptions {
  readonly gateway: Gateway;
  /** `null` = no token is set. */
  readonly token: AdminToken | null;
  /** The gateway's own version. */
  readonly version: string;
}

/** An app with the one route. */
export function metricsRoute({ gateway, token, version }: MetricsRouteOptions): Hono {
  const app = new Hono();
  const guard = token === null ? requireLoopbackHost() : requireAdminToken(token);
  app.get("/metrics", guard, (c) => {
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
