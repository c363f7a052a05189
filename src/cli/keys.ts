/**
 * `llmio keys rehash`: puts hashes in the place of the clients' keys that an old program has stored plain.
 *
 * @module
 */
import { type Command, CommanderError } from "commander";
import { readSettings, type SettingValues } from "../settings.ts";
import { addSettingFlags } from "./setting_flags.ts";
import { complain, EXIT, type Terminal } from "./terminal.ts";

/** Settings that the command goes by; what is wrong with the others is none of its business. */
const FLAGS: readonly string[] = ["db", "tz"];

/**
 * Adds the command to the program.
 *
 * @param ended Takes the exit code of the command.
 * @param env The environment. @default that of this process
 */
export function addKeyCommands(
  program: Command,
  terminal: Terminal,
  ended: (code: number) => void,
  env: () => SettingValues = () => Deno.env.toObject(),
): void {
  const group = program.command("keys")
    .description("Look after the keys of clients.")
    .helpCommand(false)
    .allowExcessArguments();
  group.action(() => {
    const [unknown] = group.args;
    const problem = unknown === undefined
      ? "keys needs a command: rehash"
      : `unknown command ${JSON.stringify(`keys ${unknown}`)}`;
    throw new CommanderError(EXIT.usage, "llmio.unknown", problem);
  });
  const command = group.command("rehash")
    .description(
      "Keep only hashes of the clients' keys that llmio has stored in plain text. Clients notice nothing, but the old " +
        "program can then no longer check these keys.",
    )
    .allowExcessArguments(false);
  addSettingFlags(command, FLAGS);
  command.action(async (given: SettingValues) => ended(await rehash(given, terminal, env())));
}

/** Hashes all plain keys of a database and answers the exit code. */
export async function rehash(flags: SettingValues, terminal: Terminal, env: SettingValues): Promise<number> {
  const { LLMIO_DB, TZ } = env;
  const read = readSettings(flags, { LLMIO_DB, TZ });
  if (!read.ok) {
    for (const error of read.errors) complain(terminal, error);
    return EXIT.usage;
  }
  const { db, timeZone } = read.settings;
  try {
    // Opening a file that is not there would make it.
    if (!await isFile(db)) {
      complain(terminal, `there is no database at ${db}; name it with --db or LLMIO_DB`);
      return EXIT.usage;
    }
    report(await rehashFile(db, timeZone, (line) => terminal.out(`${line}\n`)), db, terminal);
    return EXIT.ok;
  } catch (error) {
    complain(terminal, error instanceof Error ? error.message : String(error));
    return EXIT.failed;
  }
}

/** Answers how many keys were plain. */
async function rehashFile(path: string, timeZone: string, notice: (line: string) => void): Promise<number> {
  // Loaded here and not above, so that `--help` and a wrong flag answer at once.
  const [{ openStore }, { hashKey, keyMask }] = await Promise.all([
    import("../store/open.ts"),
    import("../access/key_text.ts"),
  ]);
  const store = await openStore({ path, timeZone, notice });
  try {
    const plain = (await store.authKeys.list()).filter(({ key }) => key !== "");
    return await store.authKeys.rehash(
      plain.map(({ id, key }) => ({ id, hash: hashKey(key), mask: keyMask(key) })),
    );
  } finally {
    await store.close();
  }
}

function report(count: number, db: string, terminal: Terminal): void {
  if (count === 0) {
    terminal.out(`No key in ${db} is stored in plain text; nothing was changed.\n`);
    return;
  }
  terminal.out(
    `${count === 1 ? "1 key" : `${count} keys`} in ${db} ${
      count === 1 ? "is" : "are"
    } now stored as a hash. ` +
      "Clients use their keys as before, but the old program can no longer check them.\n" +
      "Backups that were made earlier still hold the keys in plain text.\n",
  );
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
