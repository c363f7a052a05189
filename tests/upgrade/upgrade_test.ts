/** Every file of the old programs is upgraded without losing anything, and the way back stays open. @module */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Database } from "../../src/store/database.ts";
import { closeWriter, openWriter } from "../../src/store/database_file.ts";
import { describeWriter, writerOf } from "../../src/store/release.ts";
import { type Row, TestGateway } from "../integration/test_gateway.ts";
import { backupsIn, inFolder, NOW_MS, sql } from "../store/fixtures.ts";
import { type Cells, cellsOf, type FileCells, NULL, numberCell, textOf } from "./cells.ts";
import { BY_OLD_PROGRAM, OLD_PROGRAMS, useAsOldPrograms } from "./old_program.ts";
import { FIRST_ODD_ID } from "./older_files.ts";
import { candidatesOf, expectedCandidates, isCapable, type ShownRows, shownRows } from "./routing_facts.ts";
import { makeSamples, type Sample } from "./samples.ts";

const ZONE = "Asia/Shanghai";
/** Fails wherever a row is compared with it. */
const NO_ROW: Row = { ID: 0 };
const CAPABILITIES = ["tool_call", "structured_output", "image"];

Deno.test("the server takes over every file of the old programs: values, routing, restart, and the way back", async (t) =>
  await inFolder(async (folder) => {
    for (const sample of await makeSamples(folder)) {
      await t.step(sample.name, () => inFolder((own) => takeOver(sample, own)));
    }
  }));

async function takeOver(sample: Sample, folder: string): Promise<void> {
  const path = `${folder}/llmio.db`;
  await Deno.copyFile(sample.path, path);
  equal(recognised(path), sample.recognised);
  const before = cellsOf(path);
  const routing = expectedCandidates(before, sample);
  ok(Object.keys(routing).length >= 12, "there is something to route");

  const shown = await started(path, async (gateway) => {
    deepEqual(await candidatesOf(gateway, routing), routing);
    const rows = await shownRows(gateway);
    sameAsShown(rows, before, sample);
    return rows;
  });
  const after = cellsOf(path);
  keepsValues(before, after, sample);
  fillsIn(before, after);

  await started(path, async (gateway) => {
    deepEqual(await shownRows(gateway), shown);
    deepEqual(await candidatesOf(gateway, routing), routing);
  });
  deepEqual(withoutState(cellsOf(path)), withoutState(after), "a restart changes nothing");

  useAsOldPrograms(path, sample.path);
  await takesIn(path);

  const backups = backupsIn(folder);
  equal(backups.length, 1);
  await Deno.copyFile(`${folder}/${backups[0]}`, path);
  deepEqual(cellsOf(path), before, "the backup holds what was there");
  sql(
    path,
    (database) =>
      deepEqual(
        database.prepare("PRAGMA integrity_check").all().map(({ integrity_check }) => integrity_check),
        ["ok"],
      ),
  );
}

function recognised(path: string): string {
  const database = new Database(path);
  try {
    return describeWriter(writerOf(database));
  } finally {
    database.close();
  }
}

/** Runs a gateway on a file. */
async function started<T>(path: string, work: (gateway: TestGateway) => Promise<T>): Promise<T> {
  await using gateway = await TestGateway.start({ db: path, tz: ZONE });
  return await work(gateway);
}

/** Rows that programs have written are shown as they were, under their ids; odd ones are there. */
function sameAsShown(shown: ShownRows, before: FileCells, { takesUnsetAsYes }: Sample): void {
  const live = (table: string) =>
    [...before.get(table) ?? []].filter(([, row]) => row["deleted_at"] === NULL);
  const idsOf = (rows: Record<number, unknown>) => Object.keys(rows).map(Number);
  const models = live("models");
  deepEqual(idsOf(shown.providers), live("providers").map(([id]) => id));
  deepEqual(idsOf(shown.models), models.map(([id]) => id));
  const ofModels = live("model_with_providers")
    .filter(([, row]) => models.some(([id]) => row["model_id"] === numberCell(id)));
  deepEqual(idsOf(shown.associations), ofModels.map(([id]) => id));

  for (const [id, row] of live("providers").filter(([id]) => id < FIRST_ODD_ID)) {
    const { Name, Type, Console, Proxy, ErrorMatcher, Enabled } = shown.providers[id] ?? NO_ROW;
    deepEqual(
      [Name, Type, Console, Proxy, ErrorMatcher, Enabled],
      [...["name", "type", "console", "proxy", "error_matcher"].map((column) => textOf(row[column])), true],
    );
  }
  for (const [id, row] of models.filter(([id]) => id < FIRST_ODD_ID)) {
    const { Name, Remark, MaxRetry, TimeOut, Strategy, Breaker } = shown.models[id] ?? NO_ROW;
    deepEqual([Name, Remark, MaxRetry, TimeOut, Strategy, Breaker], [
      textOf(row["name"]),
      textOf(row["remark"]),
      Number(textOf(row["max_retry"])),
      Number(textOf(row["time_out"])),
      textOf(row["strategy"]) || "lottery",
      textOf(row["breaker"]) === "1",
    ]);
  }
  for (const [id, row] of ofModels.filter(([id]) => id < FIRST_ODD_ID)) {
    const { ModelID, ProviderID, ProviderModel, Weight, Status, ...rest } = shown.associations[id] ?? NO_ROW;
    deepEqual([ModelID, ProviderID, ProviderModel, Weight, Status !== false], [
      Number(textOf(row["model_id"])),
      Number(textOf(row["provider_id"])),
      textOf(row["provider_model"] ?? row["provider_name"]),
      Number(textOf(row["weight"])),
      row["status"] !== numberCell(0),
    ]);
    deepEqual(
      [rest.ToolCall, rest.StructuredOutput, rest.Image].map((flag) => flag === true),
      CAPABILITIES.map((column) => isCapable(row, column, takesUnsetAsYes)),
    );
  }
}

