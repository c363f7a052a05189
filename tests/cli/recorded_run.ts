/** What a command says to whoever calls it, and how it ends. @module */
import type { Terminal } from "../../src/cli/terminal.ts";

/** A command that has ended. */
export interface RecordedRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command on a terminal that keeps what it is told. */
export async function record(command: (terminal: Terminal) => Promise<number>): Promise<RecordedRun> {
  const said = { out: "", err: "" };
  const code = await command({ out: (text) => said.out += text, err: (text) => said.err += text });
  return { code, ...said };
}
