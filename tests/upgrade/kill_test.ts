/** An upgrade that is killed at any moment is done by the next start as if nothing had happened. @module */
import { deepEqual, equal, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { program } from "../cli/program_process.ts";
import { backupsIn, filesIn, inFolder, makeLegacyFiles, openOnce, sql } from "../store/fixtures.ts";

/** The log, so that there is time to be killed in. */
const LOG_ROWS = 12_000;
const POLL_MS = 1;
const GIVE_UP_MS = 60_000;

Deno.test("llmio migrate, killed at 15 moments of its work on a file of llmio: the next start ends as an undisturbed one", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await killOften(15, folder, upstream, { args: ["migrate"], endsAt: "exit" });
  }));

Deno.test("llmio serve, killed at 5 moments of its start on a file of the fork: the next start ends as an undisturbed one", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    // A gateway that is there probes.
    sql(ma, (database) => database.exec("UPDATE health_check_configs SET enabled = 0"));
    await killOften(5, folder, ma, {
      args: ["serve", "--host", "127.0.0.1", "--port", "0"],
      endsAt: "ready",
    });
  }));

/** A command that upgrades, and what says that it has. */
interface Command {
  readonly args: readonly string[];
  readonly endsAt: "exit" | "ready";
}

async function killOften(kills: number, folder: string, original: string, command: Command): Promise<void> {
  lengthen(original);
  const undisturbed = await Run.start(`${folder}/undisturbed`, original, command);
  await undisturbed.working();
  const begun = performance.now();
  await undisturbed.done();
  const workMs = performance.now() - begun;
  await undisturbed.kill();
  await openOnce(undisturbed.path, { timeZone: "UTC" });
  const wanted = digestOf(undisturbed.path);
  const copy = undisturbed.backup();
  deepEqual(digestOf(copy), digestOf(original));
  const copied = await Deno.readFile(copy);

  const stages = new Set<string>();
  for (let n = 0; n < kills; n++) {
    const run = await Run.start(`${folder}/killed-${n}`, original, command);
    await run.working();
    await new Promise((resolve) => setTimeout(resolve, workMs * n / kills));
    await run.kill();
    stages.add(run.stage());
    await openOnce(run.path, { timeZone: "UTC" });

    const moment = `killed after ${n}/${kills} of the work`;
    deepEqual(digestOf(run.path), wanted, moment);
    sql(
      run.path,
      (database) =>
        equal(database.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok", moment),
    );
    ok(equalBytes(await Deno.readFile(run.backup()), copied), moment);
    deepEqual(filesIn(run.folder).filter((name) => /partial|journal|wal|shm/.test(name)), [], moment);
    await Deno.remove(run.folder, { recursive: true });
  }
  ok(stages.has("copying") || stages.has("changing"), `the work was met: ${[...stages]}`);
}

/** A command in a process of its own, on a copy of a file in a folder of its own. */
class Run {
  private constructor(
    readonly folder: string,
    readonly process: Deno.ChildProcess,
    readonly endsAt: Command["endsAt"],
  ) {}

  static async start(folder: string, original: string, { args, endsAt }: Command): Promise<Run> {
    await Deno.mkdir(folder);
    const path = `${folder}/llmio.db`;
    await Deno.copyFile(original, path);
    const ready = endsAt === "ready" ? ["--ready-file", `${folder}/ready.json`] : [];
    const process = program([...args, "--db", path, "--tz", "UTC", ...ready], {
      env: { TZ: "UTC" },
      stdout: "null",
      stderr: "null",
    }).spawn();
    return new Run(folder, process, endsAt);
  }

  get path(): string {
    return `${this.folder}/llmio.db`;
  }

  /** Settles when the upgrade has begun: with the copy of the file. */
  working(): Promise<void> {
    return this.#until(() => filesIn(this.folder).some((name) => name.includes("backup")));
  }

  /** Settles when the upgrade is over. */
  async done(): Promise<void> {
    if (this.endsAt === "exit") equal((await this.process.status).code, 0);
    else await this.#until(() => filesIn(this.folder).includes("ready.json"));
  }

  /** Ends the process at once, unless it has ended. */
  async kill(): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.process.status;
  }

  /** How far the upgrade has come, by the files that are there. */
  stage(): "copying" | "changing" | "changed" {
    const names = filesIn(this.folder);
    if (names.some((name) => name.includes("partial"))) return "copying";
    return names.includes("llmio.db-journal") ? "changing" : "changed";
  }

  /** The only backup. */
  backup(): string {
    const names = backupsIn(this.folder);
    equal(names.length, 1, `there is one backup: ${names}`);
    return `${this.folder}/${names[0]}`;
  }

  async #until(isTrue: () => boolean): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS;
    while (!isTrue()) {
      ok(performance.now() < deadline, "the upgrade takes too long");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Repeats the log until it is long, and ends what runs, which a start would end. */
function lengthen(path: string): void {
  sql(path, (database) => {
    const columns = database.prepare("SELECT name FROM pragma_table_info('chat_logs') WHERE name <> 'id'")
      .all()
      .map(({ name }) => name).join(", ");
    const count = () => Number(database.prepare("SELECT count(*) AS n FROM chat_logs").get()?.["n"]);
    database.exec("BEGIN");
    for (let missing = LOG_ROWS - count(); missing > 0; missing = LOG_ROWS - count()) {
      database.exec(
        `INSERT INTO chat_logs (${columns}) SELECT ${columns} FROM chat_logs ORDER BY id LIMIT ${missing}`,
      );
    }
    database.exec("UPDATE chat_logs SET status = 'error' WHERE status = 'running'; COMMIT");
  });
}

/** When something was filled in differs from run to run; everything else must not. */
const TIMES_OF_THE_RUN: Readonly<Record<string, readonly string[]>> = {
  schema_migrations: ["applied_at"],
  configs: ["created_at", "updated_at"],
  health_check_configs: ["created_at", "updated_at"],
  provider_validations: ["created_at", "updated_at"],
  provider_usage_stats: ["created_at", "updated_at"],
};

/** A hash of all rows of each table, in the order of their keys. */
function digestOf(path: string): Record<string, string> {
  return sql(path, (database) => {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
      .all();
    return Object.fromEntries(tables.map(({ name }) => {
      const table = String(name);
      const left = TIMES_OF_THE_RUN[table] ?? [];
      const columns = database.prepare("SELECT name FROM pragma_table_info(?)").all(table)
        .map(({ name }) => String(name)).filter((column) => !left.includes(column));
      const order = columns.includes("id") ? "id" : columns.join(", ");
      const line = columns.map((column) => `quote(${column})`).join(" || '|' || ");
      const rows = database.prepare(
        `SELECT group_concat(line, char(10)) AS lines FROM (SELECT ${line} AS line FROM ${table} ORDER BY ${order})`,
      );
      const hash = createHash("sha256").update(String(rows.get()?.["lines"]));
      return [table, hash.digest("hex")];
    }));
  });
}
