/**
 * Brings a database file to the schema of this program: backup, migrations and what SQL alone cannot do, under one lock
 * and in one transaction. So a process that is killed at any moment leaves the file as it was or as it is to be.
 *
 * @module
 */
import { backUp } from "./backup.ts";
import type { Database } from "./database.ts";
import { StoreOpenError } from "./errors.ts";
import { migrate, type Migration, MIGRATIONS_DIRECTORY, readMigrations } from "./migrate.ts";
import { checkIntegrity, type Origin, recognise } from "./recognise.ts";
import { timeFormatter } from "./time.ts";
import { fillHours } from "./traffic_hours.ts";
import { fillIn, lacksOf } from "./upgrade_fill.ts";
import { adoptWaitingRows } from "./usage_adoption.ts";

/** Which file to upgrade and how. */
export interface UpgradeRequest {
  /** Epoch milliseconds. */
  nowMs: number;
  /** IANA zone of written times and of days; without it the zone of the process. */
  timeZone?: string;
  /** Folder of migrations, as a `file:` URL. @default the program's own */
  migrations?: string;
  /** Whether an existing file is copied before its first change. @default true */
  backup?: boolean;
}

/** What an upgrade has done. */
export interface Upgrade {
  /** Whose file it was. */
  readonly origin: Origin;
  /** Path of the copy that was made first; `null` for a new file. */
  readonly backup: string | null;
  /** Names of the migrations that were run. */
  readonly applied: readonly string[];
}

/**
 * Upgrades the database, if it is not up to date.
 *
 * @returns What was done; `null` = the file is up to date.
 * @throws {StoreOpenError} when the file is damaged, another program's, of a newer version, or cannot be backed up or
 * changed; it is then as it was.
 */
export async function upgrade(database: Database, request: UpgradeRequest): Promise<Upgrade | null> {
  const migrations = readMigrations(
    request.migrations === undefined ? MIGRATIONS_DIRECTORY : new URL(request.migrations),
  );
  const origin = recognise(database);
  if (isCurrent(database, origin, migrations)) return null;
  // Must come before the first table; gives space back in steps when old rows are deleted.
  if (origin.kind === "fresh") database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  return await underLock(database, () => change(database, migrations, request));
}

/** What a backup and its file are called after: the schema's number, or `legacy` for a file of the old programs. */
export function versionName(origin: Origin): string {
  return origin.kind === "own" ? String(origin.version) : "legacy";
}

async function change(
  database: Database,
  migrations: readonly Migration[],
  request: UpgradeRequest,
): Promise<Upgrade | null> {
  // Asked again under the lock: another process may have upgraded the file since it was recognised.
  const origin = recognise(database);
  if (isCurrent(database, origin, migrations)) return null;
  let backup: string | null = null;
  if (origin.kind !== "fresh") {
    checkIntegrity(database);
    if (request.backup !== false) {
      backup = await backUp(database.path, versionName(origin), request.nowMs);
    }
  }
  const format = timeFormatter(request.timeZone);
  const lacks = lacksOf(database);
  const applied = migrate(database, migrations, format(request.nowMs));
  adoptWaitingRows(database, format);
  fillHours(database);
  if (origin.kind === "legacy") fillIn(database, lacks, { nowMs: request.nowMs, format });
  return { origin, backup, applied };
}

function isCurrent(database: Database, origin: Origin, migrations: readonly Migration[]): boolean {
  const known = migrations.length;
  if (origin.kind !== "own" || origin.version < known) return false;
  if (origin.version === known) return true;
  throw new StoreOpenError(
    `${database.path} was written by a newer llmio (schema ${origin.version}; this one knows ${known}): ` +
      "use that version or a newer one, or the backup that it made; this file was not changed",
  );
}

/** Nobody else writes to the file from the first look at it to the last change, and all changes come at once. */
async function underLock<T>(database: Database, work: () => Promise<T>): Promise<T> {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = await work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back by itself, as it does when the disk is full.
    }
    throw error;
  }
}
