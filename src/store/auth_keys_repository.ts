/** Reads and writes table `auth_keys`. Lives in the workers. @module */
import type { AuthKey, AuthKeyFields, BudgetBaseline, Costs, KeySpending, RecentUse } from "./auth_keys.ts";
import {
  bit,
  finite,
  flag,
  flagOrNull,
  integer,
  integerOrNull,
  jsonList,
  jsonObject,
  real,
  realOrNull,
  type SqlRow,
  type SqlValue,
  text,
  time,
  whole,
} from "./columns.ts";
import { nameCheck } from "./names.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import { MissingReference, type Store } from "./store.ts";
import { toRfc3339 } from "./time.ts";

/** Part of a key that an operator changes. */
type Patch = Partial<AuthKeyFields>;

/** The column of each field, and how its value is written there. Parameters are in this order. */
const FIELDS: readonly [column: string, write: (patch: Patch) => SqlValue | undefined][] = [
  ["name", (patch) => patch.name],
  ["status", (patch) => given(patch.status, bit)],
  ["io_log", (patch) => given(patch.ioLog, bit)],
  ["allow_all", (patch) => given(patch.allowAll, bit)],
  ["models", (patch) => given(patch.models, JSON.stringify)],
  ["expires_at", (patch) => given(patch.expiresAt, storedTime)],
  ["requests_per_minute", (patch) => given(patch.requestsPerMinute, whole)],
  ["tokens_per_minute", (patch) => given(patch.tokensPerMinute, whole)],
  ["max_concurrent", (patch) => given(patch.maxConcurrent, whole)],
  ["budget_day", (patch) => given(patch.budgetDay, finite)],
  ["budget_month", (patch) => given(patch.budgetMonth, finite)],
  ["budget_total", (patch) => given(patch.budgetTotal, finite)],
  ["budget_currency", (patch) => patch.budgetCurrency],
  ["providers", (patch) => given(patch.providers, JSON.stringify)],
  ["tags", (patch) => given(patch.tags, JSON.stringify)],
];
const NAMES = FIELDS.map(([column]) => column);

/** What is shown of a key that an old program has stored; `access/key_text.ts` says it for the others. */
const MASK = `CASE
  WHEN coalesce(key_mask, '') <> '' THEN key_mask
  WHEN coalesce(key, '') = '' THEN ''
  WHEN substr(key, 1, 9) = 'sk-llmio-' THEN 'sk-llmio-****' || iif(length(key) >= 21, substr(key, -4), '')
  ELSE '****' || iif(length(key) >= 12, substr(key, -4), '') END`;

const COLUMNS =
  `id, created_at, updated_at, key, key_hash, ${MASK} AS shown_mask, previous_hash, previous_until_ms,
  budget_baseline, usage_count, last_used_at, ${NAMES.join(", ")}`;

/** Whether a flag of an old row is set. */
const isSet = (column: string) => `(lower(coalesce(${column}, '0')) NOT IN ('0', '0.0', 'false'))`;

// A part of a plain key counts from 16 characters on: else it could be felt out letter by letter by who may search.
const MATCHES = `deleted_at IS NULL
  AND (?1 IS NULL OR instr(lower(name), lower(?1)) > 0 OR instr(lower(${MASK}), lower(?1)) > 0
    OR length(?1) >= 16 AND instr(key, ?1) > 0)
  AND (?2 IS NULL OR ${isSet("status")} = ?2)
  AND (?3 IS NULL OR ${isSet("allow_all")} = ?3)
  AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(iif(json_valid(tags), tags, '[]')) WHERE value = ?4))`;

/** The auth keys' calls of the store. */
export function authKeysRepository(session: Session): Synchronous<Store["authKeys"]> {
  return { ...reading(session), ...writing(session), ...usage(session) };
}

type Calls = Synchronous<Store["authKeys"]>;

