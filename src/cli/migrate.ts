/**
 * `llmio migrate`: upgrades a database of an older version or of the old programs, or says what that would change.
 *
 * @module
 */
import type { Command } from "commander";
import { readSettings, type SettingValues } from "../settings.ts";
import type { UpgradeReport } from "../store/upgrade_report.ts";
import { addSettingFlags } from "./setting_flags.ts";
import { complain, EXIT, type Terminal } from "./terminal.ts";

/** Settings that the command goes by; what is wrong with the others is none of its business. */
const FLAGS: readonly string[] = ["db", "tz"];

/** What the command was asked for beside the settings. */
export interface MigrateOptions {
  /** Only says what would change. @default false */
  readonly dryRun?: boolean;
  /** Says it as JSON, for programs. @default false */
  readonly json?: boolean;
}

/**
 * Adds the command to the program.
 *
 * @param ended Takes the exit code of the command.
 * @param env The environment. @default that of this process
 */
export function addMigrateCommand(
  program: Command,
  terminal: Terminal,
  ended: (code: number) => void,
  env: () => SettingValues = () => Deno.env.toObject(),
): void {
  const command = program.command("migrate")
    .description(
      "Back up the database and upgrade it, as serve does at its start. Takes files of llmio and llmio enhanced too.",
    )
    .option("--dry-run", "Only say what would change; nothing is written.")
    .option("--json", "Say it as JSON.")
    .allowExcessArguments(false);
  addSettingFlags(command, FLAGS);
  command.action(async ({ dryRun, json, ...flags }: MigrateOptions & SettingValues) =>
    ended(await migrateDatabase(flags, { dryRun: dryRun === true, json: json === true }, terminal, env()))
  );
}

/** Upgrades a database, or tries it out, and answers the exit code. */
export async function migrateDatabase(
  flags: SettingValues,
  options: MigrateOptions,
  terminal: Terminal,
  { LLMIO_DB, TZ }: SettingValues,
): Promise<number> {
  const read = readSettings(flags, { LLMIO_DB, TZ });
  if (!read.ok) {
    for (const error of read.errors) complain(terminal, error);
    return EXIT.usage;
  }
  const { db, timeZone } = read.settings;
  if (db === ":memory:") {
    complain(terminal, "a database in memory has nothing to migrate; name a file with --db or LLMIO_DB");
    return EXIT.usage;
  }
  try {
    // Loaded here and not above, so that `--help` and a wrong flag answer at once.
    const { tryUpgrade, upgradeFile } = await import("../store/upgrade_report.ts");
    const work = options.dryRun ? tryUpgrade : upgradeFile;
    const report = await work(db, { nowMs: Date.now(), timeZone });
    terminal.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : inWords(report));
    return EXIT.ok;
  } catch (error) {
    complain(terminal, error instanceof Error ? error.message : String(error));
    return EXIT.failed;
  }
}

function inWords(report: UpgradeReport): string {
  const { path, dryRun } = report;
  const size = `${(report.bytes / 1024 / 1024).toFixed(1)} MiB`;
  if (report.upToDate) return `${path} (${size}) is up to date: ${report.recognised}.\n`;
  return [
    `${path} (${size}): ${report.recognised}.`,
    ...paragraph("Backup", report.backup === null ? [] : [report.backup]),
    ...paragraph("Migrations", report.migrations),
    ...paragraph("New tables", report.tables),
    ...paragraph(
      "New columns",
      Object.entries(report.columns).map(([table, columns]) => `${table}: ${columns.join(", ")}`),
    ),
    ...paragraph(
      "Filled in",
      report.filled.map(({ table, column, rows, meaning }) =>
        `${column === null ? table : `${table}.${column}`}: ${rows} ${
          rows === 1 ? "row" : "rows"
        } (${meaning})`
      ),
    ),
    ...paragraph(
      "Rows in the tables that were there, before and after",
      Object.entries(report.rows).map(([table, { before, after }]) => `${table}: ${before}, ${after}`),
    ),
    ...(report.running === 0 ? [] : [
      `The next start of the gateway ends ${report.running} log rows that still say "running".`,
    ]),
    dryRun ? "Nothing was changed: this was a dry run." : "Done. Start the gateway with this file.",
    "",
  ].join("\n");
}

function paragraph(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}
