/**
 * Tells whose database a file is before anything in it is touched.
 *
 * Tables and columns are looked at by name, never by the text of their DDL: the old programs and people's scripts
 * write it in many ways.
 *
 * @module
 */
import { integer, text } from "./columns.ts";
import type { Database } from "./database.ts";
import { StoreOpenError } from "./errors.ts";

/** Whose file it is. */
export type Origin =
  /** Nobody's yet: it has no tables. */
  | { kind: "fresh" }
  /** A file of llmio or of its fork, never opened by this program. */
  | { kind: "legacy" }
  /** Our own, with the number of the last migration that it has seen. */
  | { kind: "own"; version: number };

/** Our own mark, and where migrations are recorded. */
export const MIGRATIONS_TABLE = "schema_migrations";

/** What every file of both programs has, whatever its age. */
const CORE: Record<string, readonly string[]> = {
  providers: ["id", "created_at", "deleted_at", "name"],
  models: ["id", "created_at", "deleted_at", "name"],
  model_with_providers: ["id", "created_at", "deleted_at", "model_id", "provider_id"],
  chat_logs: ["id", "created_at", "deleted_at"],
};

const SQLITE_HEADER = "SQLite format 3\0";

/**
 * What stands at `path`: nothing (or an empty file), or something with the header of an SQLite file.
 *
 * @throws {StoreOpenError} when it is anything else.
 */
export function inspectFile(path: string): "nothing" | "sqlite" {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "nothing";
    throw error;
  }
  if (info.isDirectory) {
    throw new StoreOpenError(
      `${path} is a folder, not a database file: name a file in it, such as ${path}/llmio.db`,
    );
  }
  if (!info.isFile) {
    throw new StoreOpenError(`${path} is not a regular file: choose another path for the database`);
  }
  if (info.size === 0) return "nothing";
  if (headerOf(path) !== SQLITE_HEADER) {
    throw new StoreOpenError(
      `${path} is not an SQLite database: choose another path, or move that file away`,
    );
  }
  return "sqlite";
}

/**
 * Whose database this is.
 *
 * @throws {StoreOpenError} when it belongs to another program.
 */
export function recognise(database: Database): Origin {
  const tables = tableNames(database);
  if (tables.length === 0) return { kind: "fresh" };

  const strange = Object.entries(CORE).find(([table, columns]) => {
    const present = columnNames(database, table);
    return columns.some((column) => !present.has(column));
  });
  if (strange !== undefined) {
    throw new StoreOpenError(
      `${database.path} is not an llmio database (its table "${strange[0]}" is missing or different): ` +
        "choose another path; this file was not changed",
    );
  }

  const mark = columnNames(database, MIGRATIONS_TABLE);
  if (!mark.has("version") || !mark.has("name") || !mark.has("applied_at")) return { kind: "legacy" };
  const latest = database.get(`SELECT max(version) AS version FROM ${MIGRATIONS_TABLE}`);
  return { kind: "own", version: integer(latest?.["version"]) };
}

/** The names of all tables but SQLite's own. */
export function tableNames(database: Database): string[] {
  return database
    .all(
      String
        .raw`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`,
    )
    .map((row) => text(row["name"]));
}

/** The names of a table's columns; empty when there is no such table. */
export function columnNames(database: Database, table: string): Set<string> {
  return new Set(
    database.all("SELECT name FROM pragma_table_info(?)", table).map((row) => text(row["name"])),
  );
}

/**
 * Reads through the whole file, in time that grows with its size.
 *
 * @throws {StoreOpenError} when the file is damaged.
 */
export function checkIntegrity(database: Database): void {
  const verdict = text(database.get("PRAGMA quick_check(1)")?.["quick_check"]);
  if (verdict !== "ok") throw damaged(database.path, verdict);
}

/** The refusal of a damaged file. */
export function damaged(path: string, detail: string): StoreOpenError {
  const line = detail.replaceAll(/\s+/g, " ").trim();
  return new StoreOpenError(
    `${path} is damaged (${line}): restore a backup, or save what is left with "sqlite3 FILE .recover"; ` +
      "this file was not changed",
  );
}

function headerOf(path: string): string {
  using file = Deno.openSync(path, { read: true });
  const header = new Uint8Array(SQLITE_HEADER.length);
  const read = file.readSync(header) ?? 0;
  return new TextDecoder("latin1").decode(header.subarray(0, read));
}
