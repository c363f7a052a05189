/**
 * `llmio secret`: makes secrets, says whether a database is encrypted, changes its secret, decrypts it.
 *
 * @module
 */
import type { Command } from "commander";
import { readSettings, type SettingValues } from "../settings.ts";
import type { Changed } from "../store/encryption_change.ts";
import type { EncryptionStatus } from "../store/encryption_commands.ts";
import { addSettingFlags, type FlagEntry } from "./setting_flags.ts";
import { complain, EXIT, type Terminal } from "./terminal.ts";

/** What the commands need of the process around them. */
export interface SecretContext {
  readonly terminal: Terminal;
  readonly env: SettingValues;
}

/** Flags by long name without dashes. */
export type SecretFlags = Readonly<Record<string, string | undefined>>;

/** The commands by name, with what the help says of them. */
export const SECRET_COMMANDS = {
  new: { run: printNew, flags: [], help: "Print a new random secret." },
  status: {
    run: status,
    flags: ["db", "secret", "secret-file"],
    help: "Say whether the database is encrypted and, with a secret, whether that is the right one.",
  },
  rotate: {
    run: rotate,
    flags: ["db", "secret", "secret-file", "new-secret-file"],
    help: "Encrypt the database with LLMIO_NEW_SECRET in place of LLMIO_SECRET. Stop the gateway first.",
  },
  remove: {
    run: remove,
    flags: ["db", "secret", "secret-file"],
    help: "Decrypt the database, so that it opens without a secret. Stop the gateway first.",
  },
} as const satisfies Record<string, SecretCommand>;

interface SecretCommand {
  readonly run: (flags: SecretFlags, context: SecretContext) => Promise<number>;
  readonly flags: readonly string[];
  readonly help: string;
}

/** Flags that are not settings of the gateway. */
const OWN_FLAGS: readonly FlagEntry[] = [{
  flag: "new-secret-file",
  value: "file",
  env: "LLMIO_NEW_SECRET_FILE",
  help: "File that holds the new secret; LLMIO_NEW_SECRET gives it itself.",
}];

/**
 * Adds the commands to the program.
 *
 * @param ended Takes the exit code of the command that ran.
 */
export function addSecretCommands(
  program: Command,
  terminal: Terminal,
  ended: (code: number) => void,
  env: () => SettingValues = () => Deno.env.toObject(),
): void {
  const group = program.command("secret")
    .description("Make a secret, or look at, change or remove the encryption of the database.")
    .helpCommand(false)
    .allowExcessArguments();
  group.action(() => {
    const [unknown] = group.args;
    const names = Object.keys(SECRET_COMMANDS).join(", ");
    group.error(
      unknown === undefined
        ? `say what to do with the secret: ${names}`
        : `unknown command ${JSON.stringify(unknown)} of secret; there are ${names}`,
    );
  });
  for (const [name, { run, flags, help }] of Object.entries(SECRET_COMMANDS)) {
    const command = group.command(name).description(help).allowExcessArguments(false);
    addSettingFlags(command, flags, OWN_FLAGS);
    command.action(async () => {
      const given = command.opts<Record<string, string>>();
      const named = flags.map((flag) => [flag, given[flag.replaceAll(/-(\w)/g, (_, c) => c.toUpperCase())]]);
      ended(await run(Object.fromEntries(named), { terminal, env: env() }));
    });
  }
}

/** Prints a secret that nobody can guess. */
async function printNew(_flags: SecretFlags, { terminal }: SecretContext): Promise<number> {
  const { newSecret } = await import("../access/vault.ts");
  terminal.out(`${newSecret()}\n`);
  return EXIT.ok;
}

function status(flags: SecretFlags, context: SecretContext): Promise<number> {
  return onDatabase(flags, context, async (db, secret) => {
    const { encryptionStatus, notEncrypted } = await import("../store/encryption_commands.ts");
    const found = await encryptionStatus(db, secret);
    if (found.encryption === null) {
      context.terminal.out(`${notEncrypted(db)}\n`);
      return EXIT.ok;
    }
    const { iterations } = found.encryption;
    context.terminal.out(
      `${db} is encrypted (AES-256-GCM, key by PBKDF2-SHA-256 with ${iterations} iterations); ` +
        `encrypted texts: ${found.sealed}\n`,
    );
    return report(db, found, context.terminal);
  });
}

