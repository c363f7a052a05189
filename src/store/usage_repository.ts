/** Reports on daily usage (table `usage_days`). Lives in the workers. @module */
import { integer, real, type SqlRow, type SqlValue, text } from "./columns.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";
import type { CallCounts, UsageFigures, UsageGroup, UsageQuery, UsageRow } from "./usage.ts";
import { USAGE_COLUMNS } from "./usage_recording.ts";

/** What each group is grouped by; parts of a statement are joined from these constants and nothing else. */
const GROUPS: Readonly<Record<UsageGroup, string>> = {
  day: "usage.day",
  // A provider may have been renamed; what has no id (rows of older programs, refusals) is told apart by its name.
  provider: "usage.provider_id, iif(usage.provider_id = 0, usage.provider_name, '')",
  model: "usage.model",
  key: "usage.auth_key_id",
  style: "usage.style",
  currency: "usage.currency",
};

/** With max(), the only one of the statement, plain columns are those of the latest row: so is a provider's name. */
const SUMS = `${USAGE_COLUMNS.map(([column]) => `total(usage.${column}) AS ${column}`).join(", ")},
  max(usage.last_used_ms) AS last_used_ms`;

const PROVIDER =
  "LEFT JOIN providers AS provider ON provider.id = usage.provider_id AND provider.deleted_at IS NULL";
const KEY = "LEFT JOIN auth_keys AS key ON key.id = usage.auth_key_id AND key.deleted_at IS NULL";

/** What Go's TrimSpace takes off and names consist of. */
const BLANKS = "char(9, 10, 11, 12, 13, 32)";
const PROJECT = `iif(usage.auth_key_id = 0, 'admin', coalesce(nullif(trim(key.name, ${BLANKS}), ''), '-'))`;

/** The reports' calls of the store. */
export function usageRepository({ database }: Session): Synchronous<Store["usage"]> {
  const counts = (name: string, from: string, limit: number): CallCounts => {
    const calls = `SELECT ${name} AS name, sum(usage.requests) AS calls
      FROM usage_days AS usage ${from} GROUP BY 1 HAVING calls > 0`;
    const rows = database.all(
      `SELECT name, calls, count(*) OVER () AS names, sum(calls) OVER () AS total
       FROM (${calls}) ORDER BY calls DESC, name LIMIT ?`,
      limit,
    );
    return {
      top: rows.map((row) => ({ name: text(row["name"]), calls: integer(row["calls"]) })),
      names: integer(rows[0]?.["names"]),
      total: integer(rows[0]?.["total"]),
    };
  };

  return {
    report: (query) => {
      const groups = [...new Set<UsageGroup>([...query.groupBy, "currency"])];
      const { where, values } = conditionsOf(query);
      const by = groups.map((group) => GROUPS[group]).join(", ");
      return database.all(
        `SELECT usage.*, provider.name AS live_name, key.name AS key_name
         FROM (
           SELECT day, provider_id, provider_name, model, auth_key_id, style, currency, ${SUMS}
           FROM usage_days AS usage WHERE ${where} GROUP BY ${by}
         ) AS usage ${PROVIDER} ${KEY}
         ORDER BY ${groups.includes("day") ? "day, " : ""}requests DESC, attempts DESC, ${by} LIMIT ?`,
        ...values,
        query.limit ?? -1,
      ).map((row) => toUsageRow(row, groups));
    },

    callsByModel: (limit) => counts("usage.model", "", limit),
    callsByKey: (limit) => counts(PROJECT, KEY, limit),
  };
}

function conditionsOf(query: UsageQuery): { where: string; values: SqlValue[] } {
  const wanted: [condition: string, value: SqlValue | undefined][] = [
    ["day >= ?", query.from],
    ["day <= ?", query.to],
    ["provider_id = ?", query.providerId],
    ["model = ?", query.model],
    ["auth_key_id = ?", query.authKeyId],
    ["style = ?", query.style],
  ];
  const given = wanted.filter((pair): pair is [string, SqlValue] => pair[1] !== undefined);
  return {
    where: given.map(([condition]) => condition).join(" AND "),
    values: given.map(([, value]) => value),
  };
}

function toUsageRow(row: SqlRow, groups: readonly UsageGroup[]): UsageRow {
  const only = <Value>(group: UsageGroup, value: Value): Value | null =>
    groups.includes(group) ? value : null;
  const authKeyId = integer(row["auth_key_id"]);
  return {
    day: only("day", text(row["day"])),
    providerId: only("provider", integer(row["provider_id"])),
    providerName: only("provider", text(row["live_name"] ?? row["provider_name"])),
    model: only("model", text(row["model"])),
    authKeyId: only("key", authKeyId),
    keyName: only("key", authKeyId === 0 ? "admin" : text(row["key_name"])),
    style: only("style", text(row["style"])),
    currency: text(row["currency"]),
    ...figuresOf(row),
    lastUsedAtMs: integer(row["last_used_ms"]),
  };
}

function figuresOf(row: SqlRow): Omit<UsageFigures, "lastUsedAtMs"> {
  const figures = USAGE_COLUMNS.map(([column, field]) => [field, real(row[column])]);
  // Sound because the table lists each field but the last once, as recording relies on.
  return Object.fromEntries(figures) as Omit<UsageFigures, "lastUsedAtMs">;
}
