/** The program in a process of its own, as an operator runs it. @module */
import { SETTINGS } from "../../src/settings.ts";

const ROOT = new URL("../../", import.meta.url);
/** Those of the task `start`. */
const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=setPriority",
];
const POLL_MS = 5;

/** Variables of the process, and where its output goes. */
export type ProcessOptions =
  & Pick<Deno.CommandOptions, "stdout" | "stderr">
  & { readonly env?: Readonly<Record<string, string>> };

/** `main.ts` with these arguments. */
export function program(args: readonly string[], { env, ...output }: ProcessOptions): Deno.Command {
  const unset = Object.fromEntries(SETTINGS.map(({ env }) => [env, ""]));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...PERMISSIONS, "main.ts", ...args],
    cwd: ROOT,
    // Blank variables count as not set, so none of this process's settings act.
    env: { ...unset, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    ...output,
  });
}

/** The URL of a gateway, once its ready file says it. @throws when it ends before, or is late: then it is ended */
export async function urlIn(
  readyFile: string,
  process: Deno.ChildProcess,
  withinMs: number,
): Promise<string> {
  let ended = false;
  process.status.then(() => ended = true);
  const deadline = performance.now() + withinMs;
  while (!ended && performance.now() < deadline) {
    try {
      return JSON.parse(await Deno.readTextFile(readyFile)).url;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  if (!ended) process.kill("SIGKILL");
  throw new Error(ended ? "the gateway ended at its start" : "the gateway was not ready in time");
}