/** Says what is wrong with an encrypted file, and with the secret. */
function report(db: string, { plain, fits, damaged }: EncryptionStatus, terminal: Terminal): number {
  if (plain > 0) {
    complain(terminal, `${db} holds ${plain} texts in plain; the gateway encrypts them at its next start`);
  }
  for (const label of damaged) complain(terminal, `${label} cannot be decrypted; enter it again`);
  if (fits === false) complain(terminal, `the secret given is not the one that ${db} is encrypted with`);
  else if (fits && damaged.length === 0) terminal.out("The secret given opens all of them.\n");
  return fits === false || damaged.length > 0 ? EXIT.failed : EXIT.ok;
}

async function rotate(flags: SecretFlags, context: SecretContext): Promise<number> {
  const { terminal } = context;
  const replacement = newSecretOf(flags, context);
  if (replacement === null) return EXIT.usage;
  return await onDatabase(flags, context, async (db, secret) => {
    if (secret === null) {
      complain(terminal, `no secret is given: set LLMIO_SECRET to the one that ${db} is encrypted with`);
      return EXIT.usage;
    }
    if (secret === replacement) {
      complain(terminal, "the new secret is the old one; llmio secret new prints another");
      return EXIT.usage;
    }
    const { rotateSecret } = await import("../store/encryption_commands.ts");
    const rotated = await rotateSecret(db, secret, replacement);
    nameDamaged(rotated, terminal);
    if (rotated.remnants !== null) {
      complain(
        terminal,
        `${db} could not be rewritten and may still hold remnants under the old secret (${rotated.remnants}); ` +
          "the next start of the gateway tries again",
      );
    }
    terminal.out(
      rotated.already
        ? `${db} is encrypted with the new secret already\n`
        : `encrypted ${rotated.count} texts in ${db} with the new secret; start the gateway with it from now on\n`,
    );
    return EXIT.ok;
  });
}

function remove(flags: SecretFlags, context: SecretContext): Promise<number> {
  const { terminal } = context;
  return onDatabase(flags, context, async (db, secret) => {
    const { removeEncryption } = await import("../store/encryption_commands.ts");
    const removed = await removeEncryption(db, secret);
    nameDamaged(removed, terminal);
    terminal.out(
      `decrypted ${removed.count} texts in ${db}; start the gateway without LLMIO_SECRET from now on\n`,
    );
    complain(terminal, `warning: whoever can read ${db} can now read the credentials of its providers`);
    return EXIT.ok;
  });
}

function nameDamaged({ damaged }: Changed, terminal: Terminal): void {
  for (const label of damaged) {
    complain(terminal, `warning: ${label} cannot be decrypted and stays as it is; enter it again`);
  }
}

/** Reads the settings and runs a command by them; an error of the database is one line. */
async function onDatabase(
  flags: SecretFlags,
  { terminal, env }: SecretContext,
  run: (db: string, secret: string | null) => Promise<number>,
): Promise<number> {
  const { "new-secret-file": _new, ...known } = flags;
  // Only these variables: what is wrong with the gateway's others is none of this command's business.
  const { LLMIO_DB, LLMIO_SECRET, LLMIO_SECRET_FILE } = env;
  const read = readSettings(known, { LLMIO_DB, LLMIO_SECRET, LLMIO_SECRET_FILE });
  if (!read.ok) {
    for (const error of read.errors) complain(terminal, error);
    return EXIT.usage;
  }
  try {
    return await run(read.settings.db, read.settings.secret);
  } catch (error) {
    complain(terminal, error instanceof Error ? error.message : String(error));
    return EXIT.failed;
  }
}

/** The new secret, under the rules of the old one; `null` = there is none to use, and it has been said why. */
function newSecretOf(flags: SecretFlags, { terminal, env }: SecretContext): string | null {
  const read = readSettings(
    { "secret-file": flags["new-secret-file"] },
    { LLMIO_SECRET: env["LLMIO_NEW_SECRET"], LLMIO_SECRET_FILE: env["LLMIO_NEW_SECRET_FILE"] },
  );
  if (!read.ok) {
    for (const error of read.errors) {
      complain(
        terminal,
        error.replaceAll("LLMIO_SECRET", "LLMIO_NEW_SECRET").replace(/^--secret-file/, "--new-secret-file"),
      );
    }
    return null;
  }
  if (read.settings.secret === null) {
    complain(
      terminal,
      "no new secret is given: set LLMIO_NEW_SECRET, or name a file with --new-secret-file; llmio secret new prints one",
    );
  }
  return read.settings.secret;
}
