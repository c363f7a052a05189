/**
 * The command line: which commands and flags there are, and what `--help` says about them.
 *
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import config from "../../deno.json" with { type: "json" };
import { type SettingEntry, SETTINGS } from "../settings.ts";
import { addSecretCommands } from "./secret.ts";
import { addKeyCommands } from "./keys.ts";
import { addMigrateCommand } from "./migrate.ts";
import { serve } from "./serve.ts";
import { complain, EXIT, processTerminal, type Terminal } from "./terminal.ts";

/** This program's version, as in `deno.json`. */
export const VERSION: string = config.version;

/** Flags given to `serve`, by long name without dashes. */
export type ServeFlags = Readonly<Record<string, string | undefined>>;

/** Options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** @default the streams of this process */
  readonly terminal?: Terminal;
  /** What `serve` does. @default {@linkcode serve} */
  readonly serve?: (flags: ServeFlags, terminal: Terminal) => Promise<number>;
}

/**
 * Runs the command that the arguments name and answers the exit code.
 *
 * @example
 * ```ts
 * Deno.exit(await runProgram(Deno.args));
 * ```
 */
export async function runProgram(args: readonly string[], options: ProgramOptions = {}): Promise<number> {
  const terminal = options.terminal ?? processTerminal;
  const runServe = options.serve ?? serve;
  let code: number = EXIT.ok;
  const program = new Command("llmio")
    .description("A gateway for LLM APIs: one address in front of several providers, with failover.")
    .version(`llmio ${VERSION}`, "-V, --version", "Print the version.")
    .helpOption("-h, --help", "Explain the commands, the flags and the environment.")
    .helpCommand(false)
    .addHelpText("after", settingsHelp())
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err, outputError: () => {} });
  const command = program.command("serve", { isDefault: true })
    .description("Run the gateway until a signal stops it. This is what llmio does without a command.")
    .helpOption("-h, --help", "Explain the flags and the environment.")
    // The settings are told with their variables, the same under both helps.
    .configureHelp({
      formatHelp: (shown, help) => `Usage: ${help.commandUsage(shown)}\n\n${shown.description()}\n`,
    })
    .addHelpText("after", settingsHelp())
    .allowExcessArguments()
    .exitOverride();
  const flags = SETTINGS.map((entry) => {
    const option = new Option(`--${entry.flag} <${entry.value}>`, entry.help);
    command.addOption(option);
    return { name: entry.flag, attribute: option.attributeName() };
  });
  command.action(async (given: Record<string, string | undefined>) => {
    const [unknown] = command.args;
    // With a default command, the parser takes a mistyped command for an argument of that one.
    if (unknown !== undefined) throw new CommanderError(EXIT.usage, "llmio.unknown", unknownCommand(unknown));
    code = await runServe(
      Object.fromEntries(flags.map(({ name, attribute }) => [name, given[attribute]])),
      terminal,
    );
  });
  addSecretCommands(program, terminal, (ended) => code = ended);
  addKeyCommands(program, terminal, (ended) => code = ended);
  addMigrateCommand(program, terminal, (ended) => code = ended);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    complain(terminal, `${error.message.replace(/^error: /, "")}; see llmio --help`);
    return EXIT.usage;
  }
  return code;
}

function unknownCommand(name: string): string {
  return `unknown command ${JSON.stringify(name)}`;
}

const HELP_INDENT = 36;
const HELP_WIDTH = 112;

/** Every setting with its flag, variable and default. */
export function settingsHelp(): string {
  return [
    "",
    "Settings (a flag wins over its variable; a blank value counts as not set):",
    ...SETTINGS.map(settingHelp),
    "",
    "Other variables:",
    helpEntry("NO_COLOR", "Any value keeps colours out of the log."),
    "",
    "Signals: SIGTERM and SIGINT stop the gateway once running requests are done; a second one stops it at once.",
    "Exit codes: 0 stopped by a signal, 1 failed, 2 wrong flags, variables or address, 130 second signal.",
  ].join("\n");
}

function settingHelp(entry: SettingEntry): string {
  const help = entry.help.replaceAll("`", "");
  return helpEntry(`--${entry.flag} <${entry.value}>`, `${help} [${entry.env}; default: ${entry.default}]`);
}

function helpEntry(term: string, text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && HELP_INDENT + line.length + 1 + word.length > HELP_WIDTH) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return `  ${term.padEnd(HELP_INDENT - 2)}${lines.join(`\n${" ".repeat(HELP_INDENT)}`)}`;
}
