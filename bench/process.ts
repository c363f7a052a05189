/**
 * The processes of the rig: started on a core of their own, measured from the outside.
 *
 * @module
 */
import { TextLineStream } from "./lines.ts";

/** Clock ticks a second in `/proc/<pid>/stat`; 100 on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;
const MICROSECONDS = 1_000_000;

const hasTaskset = Deno.build.os === "linux" &&
  await new Deno.Command("taskset", { args: ["--version"], stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);

/** Whether every process has a core of its own, as far as the machine has cores. */
export const pinned = hasTaskset && navigator.hardwareConcurrency > 1;

/** The core of each part; on two cores the client and the upstream share one. */
export const CORE = {
  gateway: 0,
  client: 1,
  upstream: navigator.hardwareConcurrency > 2 ? 2 : 1,
} as const;

/** A Deno program that runs until it is stopped. */
export class Part implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(
    core: number,
    args: readonly string[],
    options: { env?: Record<string, string>; quiet?: boolean } = {},
  ) {
    const deno = Deno.execPath();
    this.#child = new Deno.Command(pinned ? "taskset" : deno, {
      args: pinned ? ["--cpu-list", String(core), deno, ...args] : [...args],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: options.quiet ? "null" : "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** `taskset` replaces itself by the program, so this is the program's own id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Settles when the process has ended. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** The next line that the program prints. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.read();
    if (done) throw new Error("a part of the rig ended early");
    return value;
  }

  async send(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#input.abort().catch(() => {});
    await this.#lines.cancel().catch(() => {});
  }
}

/** CPU time that a process with all its threads has used, in microseconds; `null` where the system does not tell. */
export async function cpuMicroseconds(pid: number): Promise<number | null> {
  try {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    // The command's name, in brackets, may hold spaces; user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

/** Resident memory of a process, in MiB; `null` where the system does not tell. */
export async function residentMiB(pid: number): Promise<number | null> {
  try {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) / 1024;
  } catch {
    return null;
  }
}
