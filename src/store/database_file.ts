/** Opens the database file: makes it or brings it up to date, and sets it up. Lives in the workers. @module */
import { Database } from "./database.ts";
import { compact } from "./compact.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { keepLogCount } from "./log_count.ts";
import { checkIntegrity, damaged, inspectFile } from "./recognise.ts";
import { timeFormatter } from "./time.ts";
import { upgrade } from "./upgrade.ts";
import { adoptStrangeRows } from "./usage_adoption.ts";

/** What to open and how. */
export interface OpenRequest {
  /** Absolute path of the file, or `:memory:`. */
  path: string;
  /** Epoch milliseconds. */
  nowMs: number;
  /** IANA zone of written times; without it the zone of the process. */
  timeZone?: string;
  /** Rewrites the file first so that it is as small as it can be. */
  compact?: boolean;
  /** Folder of migrations, as a `file:` URL. @default the program's own */
  migrations?: string;
}

/** A database that is ready for writing. */
export interface OpenedWriter {
  database: Database;
  /** What an operator should know: a backup was made, the schema was brought up to date. One line each. */
  notices: string[];
}

/**
 * A file of this size or less is read through at every start; a larger one only before it is migrated, since that
 * would delay the start by about a second a gigabyte.
 */
const ALWAYS_CHECKED_BYTES = 8 * 1024 * 1024;

/**
 * Opens the database for writing and brings its schema up to date.
 *
 * @throws {StoreOpenError}
 */
export function openWriter(request: OpenRequest): Promise<OpenedWriter> {
  return explained(request.path, async () => {
    if (request.path !== ":memory:" && inspectFile(request.path) === "nothing") createFile(request.path);
    const opened = await openUpToDate(request);
    if (request.compact !== true || request.path === ":memory:") return opened;
    opened.database.close();
    const line = compactIfPossible(request.path);
    const { database } = await openUpToDate(request);
    return { database, notices: [...opened.notices, line] };
  });
}

async function openUpToDate(request: OpenRequest): Promise<OpenedWriter> {
  const database = new Database(request.path);
  try {
    const notices = await bringUpToDate(database, request);
    setUp(database);
    adoptStrangeRows(database, timeFormatter(request.timeZone));
    keepLogCount(database);
    return { database, notices };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A file that stays large is no reason not to start. Answers a line for the operator. */
function compactIfPossible(path: string): string {
  try {
    const { before, after } = compact(path);
    const [from, to] = [before, after].map((bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`);
    return `rewrote ${path}: it had ${from} and has ${to}`;
  } catch (error) {
    return `could not rewrite ${path}, so it keeps its size (${
      messageOf(error)
    }): stop other programs that have ` +
      "it open, make room for a copy, and start again";
  }
}

/**
 * Opens the database for reading, after it was opened for writing.
 *
 * @throws {StoreOpenError}
 */
export function openReader(path: string): Promise<Database> {
  return explained(path, () => {
    const database = new Database(path);
    database.exec("PRAGMA query_only = ON; PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY");
    return database;
  });
}

/** Leaves one tidy file: no write-ahead log beside it, statistics for the query planner in it. */
export function closeWriter(database: Database): void {
  try {
    database.exec("PRAGMA optimize");
    database.get("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // Another program holds the lock. Everything is committed; the next start tidies up.
  } finally {
    database.close();
  }
}

/** Answers a line for the operator about each thing that was done. */
async function bringUpToDate(database: Database, request: OpenRequest): Promise<string[]> {
  const done = await upgrade(database, request);
  if (done === null) {
    if ((await Deno.stat(request.path)).size <= ALWAYS_CHECKED_BYTES) checkIntegrity(database);
    return [];
  }
  const { origin, backup, applied } = done;
  const notices = [`applied ${applied.join(", ")} to ${request.path}`];
  if (backup !== null) notices.unshift(`backed up ${request.path} to ${backup} before its first change`);
  if (origin.kind === "fresh" && request.path !== ":memory:") {
    notices.unshift(`made a new database: there was none at ${request.path}`);
  }
  return notices;
}

function setUp(database: Database): void {
  // WAL lets the reader read while the writer writes. It is set last because it changes the file's header, which
  // a refused file or a failed migration must not.
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -32000;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
  `);
}

/** The file holds credentials, so nobody but its owner may read it. An existing file keeps its mode. */
function createFile(path: string): void {
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
  if (folder !== "") Deno.mkdirSync(folder, { recursive: true, mode: 0o755 });
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
}

/** Runs `open`; anything that it throws becomes one line that says what, where and how to mend it. */
export async function explained<T>(path: string, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw error instanceof StoreOpenError ? error : explain(path, error);
  }
}

function explain(path: string, error: unknown): StoreOpenError {
  const detail = messageOf(error).replaceAll(/\s+/g, " ");
  if (
    error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    /permission denied|readonly database|unable to open database/i.test(detail)
  ) {
    return new StoreOpenError(
      `cannot open ${path} (${detail}): allow this user to read and write the file and its folder, ` +
        "or choose another path",
    );
  }
  if (/not a database|malformed/i.test(detail)) return damaged(path, detail);
  if (/is locked/i.test(detail)) {
    return new StoreOpenError(`cannot open ${path}: another program holds its lock; stop that program first`);
  }
  if (/is full/i.test(detail)) return new StoreOpenError(`cannot open ${path}: the disk is full; make room`);
  return new StoreOpenError(`cannot open ${path} (${detail}): check the path and the disk`);
}