function reading({ database }: Session): Pick<Calls, "page" | "list" | "get"> {
  return {
    page: (filter, request) => {
      const values = [
        filter.search ?? null,
        given(filter.active, bit) ?? null,
        given(filter.allowAll, bit) ?? null,
        filter.tag ?? null,
      ];
      const rows = database.all(
        `SELECT ${COLUMNS} FROM auth_keys WHERE ${MATCHES} ORDER BY id DESC LIMIT ?5 OFFSET ?6`,
        ...values,
        request.pageSize,
        offsetOf(request),
      );
      const total = database.get(`SELECT count(*) AS n FROM auth_keys WHERE ${MATCHES}`, ...values);
      return { rows: rows.map(toAuthKey), total: integer(total?.["n"]) };
    },

    list: () =>
      database.all(`SELECT ${COLUMNS} FROM auth_keys WHERE deleted_at IS NULL ORDER BY id`).map(toAuthKey),

    get: (id) => {
      const row = database.get(`SELECT ${COLUMNS} FROM auth_keys WHERE id = ? AND deleted_at IS NULL`, id);
      return row === undefined ? null : toAuthKey(row);
    },
  };
}

function writing(
  session: Session,
): Pick<Calls, "create" | "update" | "rotate" | "rehash" | "resetBudget" | "remove"> {
  const { database } = session;
  const { get } = reading(session);
  const claimName = nameCheck(database, "auth_keys");

  return {
    create: (fields, { hash, mask }) => {
      claimName(fields.name);
      refuseMissingProviders(session, fields.providers);
      const now = session.stamp();
      const row = database.get(
        `INSERT INTO auth_keys (created_at, updated_at, key_hash, key_mask, usage_count, ${NAMES.join(", ")})
         VALUES (?, ?, ?, ?, 0, ${NAMES.map(() => "?").join(", ")}) RETURNING ${COLUMNS}`,
        now,
        now,
        hash,
        mask,
        ...FIELDS.map(([, write]) => write(fields) ?? null),
      );
      return toAuthKey(row ?? {});
    },

    update: (id, patch) => {
      const stored = get(id);
      if (stored === null) return null;
      // Old files may hold a name twice; its holders can still be changed.
      if (patch.name !== undefined && patch.name !== stored.name) claimName(patch.name, id);
      refuseMissingProviders(session, patch.providers);
      const changes = FIELDS.map(([column, write]) => [column, write(patch)] as const)
        .filter((change): change is [string, SqlValue] => change[1] !== undefined);
      database.run(
        `UPDATE auth_keys SET updated_at = ?${changes.map(([column]) => `, ${column} = ?`).join("")}
         WHERE id = ?`,
        session.stamp(),
        ...changes.map(([, value]) => value),
        id,
      );
      return get(id);
    },

    rotate: (id, { hash, mask, previousHash, previousUntilMs }) => {
      // NULL and not "": the old program must not find a key by an empty credential.
      database.run(
        `UPDATE auth_keys SET updated_at = ?, key = NULL, key_hash = ?, key_mask = ?, previous_hash = ?,
           previous_until_ms = ?
         WHERE id = ? AND deleted_at IS NULL`,
        session.stamp(),
        hash,
        mask,
        previousHash,
        whole(previousUntilMs),
        id,
      );
      return get(id);
    },

    rehash: (hashes) => {
      let changed = 0;
      for (const { id, hash, mask } of hashes) {
        // A key that was rotated in the meantime has a hash of its own.
        changed += database.run(
          `UPDATE auth_keys SET updated_at = ?, key = NULL, key_hash = ?, key_mask = ?
           WHERE id = ? AND deleted_at IS NULL AND coalesce(key, '') <> ''`,
          session.stamp(),
          hash,
          mask,
          id,
        ).changes;
      }
      return changed;
    },

    resetBudget: (id, baseline) => {
      database.run(
        "UPDATE auth_keys SET updated_at = ?, budget_baseline = ? WHERE id = ? AND deleted_at IS NULL",
        session.stamp(),
        JSON.stringify(baseline),
        id,
      );
      return get(id);
    },

    remove: (id) =>
      database.run(
        "UPDATE auth_keys SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL",
        session.stamp(),
        id,
      ).changes > 0,
  };
}

