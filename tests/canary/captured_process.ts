/** A gateway in a process of its own that says everything it can, and all that it says. @module */
import assert from "node:assert/strict";
import { program, urlIn } from "../cli/program_process.ts";

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
    const flags = [
      ...["--host", "127.0.0.1", "--port", "0", "--ready-file", readyFile],
      ...["--db", `${folder}/llmio.db`, "--flush-ms", "20", "--log-level", "debug", "--log-format", "json"],
    ];
    const process = program(["serve", ...flags], {
      env: { TZ: "UTC", ...env },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const written = Promise.all([new Response(process.stdout).text(), new Response(process.stderr).text()])
      .then((texts) => texts.join("\n"));
    const url = await urlIn(readyFile, process, READY_WITHIN_MS).catch(async ({ message }) =>
      assert.fail(`${message}: ${await written}`)
    );
    return new CapturedProcess(url, folder, process, written);
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
