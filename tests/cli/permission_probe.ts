/**
 * The real program, and beside it, in the same process, code that tries what the program may not. Run by
 * `permissions_test.ts` with the flags of a task; prints what has come of each try as JSON.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { runProgram } from "../../src/cli/program.ts";

const [readyFile = "", ...args] = Deno.args;

/** What becomes of a try: `"done"`, or the name of what it throws. */
async function outcomeOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "done";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function listening(): Promise<{ url: string }> {
  for (;;) {
    try {
      return JSON.parse(await Deno.readTextFile(readyFile));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

void runProgram(["serve", "--ready-file", readyFile, ...args]);
const { url } = await listening();
const tries = {
  serves: (await fetch(`${url}/healthz`)).status,
  run: await outcomeOf(() => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync()),
  // It throws nothing, but has no exit status either.
  runFromNode: spawnSync(Deno.execPath(), ["--version"]).status === 0 ? "done" : "refused",
  loadLibrary: await outcomeOf(() => Deno.dlopen("/nowhere/lib.so", {})),
  dlopenFromNode: await outcomeOf(() => process.dlopen({ exports: {} }, "/nowhere/addon.node")),
  hostname: await outcomeOf(() => Deno.hostname()),
  metadata: await outcomeOf(() => fetch("http://169.254.169.254/")),
  mappedMetadata: await outcomeOf(() => Deno.connect({ hostname: "169.254.169.254", port: 80 })),
  query: Object.fromEntries(
    await Promise.all((["run", "ffi", "sys"] as const).map(async (name) => [
      name,
      (await Deno.permissions.query({ name })).state,
    ])),
  ),
};
await Deno.stdout.write(new TextEncoder().encode(`\n${JSON.stringify(tries)}\n`));
Deno.exit(0);
