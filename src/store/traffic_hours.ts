/**
 * What has happened lately, by the hour (table `traffic_hours`): of a day of a million rows, a report reads some
 * hundreds of these and the log rows of one begun hour. Lives in the workers.
 *
 * @module
 */
import { integer, real, type SqlRow, text } from "./columns.ts";
import type { Database } from "./database.ts";
import type { LogInsert, TrafficRow } from "./logs.ts";
import type { Session } from "./session.ts";
import { responseMs } from "./usage_recording.ts";

const HOUR_MS = 3_600_000;
/** Whole hours that are kept: those of a day, and what clocks that were set may need. */
const KEPT_MS = 26 * HOUR_MS;

const INTO = `INSERT INTO traffic_hours
    (hour_ms, model, provider_id, provider_name, outcome, success, requests, attempts, total_tokens, response_ms)`;
const ADDING = `ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests,
    attempts = attempts + excluded.attempts,
    total_tokens = total_tokens + excluded.total_tokens,
    response_ms = response_ms + excluded.response_ms`;
const ADD = `${INTO} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ${ADDING}`;

/** Attempts of an hour that have everything in common but their figures. */
interface Group {
  readonly key: readonly [
    hourMs: number,
    model: string,
    providerId: number,
    providerName: string,
    outcome: string,
    success: 0 | 1,
  ];
  requests: number;
  attempts: number;
  totalTokens: number;
  responseMs: number;
}

/** Adds finished attempts to the hours in which they started, and forgets hours that no report asks for any more. */
export function recordHours({ database, nowMs }: Session, logs: readonly LogInsert[]): void {
  if (logs.length === 0) return;
  for (const { key, requests, attempts, totalTokens, responseMs } of groups(logs)) {
    database.run(ADD, ...key, requests, attempts, totalTokens, responseMs);
  }
  database.run("DELETE FROM traffic_hours WHERE hour_ms < ?", nowMs - KEPT_MS);
}

function groups(logs: Iterable<LogInsert>): Iterable<Group> {
  const found = new Map<string, Group>();
  for (const log of logs) {
    if (log.status === "running") continue;
    const key: Group["key"] = [
      Math.floor(log.startedAtMs / HOUR_MS) * HOUR_MS,
      log.name,
      log.providerId ?? 0,
      log.providerName,
      log.outcome || log.status,
      log.status === "success" ? 1 : 0,
    ];
    const name = JSON.stringify(key);
    let group = found.get(name);
    if (group === undefined) {
      found.set(name, group = { key, requests: 0, attempts: 0, totalTokens: 0, responseMs: 0 });
    }
    if (log.retry === 0) group.requests++;
    group.attempts++;
    group.totalTokens += log.totalTokens;
    group.responseMs += responseMs(log);
  }
  return found.values();
}

/** What log rows come to, as a row of `traffic_hours` tells it. Old columns hold whatever scripts put there. */
const FROM_ROWS = `coalesce(CAST(name AS text), '') AS model,
    coalesce(provider_id, 0) AS provider_id,
    coalesce(CAST(provider_name AS text), '') AS provider_name,
    coalesce(nullif(CAST(outcome AS text), ''), CAST(status AS text), '') AS outcome,
    status IS 'success' AS success,
    sum(coalesce(retry, 0) = 0) AS requests,
    count(*) AS attempts,
    CAST(min(total(total_tokens), 1e15) AS integer) AS total_tokens,
    total(max(0, first_chunk_time + chunk_time - proxy_time)) / 1e6 AS response_ms
  FROM chat_logs
  WHERE started_at_ms >= ?1 AND started_at_ms < ?2 AND +status IS NOT 'running' AND +deleted_at IS NULL`;

/** Fills the hours of a file that has none yet. What they know of rows that are gone cannot be made again. */
export function fillHours(database: Database): void {
  if (database.get("SELECT 1 FROM traffic_hours LIMIT 1") === undefined) addToHours(database, null);
}

/** Adds rows that came in without their hours, as an old program's do. @param ids a JSON list; `null` = all rows */
export function addToHours(database: Database, ids: string | null): void {
  const newest = database.get("SELECT max(started_at_ms) AS ms FROM chat_logs")?.["ms"];
  if (newest === null) return;
  const newestMs = integer(newest);
  database.run(
    `${INTO}
     SELECT started_at_ms / ${HOUR_MS} * ${HOUR_MS} AS hour_ms, ${FROM_ROWS}
       AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))
     GROUP BY 1, 2, 3, 4, 5, 6 ${ADDING}`,
    newestMs - KEPT_MS,
    newestMs + 1,
    ids,
  );
}

const WHOLE_HOURS = `SELECT model, provider_id, provider_name, outcome, success, sum(requests) AS requests,
    sum(attempts) AS attempts, sum(total_tokens) AS total_tokens, total(response_ms) AS response_ms
  FROM traffic_hours WHERE hour_ms >= ? GROUP BY 1, 2, 3, 4, 5`;

/** How the ended attempts that started since then have ended, by model and provider. */
export function trafficSince(database: Database, sinceMs: number): TrafficRow[] {
  const wholeMs = Math.ceil(sinceMs / HOUR_MS) * HOUR_MS;
  const begun = database.all(`SELECT ${FROM_ROWS} GROUP BY 1, 2, 3, 4, 5`, sinceMs, wholeMs);
  const found = new Map<string, TrafficRow>();
  for (const row of [...begun, ...database.all(WHOLE_HOURS, wholeMs)]) {
    const key = JSON.stringify([text(row["model"]), integer(row["provider_id"]), text(row["provider_name"])]);
    let traffic = found.get(key);
    if (traffic === undefined) found.set(key, traffic = emptyTraffic(row));
    add(traffic, row);
  }
  return [...found.values()];
}

function emptyTraffic(row: SqlRow): TrafficRow {
  return {
    model: text(row["model"]),
    providerId: integer(row["provider_id"]),
    providerName: text(row["provider_name"]),
    requests: 0,
    attempts: 0,
    successes: 0,
    totalTokens: 0,
    responseMs: 0,
    outcomes: {},
  };
}

function add(traffic: TrafficRow, row: SqlRow): void {
  const attempts = integer(row["attempts"]);
  const outcome = text(row["outcome"]);
  traffic.requests += integer(row["requests"]);
  traffic.attempts += attempts;
  traffic.totalTokens += integer(row["total_tokens"]);
  traffic.outcomes[outcome] = (traffic.outcomes[outcome] ?? 0) + attempts;
  if (integer(row["success"]) === 0) return;
  traffic.successes += attempts;
  traffic.responseMs += real(row["response_ms"]);
}
