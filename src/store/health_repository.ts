/** Reads and writes the health of providers. Lives in the workers. @module */
import type { ProviderHealth } from "../health/state.ts";
import {
  bit,
  finite,
  flagOrNull,
  integer,
  integerOrNull,
  realOrNull,
  type SqlRow,
  type SqlValue,
  text,
  time,
  whole,
} from "./columns.ts";
import type { ProviderCheck, ProviderCheckRow, StoredHealth, StoredHealthConfig } from "./health.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";
import { parseTime } from "./time.ts";

/** The column of each part of a verdict, and how it is written there. Parameters are in this order. */
const STATE: readonly [column: string, write: (health: ProviderHealth, session: Session) => SqlValue][] = [
  ["is_healthy", (health) => bit(health.isHealthy)],
  ["error_count", (health) => whole(health.errorCount)],
  ["last_error", (health) => health.lastError ?? ""],
  ["last_status_code", (health) => whole(health.lastStatusCode ?? 0)],
  ["last_validated_at", (health, session) => stamp(health.lastCheckedAt, session)],
  ["last_success_at", (health, session) => stamp(health.lastSuccessAt, session)],
  ["next_retry_at", (health, session) => stamp(health.nextRetryAt, session)],
  ["consecutive_successes", (health) => whole(health.consecutiveSuccesses)],
  ["last_probe_at_ms", (health) => wholeOrNull(health.lastProbeAt)],
  ["last_latency_ms", (health) => health.lastLatencyMs === null ? null : finite(health.lastLatencyMs)],
  ["recovered_at_ms", (health) => wholeOrNull(health.recoveredAt)],
  ["traffic_successes", (health) => whole(health.trafficSuccesses)],
  ["relapses", (health) => whole(health.relapses)],
];
const NAMES = STATE.map(([column]) => column);

// A verdict that arrives after its provider was deleted has nobody to belong to.
const SAVE_STATE = `INSERT INTO provider_validations (created_at, updated_at, provider_id, ${
  NAMES.join(", ")
})
  SELECT ?1, ?1, ?2, ${NAMES.map((_, index) => `?${index + 3}`).join(", ")}
  WHERE EXISTS (SELECT 1 FROM providers WHERE id = ?2 AND deleted_at IS NULL)
  ON CONFLICT (provider_id) DO UPDATE SET updated_at = excluded.updated_at, deleted_at = NULL,
    ${NAMES.map((name) => `${name} = excluded.${name}`).join(", ")}`;

const SAVE_CHECK = `INSERT INTO provider_checks
    (provider_id, checked_at_ms, source, result, status_code, latency_ms, error, model, prompt_tokens, completion_tokens)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
  WHERE EXISTS (SELECT 1 FROM providers WHERE id = ?1 AND deleted_at IS NULL)`;

const CONFIG =
  `SELECT id, created_at, updated_at, enabled, interval_minutes, max_error_count, retry_after_hours,
    retry_after_minutes, skip_if_recent_success
  FROM health_check_configs WHERE deleted_at IS NULL ORDER BY id LIMIT 1`;

const OF_PROVIDER = "provider_id = ?1 AND (?2 IS NULL OR checked_at_ms >= ?2)";

