/** Upgrades a database file by hand, or tries that out on a copy, and tells what has changed. @module */
import { backupName } from "./backup.ts";
import { Database } from "./database.ts";
import { explained } from "./database_file.ts";
import { StoreOpenError } from "./errors.ts";
import { withPrivateCopy } from "./private_copy.ts";
import { inspectFile, type Origin, recognise } from "./recognise.ts";
import { describeWriter, type Writer, writerOf } from "./release.ts";
import { FILLED, type Survey, survey } from "./survey.ts";
import { upgrade, type UpgradeRequest, versionName } from "./upgrade.ts";

/** What an upgrade changes. */
export interface UpgradeReport {
  /** The database file. */
  readonly path: string;
  /** Its size before, in bytes. */
  readonly bytes: number;
  /** Whose file it was. */
  readonly origin: Origin;
  /** Who wrote it, if that was an old program. */
  readonly writer: Writer | null;
  /** The same in words. */
  readonly recognised: string;
  /** Whether the file had everything already, so that nothing else is told. */
  readonly upToDate: boolean;
  /** Whether this was only tried out. */
  readonly dryRun: boolean;
  /** Path of the copy that is made first; `null` = none is. */
  readonly backup: string | null;
  /** Names of the migrations. */
  readonly migrations: readonly string[];
  /** Tables that are new. */
  readonly tables: readonly string[];
  /** Columns that are new, by table that was there. */
  readonly columns: Readonly<Record<string, readonly string[]>>;
  /** What is filled in, and in how many rows. */
  readonly filled: readonly FilledRows[];
  /** Rows of the tables that were there, before and after. */
  readonly rows: Readonly<Record<string, RowCounts>>;
  /** Rows of the log that say `running`, which the next start of the gateway ends. */
  readonly running: number;
}

/** One thing that is filled in. */
export interface FilledRows {
  readonly table: string;
  /** `null` = whole rows are added. */
  readonly column: string | null;
  readonly rows: number;
  readonly meaning: string;
}

/** Rows of a table. */
export interface RowCounts {
  readonly before: number;
  readonly after: number;
}

/** When, and by which zone's days. */
export type ReportRequest = Pick<UpgradeRequest, "nowMs" | "timeZone" | "migrations">;

/**
 * Upgrades a file. Nobody else may write to it meanwhile.
 *
 * @throws {StoreOpenError} in one line; the file is then as it was.
 */
export function upgradeFile(path: string, request: ReportRequest): Promise<UpgradeReport> {
  return explained(path, async () => {
    demandFile(path);
    return await report(path, path, request, false);
  });
}

/**
 * Tells what {@linkcode upgradeFile} would do. Works on a copy in a folder of its own, so neither the file nor its folder
 * is written to.
 *
 * @throws {StoreOpenError} in one line, as the upgrade would.
 */
export function tryUpgrade(path: string, request: ReportRequest): Promise<UpgradeReport> {
  return explained(path, async () => {
    demandFile(path);
    return await withPrivateCopy(path, async (copy) => {
      try {
        return await explained(copy, () => report(path, copy, request, true));
      } catch (error) {
        // Those who ask know the file by its own name.
        throw error instanceof StoreOpenError
          ? new StoreOpenError(error.message.replaceAll(copy, path))
          : error;
      }
    });
  });
}

function demandFile(path: string): void {
  if (inspectFile(path) === "sqlite") return;
  throw new StoreOpenError(`there is no database at ${path}: name the right file with --db or LLMIO_DB`);
}

/** @param worked The file to work on: the one at `path`, or its copy. */
async function report(
  path: string,
  worked: string,
  request: ReportRequest,
  dryRun: boolean,
): Promise<UpgradeReport> {
  const { size: bytes } = await Deno.stat(path);
  const database = new Database(worked);
  try {
    const found = recognise(database);
    const writer = found.kind === "legacy" ? writerOf(database) : null;
    const before = survey(database);
    const done = await upgrade(database, { ...request, backup: !dryRun });
    const origin = done?.origin ?? found;
    return {
      path,
      bytes,
      origin,
      writer,
      recognised: describe(origin, writer),
      upToDate: done === null,
      dryRun,
      backup: done !== null && dryRun && origin.kind !== "fresh"
        ? backupName(path, versionName(origin), request.nowMs)
        : done?.backup ?? null,
      migrations: done?.applied ?? [],
      ...differences(before, done === null ? before : survey(database)),
    };
  } finally {
    database.close();
  }
}

function describe(origin: Origin, writer: Writer | null): string {
  if (writer !== null) return describeWriter(writer);
  return origin.kind === "own" ? `a database of this program, schema ${origin.version}` : "an empty database";
}

function differences(before: Survey, after: Survey) {
  const old = [...before.columns.keys()];
  const added = old.map((table) => [table, missingFrom(before, after, table)] as const);
  return {
    tables: [...after.columns.keys()].filter((table) => !before.columns.has(table)),
    columns: Object.fromEntries(added.filter(([, columns]) => columns.length > 0)),
    filled: FILLED.map(({ table, column, meaning }, index) => ({
      table,
      column: column ?? null,
      rows: (after.filled[index] ?? 0) - (before.filled[index] ?? 0),
      meaning,
    })).filter(({ rows }) => rows > 0),
    rows: Object.fromEntries(
      old.map((table) => [table, { before: before.rows.get(table) ?? 0, after: after.rows.get(table) ?? 0 }]),
    ),
    running: after.running,
  };
}

function missingFrom(before: Survey, after: Survey, table: string): string[] {
  return [...after.columns.get(table) ?? []].filter((column) => !before.columns.get(table)?.has(column));
}
