/** The copy that is made of an existing file before its first change. @module */
import { integer } from "./columns.ts";
import { Database } from "./database.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { checkIntegrity, tableNames } from "./recognise.ts";

/**
 * Writes a consistent copy beside the file, including what is still in its write-ahead log, and reads it back.
 *
 * The copy is named `<file>.backup-<version>-<UTC time>`, never replaces a file, and may be read by whoever may
 * read the original.
 *
 * @param version Schema version of the file, or `legacy`.
 * @returns The path of the copy.
 * @throws {StoreOpenError} when no sound copy could be made; then there is none.
 */
export async function backUp(database: Database, version: string, nowMs: number): Promise<string> {
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "") + "Z";
  let copy: string | undefined;
  try {
    copy = reserve(`${database.path}.backup-${version}-${stamp}`);
    await database.copyTo(copy);
    verify(database, copy);
    persist(copy);
    allowAs(database.path, copy);
    return copy;
  } catch (error) {
    if (copy !== undefined) await Deno.remove(copy);
    throw new StoreOpenError(
      `cannot back up ${database.path} before changing it (${messageOf(error)}): ` +
        "make room and allow writing in its folder; this file was not changed",
    );
  }
}

/** Takes the first free name by creating an empty file, which nobody else may read while it is filled. */
function reserve(name: string): string {
  for (let n = 0;; n++) {
    const path = n === 0 ? name : `${name}-${n}`;
    try {
      Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

function verify(original: Database, path: string): void {
  const copy = new Database(path);
  try {
    checkIntegrity(copy);
    // The copy of a file with a write-ahead log would want one too; this makes it a single file.
    copy.exec("PRAGMA journal_mode = DELETE");
    for (const table of tableNames(original)) {
      const count = `SELECT count(*) AS n FROM "${table.replaceAll('"', '""')}"`;
      const [expected, found] = [original, copy].map((database) => integer(database.get(count)?.["n"]));
      if (expected !== found) throw new Error(`the copy of table ${table} has ${found} of ${expected} rows`);
    }
  } finally {
    copy.close();
  }
}

function persist(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true });
  file.syncSync();
}

function allowAs(original: string, copy: string): void {
  const { mode } = Deno.statSync(original);
  if (mode !== null && Deno.build.os !== "windows") Deno.chmodSync(copy, mode & 0o777);
}
