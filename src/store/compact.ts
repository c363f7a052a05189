/**
 * Rewrites a database file so that it is as small as it can be and gives space back from then on.
 *
 * What SQLite itself has for that, VACUUM, the runtime refuses to a program that does not have all permissions. So the
 * rows are copied into a new file, which takes the old one's place once it is whole. Text that is not UTF-8 comes out with
 * replacement marks, as in every read of it.
 *
 * @module
 */
import { integer, type SqlRow, text } from "./columns.ts";
import { Database } from "./database.ts";
import { checkIntegrity, tableNames } from "./recognise.ts";

/** Sizes before and after, bytes. */
export interface Compaction {
  readonly before: number;
  readonly after: number;
}

/**
 * Rewrites the file. Nobody else may have it open.
 *
 * @throws when anybody has, or when the copy could not be made; then the file is as it was.
 */
export function compact(path: string): Compaction {
  const before = Deno.statSync(path).size;
  const copyPath = `${path}.compact`;
  removeIfThere(copyPath);
  try {
    const old = new Database(path);
    try {
      copyAlone(old, copyPath);
    } finally {
      old.close();
    }
    persist(path, copyPath);
    // Closing has emptied and removed the old file's write-ahead log, so what stands beside the name is the new one's.
    Deno.renameSync(copyPath, path);
  } catch (error) {
    removeIfThere(copyPath);
    throw error;
  }
  return { before, after: Deno.statSync(path).size };
}

/** Copies while nobody else can read or write, so that nothing is written that would be lost. */
function copyAlone(old: Database, copyPath: string): void {
  old.get("PRAGMA wal_checkpoint(TRUNCATE)");
  const mode = text(old.get("PRAGMA journal_mode = DELETE")?.["journal_mode"]);
  if (mode !== "delete") throw new Error("another program has it open");
  old.exec("BEGIN EXCLUSIVE");
  try {
    const copy = new Database(copyPath);
    try {
      fill(copy, old);
      verify(copy, old);
    } finally {
      copy.close();
    }
  } finally {
    old.exec("ROLLBACK");
  }
}

function fill(copy: Database, old: Database): void {
  const pageSize = integer(old.get("PRAGMA page_size")?.["page_size"]);
  // The copy is thrown away if anything goes wrong, so it needs no journal.
  copy.exec(
    `PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = OFF;
     PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF`,
  );
  for (const setting of ["user_version", "application_id"]) {
    copy.exec(`PRAGMA ${setting} = ${integer(old.get(`PRAGMA ${setting}`)?.[setting])}`);
  }
  const parts = old.all(
    "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
  );
  const make = (isWanted: (type: string) => boolean) => {
    for (const part of parts.filter(({ type }) => isWanted(text(type)))) copy.exec(text(part["sql"]));
  };
  copy.transaction("write", () => {
    make((type) => type === "table");
    for (const table of tableNames(old)) copyRows(copy, old, table);
    copyCounters(copy, old);
    // Filled in one go, an index is smaller and made faster.
    make((type) => type !== "table");
  });
}

function copyRows(copy: Database, old: Database, table: string): void {
  const name = quoted(table);
  const columns = old.all("SELECT name FROM pragma_table_info(?)", table).map((row) => text(row["name"]));
  const insert = `INSERT INTO ${name} (${columns.map(quoted).join(", ")})
    VALUES (${columns.map(() => "?").join(", ")})`;
  for (const row of old.each(`SELECT ${columns.map(quoted).join(", ")} FROM ${name}`)) {
    copy.run(insert, ...columns.map((column) => row[column] ?? null));
  }
}

/** The last id of each table: ids of rows that are gone are not used again. */
function copyCounters(copy: Database, old: Database): void {
  const counters = "sqlite_sequence";
  const exists = (database: Database) =>
    database.get("SELECT 1 FROM sqlite_master WHERE name = ?", counters) !== undefined;
  if (!exists(old) || !exists(copy)) return;
  copy.exec(`DELETE FROM ${counters}`);
  copyRows(copy, old, counters);
}

function verify(copy: Database, old: Database): void {
  checkIntegrity(copy);
  for (const table of tableNames(old)) {
    const count = `SELECT count(*) AS n FROM ${quoted(table)}`;
    const [expected, found] = [old, copy].map((database) => integer((database.get(count) as SqlRow)["n"]));
    if (expected !== found) throw new Error(`the copy of table ${table} has ${found} of ${expected} rows`);
  }
}

/** On the disk before it takes the old file's place, and readable by the same people. */
function persist(path: string, copyPath: string): void {
  const { mode } = Deno.statSync(path);
  if (mode !== null && Deno.build.os !== "windows") Deno.chmodSync(copyPath, mode & 0o777);
  using file = Deno.openSync(copyPath, { read: true, write: true });
  file.syncSync();
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