/** Every value of every row that was there is there, but for what an upgrade fills in and a start ends. */
function keepsValues(before: FileCells, after: FileCells, sample: Sample): void {
  for (const [table, rows] of before) {
    for (const [id, row] of rows) {
      const now = after.get(table)?.get(id);
      const seen = Object.fromEntries(Object.keys(row).map((column) => [column, now?.[column]]));
      deepEqual(seen, { ...row, ...expectedChanges(table, row, seen, sample) }, `${table} ${id}`);
    }
  }
}

function expectedChanges(
  table: string,
  row: Cells,
  seen: Record<string, string | undefined>,
  { takesUnsetAsYes }: Sample,
): Record<string, string | undefined> {
  const isLive = row["deleted_at"] === NULL;
  if (table === "model_with_providers" && isLive && takesUnsetAsYes(row)) {
    return Object.fromEntries(
      CAPABILITIES.filter((column) => row[column] === NULL).map((column) => [column, numberCell(1)]),
    );
  }
  if (table === "models" && isLive && [NULL, numberCell(0)].includes(row["display_order"] ?? "")) {
    ok(Number(textOf(seen["display_order"])) > 0, "every model gets a number");
    return { display_order: seen["display_order"] };
  }
  if (table !== "chat_logs") return {};
  const changes: Record<string, string | undefined> = row["auth_key_id"] === NULL
    ? { auth_key_id: numberCell(0) }
    : {};
  if (isLive && textOf(row["status"]) === "running") {
    equal(textOf(seen["status"]), "error", "nothing runs any more");
    return { ...changes, status: seen["status"], error: seen["error"], updated_at: seen["updated_at"] };
  }
  return changes;
}

/** What the file lacked: verdicts on all live providers, days of the last month if there was no table of them. */
function fillsIn(before: FileCells, after: FileCells): void {
  const providers = [...before.get("providers") ?? []].filter(([, row]) => row["deleted_at"] === NULL);
  const judged = [...after.get("provider_validations")?.values() ?? []].map((row) =>
    Number(textOf(row["provider_id"]))
  );
  deepEqual(providers.filter(([id]) => !judged.includes(id)), [], "every provider has a verdict");
  equal(new Set(judged).size, judged.length);

  const statistics = [...after.get("provider_usage_stats")?.values() ?? []];
  const old = before.get("provider_usage_stats");
  if (old !== undefined) return equal(statistics.length, old.size, "the fork's days stay as they are");
  const days = new Set(statistics.map((row) => textOf(row["date"])));
  ok(days.size > 1 && days.size <= 30, `${days.size} days`);
  for (const day of days) {
    ok(day.endsWith(" 08:00:00+08:00"), `a day as the fork writes it in ${ZONE}: ${day}`);
  }
}

/** What a running gateway notes by itself: verdicts, checks and what it knows of keys and associations. */
function withoutState(cells: FileCells): FileCells {
  const state = new Set(["provider_validations", "provider_checks", "provider_keys", "association_states"]);
  return new Map([...cells].filter(([table]) => !state.has(table)));
}

/** What the old programs have written since is there and counted. */
async function takesIn(path: string): Promise<void> {
  const programs = Object.keys(OLD_PROGRAMS).length;
  const { database, notices } = await openWriter({ path, nowMs: NOW_MS, timeZone: ZONE });
  try {
    deepEqual(notices, []);
    const enabled = database.all("SELECT enabled FROM providers WHERE instr(name, ?) = 1", BY_OLD_PROGRAM);
    deepEqual(enabled.map(({ enabled }) => enabled), Array(programs).fill(1n));
    const rows = database.get("SELECT count(*) AS n FROM chat_logs WHERE instr(name, ?) = 1", BY_OLD_PROGRAM);
    equal(rows?.["n"], BigInt(programs));
    const counted = database.get("SELECT sum(attempts) AS n FROM usage_days WHERE day = '2026-05-21'");
    equal(counted?.["n"], BigInt(programs));
  } finally {
    closeWriter(database);
  }
}
