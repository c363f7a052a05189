/** A gateway in a process of its own that says everything it can, and all that it says. @module */
import assert from "node:assert/strict";
import { SETTINGS } from "../../src/settings.ts";

const ROOT = new URL("../../", import.meta.url);
const READY_WITHIN_MS = 60_000;

/** A gateway that listens. */
export class CapturedProcess {
  private constructor(
    readonly url: string,
    /** Where its database is. */
    readonly folder: string,
    readonly process: Deno.ChildProcess,
    readonly written: Promise<string>,
  ) {}

  /** Starts one in a folder, with these variables and with the log at its most talkative. */
  static async start(folder: string, env: Record<string, string>): Promise<CapturedProcess> {
    const readyFile = `${folder}/ready.json`;
    const unset = Object.fromEntries(SETTINGS.map(({ env }) => [env, ""]));
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "--allow-net", "--allow-read", "--allow-write", "--allow-env", "main.ts"],
        ...["serve", "--host", "127.0.0.1", "--port", "0", "--ready-file", readyFile],
        ...["--db", `${folder}/llmio.db`, "--flush-ms", "20", "--log-level", "debug", "--log-format", "json"],
      ],
      cwd: ROOT,
      // Blank variables count as not set, so none of this process's settings act.
      env: { ...unset, TZ: "UTC", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const written = Promise.all([new Response(process.stdout).text(), new Response(process.stderr).text()])
      .then((texts) => texts.join("\n"));
    return new CapturedProcess(await addressIn(readyFile, process, written), folder, process, written);
  }

  /** Asks it to stop and answers all that it has written. */
  async stop(): Promise<string> {
    this.process.kill("SIGTERM");
    const { code } = await this.process.status;
    const written = await this.written;
    assert.equal(code, 0, written);
    return written;
  }

  /** Ends it, whatever it does. */
  async kill(): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.process.status;
    await this.written;
  }
}

async function addressIn(
  file: string,
  process: Deno.ChildProcess,
  written: Promise<string>,
): Promise<string> {
  let ended = false;
  process.status.then(() => ended = true);
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!ended && performance.now() < deadline) {
    try {
      return JSON.parse(await Deno.readTextFile(file)).url;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  if (!ended) process.kill("SIGKILL");
  throw new Error(`the gateway did not start: ${await written}`);
}
