/** The audit log: who has changed what. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { AuditFilter, AuditRow } from "../store/audit.ts";
import type { AdminContext } from "./context.ts";
import { success } from "./envelope.ts";
import { momentQuery } from "./log_query.ts";
import { idQuery, pageData, pageRequest, pageSchema, pagingQuery, textQuery } from "./query.ts";
import { route } from "./route.ts";

const auditQuery = z.object({
  ...pagingQuery,
  actor: textQuery("Who: admin, a token's name, or local."),
  action: textQuery("What was done, such as provider.update."),
  resource: textQuery("Kind of what it was done to, such as provider."),
  resource_id: textQuery("Its id."),
  from: momentQuery("invalid from parameter", "Only changes at this time or later"),
  to: momentQuery("invalid to parameter", "Only changes before this time"),
  before_id: idQuery("invalid before_id parameter", "Only rows with smaller ids; the total stays as it is."),
});

const auditSchema = z.object({
  id: z.int(),
  at: z.iso.datetime(),
  actor: z.string().openapi({ description: "admin for TOKEN, else the token's name; local without any." }),
  remote_ip: z.string().openapi({ description: "Empty = unknown." }),
  action: z.string(),
  resource: z.string(),
  resource_id: z.string().openapi({
    description: "Those of several are separated by commas; empty = there is only one of the kind.",
  }),
  resource_name: z.string().openapi({ description: "The name that it had then." }),
  changes: z.record(z.string(), z.array(z.unknown()).length(2)).openapi({
    description:
      "For each field that differs its value before and after, secrets masked; null = there is none.",
  }),
}).openapi("AuditEntry");

/** Registers the route. */
export function auditRoutes(app: OpenAPIHono, { store }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/audit",
    tag: "access",
    summary: "Changes that were made through this API, newest first",
    query: auditQuery,
    data: pageSchema(auditSchema),
  }, async (c, query) => {
    const request = pageRequest(query);
    return success(c, pageData(await store.audit.page(filterOf(query), request), request, auditRow));
  });
}

function filterOf(query: z.output<typeof auditQuery>): AuditFilter {
  const filter = {
    actor: query.actor,
    action: query.action,
    resource: query.resource,
    resourceId: query.resource_id,
    fromMs: query.from,
    toMs: query.to,
    beforeId: query.before_id,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

function auditRow(row: AuditRow) {
  return {
    id: row.id,
    at: new Date(row.atMs).toISOString(),
    actor: row.actor,
    remote_ip: row.remoteIp,
    action: row.action,
    resource: row.resource,
    resource_id: row.resourceId,
    resource_name: row.resourceName,
    changes: row.changes,
  };
}
