/** Turns filters of the request log into conditions. Lives in the workers. @module */
import { integer, type SqlValue } from "./columns.ts";
import type { Database } from "./database.ts";
import type { LogFilter, LogSpan } from "./logs.ts";

/** A condition on `chat_logs` with its values. */
export interface Conditions {
  where: string;
  values: SqlValue[];
}

/**
 * What rows are read for. `count` lets the planner take whichever index fits best. `walk` reads newest first and
 * stops early: there the index of times must not be used, since its rows would have to be sorted by id first, all of
 * them; {@linkcode narrowed} bounds the ids instead.
 */
export type Purpose = "count" | "walk";

/** Parts of a statement are joined from these constants and nothing else. */
const EXACT: { readonly [Field in keyof LogFilter]?: string } = {
  id: "id = ?",
  providerName: "provider_name = ?",
  name: "name = ?",
  status: "status = ?",
  style: "style = ?",
  providerModel: "provider_model = ?",
  authKeyId: "auth_key_id = ?",
  traceId: "trace_id = ?",
  sessionId: "session_id = ?",
  outcome: "outcome = ?",
  beforeId: "id < ?",
  sinceId: "id >= ?",
};

/** The plus keeps the index of the column from being used. */
const TIMES: Readonly<Record<Purpose, { readonly [Field in keyof LogFilter]?: string }>> = {
  count: { fromMs: "started_at_ms >= ?", toMs: "started_at_ms < ?" },
  walk: { fromMs: "+started_at_ms >= ?", toMs: "+started_at_ms < ?" },
};

/** The condition of a filter; only rows that nobody has deleted meet it. */
export function conditionsOf(database: Database, filter: LogFilter, purpose: Purpose): Conditions {
  const exists = (condition: string): boolean =>
    database.get(`SELECT 1 FROM chat_logs WHERE ${condition} LIMIT 1`) !== undefined;
  const parts: string[] = [];
  const values: SqlValue[] = [];
  const all = Object.entries({ ...EXACT, ...TIMES[purpose] }) as [keyof LogFilter, string][];
  for (const [field, condition] of all) {
    const value = filter[field];
    if (value === undefined) continue;
    // Rows of the fork have no key, which is key 0. Asking for them too keeps the index from being used.
    if (field === "authKeyId" && value === 0 && exists("auth_key_id IS NULL")) {
      parts.push("coalesce(auth_key_id, 0) = 0");
      continue;
    }
    parts.push(condition);
    values.push(value);
  }
  // With one filter its index alone can answer, as long as no row must be looked at for being deleted; only the
  // fork has ever soft-deleted log rows. The plus keeps the index of that column, which tells nothing apart, from
  // being chosen instead.
  if (parts.length === 0) parts.push("deleted_at IS NULL");
  else if (exists("deleted_at IS NOT NULL")) parts.push("+deleted_at IS NULL");
  return { where: parts.join(" AND "), values };
}

/** The ids of the rows within the filter's times; `null` when there are none. Answered by one index alone. */
export function spanOf(database: Database, filter: LogFilter): LogSpan | null {
  const { fromMs, toMs } = filter;
  const limits: [condition: string, value: number][] = [];
  if (fromMs !== undefined) limits.push(["started_at_ms >= ?", fromMs]);
  if (toMs !== undefined) limits.push(["started_at_ms < ?", toMs]);
  const row = limits.length === 0
    ? database.get("SELECT (SELECT min(id) FROM chat_logs) AS first, (SELECT max(id) FROM chat_logs) AS last")
    : database.get(
      `SELECT min(id) AS first, max(id) AS last FROM chat_logs INDEXED BY idx_chat_logs_started_at_ms
       WHERE ${limits.map(([condition]) => condition).join(" AND ")}`,
      ...limits.map(([, value]) => value),
    );
  if (row === undefined || row["last"] === null) return null;
  return { firstId: integer(row["first"]), lastId: integer(row["last"]) };
}

/** The same filter with its times told as ids too, so that reading newest first ends where the times end. */
export function narrowed(database: Database, filter: LogFilter): LogFilter | null {
  if (filter.fromMs === undefined && filter.toMs === undefined) return filter;
  const span = spanOf(database, filter);
  if (span === null) return null;
  return {
    ...filter,
    sinceId: Math.max(filter.sinceId ?? 0, span.firstId),
    beforeId: Math.min(filter.beforeId ?? Infinity, span.lastId + 1),
  };
}
