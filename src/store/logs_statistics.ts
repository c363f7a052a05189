/** Figures from the rows of the request log themselves, for spans that are no whole days. Lives in the workers. @module */
import { integer, real, type SqlRow, text } from "./columns.ts";
import type { Database } from "./database.ts";
import type { TrafficRow } from "./logs.ts";

/** How the ended attempts of requests that started since then have ended, by model and provider. */
export function trafficSince(database: Database, sinceMs: number): TrafficRow[] {
  const found = new Map<string, TrafficRow>();
  for (const row of database.all(TRAFFIC, sinceMs)) {
    const key = JSON.stringify([text(row["name"]), integer(row["provider_id"]), text(row["provider_name"])]);
    let traffic = found.get(key);
    if (traffic === undefined) found.set(key, traffic = emptyTraffic(row));
    add(traffic, row);
  }
  return [...found.values()];
}

const TRAFFIC = `SELECT name, coalesce(provider_id, 0) AS provider_id, provider_name,
    coalesce(nullif(outcome, ''), status) AS outcome, status = 'success' AS success,
    count(*) AS attempts, total(coalesce(retry, 0) = 0) AS requests, total(total_tokens) AS tokens,
    total(max(0, first_chunk_time + chunk_time - proxy_time)) AS response_ns
  FROM chat_logs
  WHERE started_at_ms >= ? AND +status IS NOT 'running' AND +deleted_at IS NULL
  GROUP BY 1, 2, 3, 4, 5`;

function emptyTraffic(row: SqlRow): TrafficRow {
  return {
    model: text(row["name"]),
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
  traffic.totalTokens += integer(row["tokens"]);
  traffic.outcomes[outcome] = (traffic.outcomes[outcome] ?? 0) + attempts;
  if (integer(row["success"]) === 0) return;
  traffic.successes += attempts;
  traffic.responseMs += real(row["response_ns"]) / 1_000_000;
}

/** Every user agent that has a row, in alphabetical order. Steps from one to the next through their index. */
export function userAgents(database: Database): string[] {
  return database.all(
    `WITH RECURSIVE agents (name) AS (
       SELECT min(user_agent) FROM chat_logs WHERE user_agent > ''
       UNION ALL
       SELECT (SELECT min(user_agent) FROM chat_logs WHERE user_agent > agents.name)
       FROM agents WHERE agents.name IS NOT NULL
     )
     SELECT name FROM agents WHERE name IS NOT NULL`,
  ).map((row) => text(row["name"]));
}
