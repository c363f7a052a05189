/** The copy that is made of an existing file before its first change. @module */
import { basename, dirname, join } from "node:path";
import { integer } from "./columns.ts";
import { Database } from "./database.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { checkIntegrity, tableNames } from "./recognise.ts";

/** Until it is whole, the copy stands under this name beside the file; what a killed process has left is made anew. */
const PARTIAL = ".partial-backup";
/** What SQLite may leave beside a file. */
const SIDE_FILES = ["", "-journal", "-wal", "-shm"] as const;
const COMPARED_BYTES = 1 << 20;

/**
 * Writes a consistent copy beside the file, including what is still in its write-ahead log, and reads it back.
 *
 * The caller holds the lock for writing, so nothing is written that the copy would lack. The copy comes under its name
 * only when it is whole, never replaces a file, and may be read by whoever may read the original. A backup that equals
 * it byte for byte, made by a start that was cut off, is kept in its place.
 *
 * @param version Schema version of the file, or `legacy`.
 * @returns The path of the copy.
 * @throws {StoreOpenError} when no sound copy could be made; then there is none.
 */
export async function backUp(path: string, version: string, nowMs: number): Promise<string> {
  const partial = `${path}${PARTIAL}`;
  try {
    removePartial(partial);
    await copySoundly(path, partial);
    const copy = await equalBackup(path, version, partial);
    if (copy === null) return publish(partial, backupName(path, version, nowMs));
    removePartial(partial);
    return copy;
  } catch (error) {
    try {
      removePartial(partial);
    } catch {
      // What stands in its way has been told already, and the next start removes it.
    }
    throw new StoreOpenError(
      `cannot back up ${path} before changing it (${messageOf(error)}): ` +
        "make room and allow writing in its folder; this file was not changed",
    );
  }
}

/** The name that a backup gets: `<file>.backup-<version>-<UTC time>`, if it is free. */
export function backupName(path: string, version: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "") + "Z";
  return `${path}.backup-${version}-${stamp}`;
}

async function copySoundly(path: string, partial: string): Promise<void> {
  // Nobody else may read it while it is filled.
  (await Deno.open(partial, { write: true, createNew: true, mode: 0o600 })).close();
  // A connection of its own: the one that holds the lock for writing cannot be copied from.
  const original = new Database(path);
  try {
    await original.copyTo(partial);
    verify(original, partial);
  } finally {
    original.close();
  }
  persist(partial);
  const { mode } = await Deno.stat(path);
  if (mode !== null && Deno.build.os !== "windows") await Deno.chmod(partial, mode & 0o777);
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

/** Takes the first free name. The lock for writing keeps others from taking it meanwhile. */
function publish(partial: string, name: string): string {
  for (let n = 0;; n++) {
    const path = n === 0 ? name : `${name}-${n}`;
    if (exists(path)) continue;
    Deno.renameSync(partial, path);
    return path;
  }
}

/** A backup of this version that holds the same bytes; copies of one content are made alike. */
async function equalBackup(path: string, version: string, partial: string): Promise<string | null> {
  const folder = dirname(path);
  const beginning = `${basename(path)}.backup-${version}-`;
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || !name.startsWith(beginning)) continue;
    const other = join(folder, name);
    try {
      if (isSame(other, partial)) return other;
    } catch (error) {
      // One that this user may not read is none of ours.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    }
  }
  return null;
}

function isSame(one: string, other: string): boolean {
  const { size } = Deno.statSync(one);
  if (size !== Deno.statSync(other).size) return false;
  using first = Deno.openSync(one);
  using second = Deno.openSync(other);
  for (let at = 0; at < size; at += COMPARED_BYTES) {
    const length = Math.min(COMPARED_BYTES, size - at);
    const [a, b] = [first, second].map((file) => readFully(file, length));
    if (a === undefined || b === undefined || !a.every((byte, index) => byte === b[index])) return false;
  }
  return true;
}

function readFully(file: Deno.FsFile, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/** On the disk before the file is changed. */
function persist(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true });
  file.syncSync();
}

function removePartial(partial: string): void {
  for (const ending of SIDE_FILES) if (exists(partial + ending)) Deno.removeSync(partial + ending);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
