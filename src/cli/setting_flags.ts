/** Flags of commands that go by some of the gateway's settings. @module */
import type { Command } from "commander";
import { type SettingEntry, SETTINGS } from "../settings.ts";

/** What is said of a flag. */
export type FlagEntry = Pick<SettingEntry, "flag" | "value" | "env" | "help">;

/**
 * Adds flags to a command, each with the variable that it wins over.
 *
 * @param names Long names without dashes; the help lists them in this order.
 * @param own Flags of the command alone. @default none
 */
export function addSettingFlags(
  command: Command,
  names: readonly string[],
  own: readonly FlagEntry[] = [],
): void {
  for (const name of names) {
    const entry = [...SETTINGS, ...own].find(({ flag }) => flag === name);
    if (entry === undefined) throw new Error(`there is no setting with the flag --${name}`);
    command.option(`--${name} <${entry.value}>`, `${entry.help.replaceAll("`", "")} [${entry.env}]`);
  }
}
