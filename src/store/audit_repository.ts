/** Reads and writes table `audit_log`. Lives in the workers. @module */
import type { AuditChanges, AuditFilter, AuditRow } from "./audit.ts";
import { integer, jsonObject, type SqlRow, type SqlValue, text, whole } from "./columns.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** Parts of a statement are joined from these constants and nothing else. */
const CONDITIONS: Readonly<Record<keyof AuditFilter, string>> = {
  actor: "actor = ?",
  action: "action = ?",
  resource: "resource = ?",
  resourceId: "resource_id = ?",
  fromMs: "at_ms >= ?",
  toMs: "at_ms < ?",
  beforeId: "id < ?",
};

/** The audit log's calls of the store. */
export function auditRepository({ database }: Session): Synchronous<Store["audit"]> {
  return {
    add: (entry) => {
      database.run(
        `INSERT INTO audit_log (at_ms, actor, remote_ip, action, resource, resource_id, resource_name, changes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        whole(entry.atMs),
        entry.actor,
        entry.remoteIp,
        entry.action,
        entry.resource,
        entry.resourceId,
        entry.resourceName,
        JSON.stringify(entry.changes),
      );
    },

    page: (filter, request) => {
      const { where, values } = conditionsOf(filter);
      const { beforeId: _, ...counted } = filter;
      const all = conditionsOf(counted);
      return {
        rows: database.all(
          `SELECT * FROM audit_log WHERE ${where} ORDER BY id DESC LIMIT ? OFFSET ?`,
          ...values,
          request.pageSize,
          offsetOf(request),
        ).map(toRow),
        total: integer(
          database.get(`SELECT count(*) AS n FROM audit_log WHERE ${all.where}`, ...all.values)?.["n"],
        ),
      };
    },

    prune: ({ beforeMs, keep, limit }) => {
      const old = database.run(
        `DELETE FROM audit_log WHERE id IN (
           SELECT id FROM audit_log WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`,
        whole(beforeMs),
        limit,
      ).changes;
      const spare = database.run(
        `DELETE FROM audit_log WHERE id IN (
           SELECT id FROM audit_log
           WHERE id <= (SELECT id FROM audit_log ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id LIMIT ?)`,
        keep,
        limit - old,
      ).changes;
      return old + spare;
    },
  };
}

function conditionsOf(filter: AuditFilter): { where: string; values: SqlValue[] } {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  for (const [field, condition] of Object.entries(CONDITIONS) as [keyof AuditFilter, string][]) {
    const value = filter[field];
    if (value === undefined) continue;
    parts.push(condition);
    values.push(value);
  }
  return { where: parts.length === 0 ? "TRUE" : parts.join(" AND "), values };
}

function toRow(row: SqlRow): AuditRow {
  return {
    id: integer(row["id"]),
    atMs: integer(row["at_ms"]),
    actor: text(row["actor"]),
    remoteIp: text(row["remote_ip"]),
    action: text(row["action"]),
    resource: text(row["resource"]),
    resourceId: text(row["resource_id"]),
    resourceName: text(row["resource_name"]),
    changes: (jsonObject(row["changes"]) ?? {}) as AuditChanges,
  };
}