/** The health calls of the store. */
export function healthRepository(session: Session): Synchronous<Store["health"]> {
  const { database } = session;

  const config = (): StoredHealthConfig => toConfig(database.get(CONFIG) ?? {});

  return {
    states: () =>
      database.all(
        `SELECT provider_id, ${NAMES.join(", ")} FROM provider_validations AS state
         WHERE deleted_at IS NULL
           AND EXISTS (SELECT 1 FROM providers WHERE id = state.provider_id AND deleted_at IS NULL)
         ORDER BY provider_id`,
      ).map(toHealth),

    save: ({ states, checks }) => {
      const now = session.stamp();
      for (const { providerId, health } of states) {
        database.run(SAVE_STATE, now, providerId, ...STATE.map(([, write]) => write(health, session)));
      }
      for (const check of checks) database.run(SAVE_CHECK, ...checkValues(check));
    },

    forget: (providerIds) => {
      const list = JSON.stringify(providerIds);
      for (const table of ["provider_validations", "provider_checks"]) {
        database.run(`DELETE FROM ${table} WHERE provider_id IN (SELECT value FROM json_each(?))`, list);
      }
    },

    config,

    setConfig: (fields) => {
      const values = [
        session.stamp(),
        bit(fields.enabled),
        whole(fields.intervalMinutes),
        whole(fields.maxErrorCount),
        whole(fields.retryAfterHours),
        wholeOrNull(fields.retryAfterMinutes),
        bit(fields.skipIfRecentSuccess),
      ];
      const { id } = config();
      if (id === 0) {
        database.run(
          `INSERT INTO health_check_configs (created_at, updated_at, enabled, interval_minutes, max_error_count,
             retry_after_hours, retry_after_minutes, skip_if_recent_success)
           VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
          ...values,
        );
      } else {
        database.run(
          `UPDATE health_check_configs SET updated_at = ?1, enabled = ?2, interval_minutes = ?3, max_error_count = ?4,
             retry_after_hours = ?5, retry_after_minutes = ?6, skip_if_recent_success = ?7
           WHERE id = ?8`,
          ...values,
          id,
        );
      }
      return config();
    },

    checks: ({ providerId, sinceMs }, request) => {
      const since = sinceMs ?? null;
      const rows = database.all(
        `SELECT * FROM provider_checks WHERE ${OF_PROVIDER}
         ORDER BY checked_at_ms DESC, id DESC LIMIT ?3 OFFSET ?4`,
        providerId,
        since,
        request.pageSize,
        offsetOf(request),
      ).map(toCheck);
      const total = database.get(
        `SELECT count(*) AS n FROM provider_checks WHERE ${OF_PROVIDER}`,
        providerId,
        since,
      );
      return { rows, total: integer(total?.["n"]) };
    },

    pruneChecks: ({ beforeMs, perProvider, limit }) => {
      const { changes: old } = database.run(
        `DELETE FROM provider_checks WHERE id IN (
           SELECT id FROM provider_checks WHERE checked_at_ms < ? ORDER BY checked_at_ms LIMIT ?)`,
        beforeMs,
        limit,
      );
      if (old >= limit) return old;
      const crowded = database.get(
        `SELECT provider_id, count(*) AS n FROM provider_checks GROUP BY provider_id HAVING n > ? LIMIT 1`,
        perProvider,
      );
      if (crowded === undefined) return old;
      const { changes: extra } = database.run(
        `DELETE FROM provider_checks WHERE id IN (
           SELECT id FROM provider_checks WHERE provider_id = ? ORDER BY checked_at_ms, id LIMIT ?)`,
        integer(crowded["provider_id"]),
        Math.min(integer(crowded["n"]) - perProvider, limit - old),
      );
      return old + extra;
    },
  };
}

function stamp(epochMs: number | null, session: Session): string | null {
  return epochMs === null ? null : session.format(epochMs);
}

function wholeOrNull(value: number | null): number | null {
  return value === null ? null : whole(value);
}

function checkValues(check: ProviderCheck): SqlValue[] {
  return [
    check.providerId,
    whole(check.checkedAtMs),
    check.source,
    check.result,
    wholeOrNull(check.statusCode),
    check.latencyMs === null ? null : finite(check.latencyMs),
    check.error,
    check.model,
    wholeOrNull(check.promptTokens),
    wholeOrNull(check.completionTokens),
  ];
}

function toHealth(row: SqlRow): StoredHealth {
  const error = text(row["last_error"]);
  const status = integer(row["last_status_code"]);
  return {
    providerId: integer(row["provider_id"]),
    health: {
      isHealthy: flagOrNull(row["is_healthy"]) ?? true,
      errorCount: count(row["error_count"]),
      consecutiveSuccesses: count(row["consecutive_successes"]),
      lastError: error === "" ? null : error,
      lastStatusCode: status === 0 ? null : status,
      lastCheckedAt: parseTime(text(row["last_validated_at"])),
      lastProbeAt: integerOrNull(row["last_probe_at_ms"]),
      lastSuccessAt: parseTime(text(row["last_success_at"])),
      lastLatencyMs: realOrNull(row["last_latency_ms"]),
      nextRetryAt: parseTime(text(row["next_retry_at"])),
      recoveredAt: integerOrNull(row["recovered_at_ms"]),
      trafficSuccesses: count(row["traffic_successes"]),
      relapses: count(row["relapses"]),
    },
  };
}

/** The bounds are those of the admin API; the fork takes any figure, and scripts write what they like. */
function toConfig(row: SqlRow): StoredHealthConfig {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    config: {
      enabled: flagOrNull(row["enabled"]) ?? true,
      intervalMinutes: within(1, 1440, integerOrNull(row["interval_minutes"]) ?? 5),
      maxErrorCount: within(1, 100, integerOrNull(row["max_error_count"]) ?? 5),
      retryAfterHours: within(1, 168, integerOrNull(row["retry_after_hours"]) ?? 1),
      retryAfterMinutes: boundedOrNull(1, 10_080, integerOrNull(row["retry_after_minutes"])),
      skipIfRecentSuccess: flagOrNull(row["skip_if_recent_success"]) ?? true,
    },
  };
}

function toCheck(row: SqlRow): ProviderCheckRow {
  return {
    id: integer(row["id"]),
    providerId: integer(row["provider_id"]),
    checkedAtMs: integer(row["checked_at_ms"]),
    source: text(row["source"]),
    result: text(row["result"]),
    statusCode: integerOrNull(row["status_code"]),
    latencyMs: realOrNull(row["latency_ms"]),
    error: text(row["error"]),
    model: text(row["model"]),
    promptTokens: integerOrNull(row["prompt_tokens"]),
    completionTokens: integerOrNull(row["completion_tokens"]),
  };
}

function count(value: SqlValue | undefined): number {
  return Math.max(0, integer(value));
}

function within(min: number, max: number, value: number): number {
  return Math.min(Math.max(value, min), max);
}

function boundedOrNull(min: number, max: number, value: number | null): number | null {
  return value === null ? null : within(min, max, value);
}
