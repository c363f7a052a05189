/**
 * The admin API: `/api`, JSON, llmio's envelope.
 *
 * @module
 */
import { Hono } from "@hono/hono";
import type { Context } from "@hono/hono";
import { OpenAPIHono } from "@hono/zod-openapi";
import { getLogger } from "@logtape/logtape";
import { requireAdmin } from "../access/admin_tokens.ts";
import { withoutSecrets } from "../access/scrub.ts";
import { adminTokenRoutes } from "./admin_tokens.ts";
import { associationRoutes } from "./associations.ts";
import { auditRoutes } from "./audit.ts";
import { authKeyRoutes } from "./auth_keys.ts";
import { AuditTrail } from "./audit_trail.ts";
import { batchDeleteRoutes } from "./batch_delete.ts";
import { configExportRoutes } from "./config_export.ts";
import { configImportRoutes } from "./config_import.ts";
import { configRoutes } from "./configs.ts";
import { connectivityRoutes } from "./connectivity.ts";
import type { AdminContext, AdminDependencies } from "./context.ts";
import { failure, Fault } from "./envelope.ts";
import { dashboardRoutes } from "./dashboard.ts";
import { explainRoutes } from "./explain.ts";
import { healthRoutes } from "./health.ts";
import { keyRoutes } from "./keys.ts";
import { logCleanupRoutes } from "./log_cleanup.ts";
import { logExportRoutes } from "./log_export.ts";
import { logRoutes } from "./logs.ts";
import { metricsCountRoutes } from "./metrics_counts.ts";
import { modelRoutes } from "./models.ts";
import { openapiRoutes } from "./openapi.ts";
import { orchestrationImportRoutes } from "./orchestration_import.ts";
import { providerRoutes } from "./providers.ts";
import { providerValidationRoutes } from "./provider_validation.ts";
import { smartRoutingRoutes } from "./smart_routing.ts";
import { answerUnmatched } from "./unmatched.ts";
import { usageRoutes } from "./usage.ts";
import { versionRoutes } from "./version.ts";
import { workbookRoutes } from "./workbook_import.ts";
import { Writes } from "./writes.ts";

const log = getLogger(["llmio", "admin"]);

/**
 * The admin API as an app to mount: `server.route("/api", adminApp(…))`.
 *
 * Its routes live in an app of their own, because a mounted app's answers to unknown paths and its reading of
 * trailing slashes would be those of the app that it is mounted in.
 */
export function adminApp(dependencies: AdminDependencies): Hono {
  const routes = adminRoutes(dependencies);
  return new Hono().all("*", (c) => routes.fetch(c.req.raw, c.env as object));
}

/** The routes themselves, with whole paths (`/api/providers`). */
export function adminRoutes(dependencies: AdminDependencies): OpenAPIHono {
  const context: AdminContext = {
    ...dependencies,
    onRoutingChange: () => dependencies.onRoutingChange(),
    now: () => dependencies.now(),
    listModels: (provider, limitMs) => dependencies.listModels(provider, limitMs),
    writes: new Writes(() => dependencies.onRoutingChange()),
  };
  const app = new OpenAPIHono({ strict: false });
  app.use(keepFromCaches);
  app.use(requireAdmin(context));
  app.use(new AuditTrail({ ...context, audit: context.store.audit }).attach);
  versionRoutes(app, context);
  healthRoutes(app, context);
  providerRoutes(app, context);
  modelRoutes(app, context);
  associationRoutes(app, context);
  batchDeleteRoutes(app, context);
  providerValidationRoutes(app, context);
  connectivityRoutes(app, context);
  logRoutes(app, context);
  logExportRoutes(app, context);
  logCleanupRoutes(app, context);
  metricsCountRoutes(app, context);
  usageRoutes(app, context);
  dashboardRoutes(app, context);
  keyRoutes(app, context);
  authKeyRoutes(app, context);
  smartRoutingRoutes(app, context);
  configExportRoutes(app, context);
  configImportRoutes(app, context);
  workbookRoutes(app, context);
  orchestrationImportRoutes(app, context);
  configRoutes(app, context);
  explainRoutes(app, context);
  adminTokenRoutes(app, context);
  auditRoutes(app, context);
  openapiRoutes(app, context);
  app.notFound((c) => answerUnmatched(c, app));
  app.onError(answerError);
  return app;
}

/** Answers name providers, prices and masks: they belong into no cache. */
async function keepFromCaches(c: Context, next: () => Promise<void>): Promise<void> {
  await next();
  c.header("Cache-Control", "no-store");
}

/** Turns what a handler threw into an answer. The text of an unforeseen error may hold anything, so it is only logged. */
function answerError(error: Error, c: Context): Response {
  if (error instanceof Fault) {
    if (error.status >= 500) log.warn("{message}", { message: error.message, error: error.cause });
    // It may quote a vendor, or what was sent in a wrong field.
    return failure(c, new Fault(error.status, withoutSecrets(error.message)));
  }
  log.error("Admin request failed: {method} {path}", { method: c.req.method, path: c.req.path, error });
  return failure(c, new Fault(500, "Internal error; the log says more"));
}
