/** Reads and writes tables `provider_keys` and `association_states`. Lives in the workers. @module */
import type { Breaker } from "../failover/breaker.ts";
import type { Cooldown } from "../failover/cooldown.ts";
import {
  finite,
  integer,
  integerOrNull,
  realOrNull,
  type SqlRow,
  type SqlValue,
  text,
  whole,
} from "./columns.ts";
import type { StoredAssociation, StoredKey } from "./live_state.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** A column and what is written into it. */
type Column<Row> = readonly [name: string, value: (row: Row) => SqlValue];

/** The columns that both tables have. */
const COOLING: readonly Column<{ readonly cooldown: Cooldown | null }>[] = [
  ["cooling_until", ({ cooldown }) => moment(cooldown?.until)],
  ["cooling_set_at", ({ cooldown }) => moment(cooldown?.setAt)],
  ["cooling_hits", ({ cooldown }) => whole(cooldown?.hits ?? 0)],
];

const KEY: readonly Column<StoredKey>[] = [
  ["provider_id", (key) => key.providerId],
  ["key_id", (key) => key.keyId],
  ...COOLING,
  ["bad_until", (key) => moment(key.badUntil)],
  ["bad_since", (key) => moment(key.badSince)],
  ["refusals", (key) => whole(key.refusals)],
  ["error_count", (key) => whole(key.errorCount)],
  ["last_error", (key) => key.lastError],
  ["last_used_at", (key) => moment(key.lastUsedAt)],
  ["use_count", (key) => whole(key.useCount)],
];

const ASSOCIATION: readonly Column<StoredAssociation>[] = [
  ["association_id", (association) => association.associationId],
  ["provider_id", (association) => association.providerId],
  ...COOLING,
  ["breaker_failures", ({ breaker }) => whole(breaker.failures)],
  ["breaker_successes", ({ breaker }) => whole(breaker.successes)],
  ["breaker_open_until", ({ breaker }) => moment(breaker.openUntil)],
  ["breaker_opened_at", ({ breaker }) => moment(breaker.openedAt)],
  ["used_today", (association) => whole(association.usedToday)],
  ["ttft_ms", ({ ttftMs }) => ttftMs === null ? null : finite(ttftMs)],
];

const WRITE_KEY = `INSERT OR REPLACE INTO provider_keys (${namesOf(KEY)}) VALUES (${marksOf(KEY)})`;
const WRITE_ASSOCIATION = `INSERT OR REPLACE INTO association_states (${namesOf(ASSOCIATION)}, used_on)
  VALUES (${marksOf(ASSOCIATION)}, ?)`;

/** No pause is longer (DESIGN.md, section 5). A later deadline is damage, or was written by a clock that was wrong. */
const LONGEST_PAUSE_MS = 24 * 60 * 60_000;

/** The failover state's calls of the store. */
export function liveStateRepository(session: Session): Synchronous<Store["liveState"]> {
  const { database } = session;
  return {
    load: () => {
      const { nowMs } = session;
      const associations = database.all(`SELECT ${namesOf(ASSOCIATION)}, used_on FROM association_states`);
      const days = associations.map((row) => text(row["used_on"])).filter((each) => DAY.test(each));
      const day = days.sort().at(-1) ?? "";
      return {
        day,
        keys: database.all(`SELECT ${namesOf(KEY)} FROM provider_keys`).map((row) => toKey(row, nowMs)),
        associations: associations.map((row) => toAssociation(row, nowMs, day)),
      };
    },

    save: ({ day, keys, associations, goneKeys, goneAssociations }) => {
      for (const { providerId, keyId } of goneKeys) {
        database.run("DELETE FROM provider_keys WHERE provider_id = ? AND key_id = ?", providerId, keyId);
      }
      for (const id of goneAssociations) {
        database.run("DELETE FROM association_states WHERE association_id = ?", id);
      }
      for (const key of keys) database.run(WRITE_KEY, ...KEY.map(([, value]) => value(key)));
      for (const association of associations) {
        database.run(WRITE_ASSOCIATION, ...ASSOCIATION.map(([, value]) => value(association)), day);
      }
    },
  };
}

const DAY = /^\d{4}-\d\d-\d\d$/;

function toKey(row: SqlRow, nowMs: number): StoredKey {
  const badUntil = deadline(row["bad_until"], nowMs);
  return {
    providerId: integer(row["provider_id"]),
    keyId: text(row["key_id"]),
    cooldown: toCooldown(row, nowMs),
    badUntil,
    badSince: badUntil === null ? null : past(row["bad_since"], nowMs) ?? 0,
    refusals: count(row["refusals"]),
    errorCount: count(row["error_count"]),
    lastError: row["last_error"] === null ? null : text(row["last_error"]),
    lastUsedAt: past(row["last_used_at"], nowMs),
    useCount: count(row["use_count"]),
  };
}

function toAssociation(row: SqlRow, nowMs: number, day: string): StoredAssociation {
  const ttftMs = realOrNull(row["ttft_ms"]);
  return {
    associationId: integer(row["association_id"]),
    providerId: integer(row["provider_id"]),
    cooldown: toCooldown(row, nowMs),
    breaker: toBreaker(row, nowMs),
    // A row that was last written on an earlier day counted that day's attempts.
    usedToday: text(row["used_on"]) === day ? count(row["used_today"]) : 0,
    ttftMs: ttftMs === null || ttftMs < 0 ? null : ttftMs,
  };
}

function toCooldown(row: SqlRow, nowMs: number): Cooldown | null {
  const until = deadline(row["cooling_until"], nowMs);
  if (until === null) return null;
  return { until, setAt: past(row["cooling_set_at"], nowMs) ?? 0, hits: count(row["cooling_hits"]) };
}

function toBreaker(row: SqlRow, nowMs: number): Breaker {
  const openUntil = deadline(row["breaker_open_until"], nowMs);
  return {
    failures: count(row["breaker_failures"]),
    successes: count(row["breaker_successes"]),
    openUntil,
    // One without the other means nothing.
    openedAt: openUntil === null ? null : past(row["breaker_opened_at"], nowMs) ?? 0,
  };
}

function deadline(value: SqlValue | undefined, nowMs: number): number | null {
  const until = integerOrNull(value);
  return until === null ? null : Math.min(until, nowMs + LONGEST_PAUSE_MS);
}

/** What has happened, has happened before now: a success after a time in the future could never lift the pause. */
function past(value: SqlValue | undefined, nowMs: number): number | null {
  const at = integerOrNull(value);
  return at === null ? null : Math.min(at, nowMs);
}

function count(value: SqlValue | undefined): number {
  return Math.min(Math.max(0, integer(value)), Number.MAX_SAFE_INTEGER);
}

function moment(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : whole(value);
}

function namesOf<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(([name]) => name).join(", ");
}

function marksOf<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(() => "?").join(", ");
}