function usage({ database }: Session): Pick<Calls, "spending" | "recentUse"> {
  return {
    spending: (date, authKeyId) =>
      database.all(
        `SELECT auth_key_id, currency, total(iif(day = ?1, cost, 0)) AS day,
           total(iif(substr(day, 1, 7) = substr(?1, 1, 7), cost, 0)) AS month, total(cost) AS total
         FROM usage_days WHERE auth_key_id > 0 AND (?2 IS NULL OR auth_key_id = ?2)
         GROUP BY auth_key_id, currency ORDER BY auth_key_id, currency`,
        date,
        authKeyId ?? null,
      ).map(toSpending),

    // The signs keep the index of keys out of it: a minute holds few rows, all keys together millions.
    recentUse: (sinceMs) =>
      database.all(
        `SELECT auth_key_id, started_at_ms / 1000 AS second, sum(coalesce(retry, 0) = 0) AS requests,
           total(total_tokens) AS tokens
         FROM chat_logs WHERE started_at_ms >= ? AND +auth_key_id > 0
         GROUP BY +auth_key_id, second ORDER BY +auth_key_id, second`,
        whole(sinceMs),
      ).map(toRecentUse),
  };
}

function refuseMissingProviders({ database }: Session, ids: readonly number[] | null | undefined): void {
  for (const id of ids ?? []) {
    const row = database.get("SELECT 1 FROM providers WHERE id = ? AND deleted_at IS NULL", id);
    if (row === undefined) throw new MissingReference("providers", id);
  }
}

/** `null` stays `null`, which is a value here; `undefined` is none. */
function given<Value>(
  value: Value | null | undefined,
  write: (value: Value) => SqlValue,
): SqlValue | undefined {
  if (value === undefined) return undefined;
  return value === null ? null : write(value);
}

/** RFC 3339 as the old program stores a time, with the offset that it came with. */
function storedTime(rfc3339: string): string {
  return rfc3339.replace(/t/i, " ").replace(/z$/i, "+00:00");
}

function toAuthKey(row: SqlRow): AuthKey {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    name: text(row["name"]),
    status: flagOrNull(row["status"]),
    ioLog: flag(row["io_log"]),
    allowAll: flag(row["allow_all"]),
    models: strings(row["models"]),
    // What is no time reads as one that is long past: a damaged row must not open what it was to close.
    expiresAt: row["expires_at"] === null ? null : time(row["expires_at"]),
    requestsPerMinute: integerOrNull(row["requests_per_minute"]),
    tokensPerMinute: integerOrNull(row["tokens_per_minute"]),
    maxConcurrent: integerOrNull(row["max_concurrent"]),
    budgetDay: realOrNull(row["budget_day"]),
    budgetMonth: realOrNull(row["budget_month"]),
    budgetTotal: realOrNull(row["budget_total"]),
    budgetCurrency: text(row["budget_currency"]) === "CNY" ? "CNY" : "USD",
    providers: providerIds(row["providers"]),
    tags: strings(row["tags"]),
    key: text(row["key"]),
    hash: text(row["key_hash"]),
    mask: text(row["shown_mask"]),
    previousHash: text(row["previous_hash"]),
    previousUntilMs: integer(row["previous_until_ms"]),
    budgetBaseline: baseline(row["budget_baseline"]),
    usageCount: integer(row["usage_count"]),
    lastUsedAt: toRfc3339(text(row["last_used_at"])),
  };
}

function toSpending(row: SqlRow): KeySpending {
  return {
    authKeyId: integer(row["auth_key_id"]),
    currency: text(row["currency"]),
    day: real(row["day"]),
    month: real(row["month"]),
    total: real(row["total"]),
  };
}

function toRecentUse(row: SqlRow): RecentUse {
  return {
    authKeyId: integer(row["auth_key_id"]),
    second: integer(row["second"]),
    requests: integer(row["requests"]),
    tokens: integer(row["tokens"]),
  };
}

function strings(value: SqlValue | undefined): string[] {
  return (jsonList(value) ?? []).filter((member) => typeof member === "string");
}

/** Only what says "all" is all: of a damaged list no provider is left. */
function providerIds(value: SqlValue | undefined): number[] | null {
  const written = text(value).trim();
  if (written === "" || written === "null") return null;
  return (jsonList(value) ?? []).filter((id) => Number.isSafeInteger(id)).map(Number);
}

function baseline(value: SqlValue | undefined): BudgetBaseline | null {
  const stored = jsonObject(value);
  if (stored === null || typeof stored["date"] !== "string") return null;
  return {
    date: stored["date"],
    day: costs(stored["day"]),
    month: costs(stored["month"]),
    total: costs(stored["total"]),
  };
}

function costs(value: unknown): Costs {
  const amounts = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(
    amounts.filter((pair): pair is [string, number] =>
      typeof pair[1] === "number" && Number.isFinite(pair[1])
    ),
  );
}
