/**
 * What a command says to the person who called it. The log is something else: see `log.ts`.
 *
 * @module
 */

/** The two streams of a command, as functions that take whole texts. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

/** How a command can end. */
export const EXIT = {
  ok: 0,
  /** Something went wrong that the caller could not have known. */
  failed: 1,
  /** The command was called wrongly: flags, variables, or a port that is taken. */
  usage: 2,
  /** Stopped at once by a second signal. */
  interrupted: 130,
} as const;

/** Tells what is wrong in one line of its own, so that it stays one line in the log of whoever started us. */
export function complain(terminal: Terminal, problem: string): void {
  terminal.err(`llmio: ${problem.trim().replace(/\s*\n\s*/g, " ")}\n`);
}

/** The streams of this process. */
export const processTerminal: Terminal = {
  out: (text) => writeAll(Deno.stdout, text),
  err: (text) => writeAll(Deno.stderr, text),
};

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
  } catch (error) {
    // The reader has gone, as in `llmio --help | head -1`.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
