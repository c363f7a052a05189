/** Brings a database to the schema of this program. Lives in the writing worker. @module */
import { integer } from "./columns.ts";
import type { Database } from "./database.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { columnNames, MIGRATIONS_TABLE } from "./recognise.ts";
import { addedColumn, splitStatements } from "./sql_script.ts";

/** One numbered file of statements. */
export interface Migration {
  /** Counted from 1, without gaps. */
  version: number;
  /** File name. */
  name: string;
  sql: string;
}

/** Where the program's own migrations are; in the compiled binary they are embedded. */
export const MIGRATIONS_DIRECTORY = new URL("../../migrations/", import.meta.url);

/**
 * Reads the migrations of a folder, in order.
 *
 * @throws {StoreOpenError} when their numbers do not run from 1 without gaps.
 */
export function readMigrations(directory: URL): Migration[] {
  const names = [...Deno.readDirSync(directory)].map((entry) => entry.name)
    .filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return names.map((name, index) => {
    const version = Number(name.slice(0, 4));
    if (version !== index + 1) {
      throw new StoreOpenError(
        `migration ${name} is out of order: number ${index + 1} is missing or there twice`,
      );
    }
    return { version, name, sql: Deno.readTextFileSync(new URL(name, directory)) };
  });
}

/**
 * Runs the migrations that the database has not seen. The caller has begun a transaction for writing: when one of them
 * fails, the file is what it was before the first, and the program that made it can go on with it.
 *
 * SQLite has no ADD COLUMN IF NOT EXISTS, and the columns of old files differ with their age. So an
 * `ALTER TABLE t ADD COLUMN c` is skipped where `t` already has a `c`.
 *
 * @param appliedAt The time to record, as text.
 * @returns The names of the migrations that were run.
 * @throws {StoreOpenError} with the name of the file and the reason.
 */
export function migrate(database: Database, migrations: readonly Migration[], appliedAt: string): string[] {
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE} (
      version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL
    ) STRICT`,
  );
  const latest = database.get(`SELECT max(version) AS version FROM ${MIGRATIONS_TABLE}`);
  const pending = migrations.filter(({ version }) => version > integer(latest?.["version"]));
  for (const migration of pending) {
    apply(database, migration);
    database.run(
      `INSERT INTO ${MIGRATIONS_TABLE} (version, name, applied_at) VALUES (?, ?, ?)`,
      migration.version,
      migration.name,
      appliedAt,
    );
  }
  return pending.map(({ name }) => name);
}

function apply(database: Database, migration: Migration): void {
  try {
    for (const statement of splitStatements(migration.sql)) {
      const added = addedColumn(statement);
      if (added !== null && columnNames(database, added.table).has(added.column)) continue;
      database.exec(statement);
    }
  } catch (error) {
    throw new StoreOpenError(
      `migration ${migration.name} of ${database.path} failed (${messageOf(error)}): ` +
        "this file was not changed; the program that made it can still open it",
    );
  }
}
