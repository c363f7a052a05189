/**
 * What the old programs do with a file: their library reads the stored DDL at the start and adds columns that it misses,
 * then they fill in, insert rows of the columns that they know, and read rows whole (compat/schema.md).
 *
 * @module
 */
import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { sql } from "../store/fixtures.ts";
import { HEAD, tablesOf } from "./older_files.ts";

/** The fork's tables where they differ from llmio's of its time. */
const FORK: Readonly<Record<string, readonly string[]>> = {
  ...tablesOf("v0.4.7"),
  provider_validations: [
    "provider_id integer",
    "is_healthy numeric",
    "error_count integer",
    "last_error text",
    "last_status_code integer",
    "last_validated_at datetime",
    "last_success_at datetime",
    "next_retry_at datetime",
    "consecutive_successes integer",
  ],
  provider_usage_stats: [
    "provider_id integer",
    "date date",
    "total_requests integer",
    "success_requests integer",
    "failed_requests integer",
    "total_tokens integer",
    "prompt_tokens integer",
    "completion_tokens integer",
    "avg_response_time real",
    "last_used_at datetime",
  ],
  health_check_configs: [
    "enabled numeric",
    "interval_minutes integer",
    "max_error_count integer",
    "retry_after_hours integer",
  ],
};

/** The old programs by what they know of a file. */
export const OLD_PROGRAMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  llmio: tablesOf("v0.8.7"),
  "an early llmio": tablesOf("v0.2.3"),
  "llmio enhanced": FORK,
};

/** What llmio fills in at its start, live rows only. */
const FILLS = [
  "UPDATE models SET strategy = 'lottery' WHERE deleted_at IS NULL AND coalesce(strategy, '') = ''",
  "UPDATE models SET breaker = 0 WHERE deleted_at IS NULL AND breaker IS NULL",
  "UPDATE model_with_providers SET status = 1 WHERE deleted_at IS NULL AND status IS NULL",
  "UPDATE model_with_providers SET customer_headers = '{}' WHERE deleted_at IS NULL AND customer_headers IS NULL",
  "UPDATE model_with_providers SET currency = 'CNY' WHERE deleted_at IS NULL AND coalesce(currency, '') = ''",
  "UPDATE chat_logs SET auth_key_id = 0 WHERE deleted_at IS NULL AND auth_key_id IS NULL",
  "UPDATE auth_keys SET io_log = 0 WHERE deleted_at IS NULL AND io_log IS NULL",
];

/** The name of everything that the old programs insert here. */
export const BY_OLD_PROGRAM = "by the old program";
/** When they insert it. */
export const INSERTED_AT = "2026-05-21 08:00:00.25+08:00";

/**
 * Does all of it on a file that this program has had; fails where an old program would.
 *
 * @param original The file as it was: what was unusual in it may still be.
 */
export function useAsOldPrograms(path: string, original: string): void {
  const unusual = sql(
    original,
    (database) => new Map(Object.keys(FORK).map((table) => [table, definitionOf(database, table)])),
  );
  sql(path, (database) => {
    for (const [program, tables] of Object.entries(OLD_PROGRAMS)) {
      for (const [table, columns] of Object.entries(tables)) {
        readDefinition(database, table, [...HEAD, ...columns], unusual.get(table) ?? new Map(), program);
        insertRow(database, table, columns);
        const live = database.prepare(`SELECT * FROM \`${table}\` WHERE deleted_at IS NULL`);
        live.setReadBigInts(true);
        assert.ok(live.all().length > 0, `${program} reads ${table}`);
      }
    }
    for (const fill of FILLS) database.exec(fill);
  });
}

/** The library knows a column by its stored DDL; one that it does not find there as it was would be made anew. */
function readDefinition(
  database: DatabaseSync,
  table: string,
  columns: readonly string[],
  unusual: Definition,
  program: string,
): void {
  const found = definitionOf(database, table);
  for (const column of columns) {
    const [name = "", type = ""] = column.split(" ");
    assert.equal(found.get(name), unusual.get(name) ?? type, `${program} finds ${table}.${name}`);
  }
  const indexes = database.prepare(
    "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
  ).all(table);
  for (const { sql } of indexes) {
    assert.match(
      String(sql),
      /^CREATE( UNIQUE)? INDEX [`"']?[\w-]+[`"']? ON .*$/i,
      `${program} reads the index`,
    );
  }
}

/** Types of a table's columns by name, lower-cased. */
type Definition = ReadonlyMap<string, string>;

function definitionOf(database: DatabaseSync, table: string): Definition {
  const row = database.prepare("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?").get(table);
  return new Map(row === undefined ? [] : fieldsOf(String(row["sql"])));
}

/** Names and types of the columns, cut at commas outside of brackets and quotes, as the library cuts. */
function fieldsOf(ddl: string): [name: string, type: string][] {
  const body = /^CREATE TABLE [`"']?[\w-]+[`"']?\s*\((.*)\)/is.exec(ddl)?.[1];
  assert.ok(body, `the library reads ${ddl}`);
  return body.split(/,(?![^(]*\))/).flatMap((field) => {
    const match = /^[`"'\t]?(\w+)[`"'\t]?\s+([\w()]+)(.*)$/s.exec(field.trim());
    return match === null ? [] : [[match[1] ?? "", (match[2] ?? "").toLowerCase()] as [string, string]];
  });
}

/** Ids of rows to refer to that are nobody else's. */
let nextReference = 900_000;

function insertRow(database: DatabaseSync, table: string, columns: readonly string[]): void {
  const values: [name: string, value: string | number][] = columns.map((column) => {
    const [name = "", type] = column.split(" ");
    if (type === "datetime" || type === "date") return [name, INSERTED_AT];
    if (name.endsWith("_id") && type === "integer") return [name, nextReference++];
    if (name === "status" && type === "text") return [name, "success"];
    return [name, type === "text" ? `${BY_OLD_PROGRAM} ${nextReference++}` : 1];
  });
  const all = [["created_at", INSERTED_AT], ["updated_at", INSERTED_AT], ...values] as const;
  database.prepare(
    `INSERT INTO \`${table}\` (${all.map(([name]) => `\`${name}\``).join(",")}) VALUES (${
      all.map(() => "?").join(",")
    })`,
  ).run(...all.map(([, value]) => value));
}
