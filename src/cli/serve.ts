/**
 * `llmio serve`: reads the settings, starts the server, tells when it is ready and stops it on a signal.
 *
 * @module
 */
import { logOf, startLog } from "../log.ts";
import type { RunningServer } from "../server.ts";
import { readSettings, type Settings, type SettingValues } from "../settings.ts";
import { removeReadyFile, writeReadyFile } from "./ready_file.ts";
import { complain, EXIT, type Terminal } from "./terminal.ts";

/** What `serve` needs of the process around it; tests put their own in its place. */
export interface ServeProcess {
  readonly env: SettingValues;
  /** Starts the real server. */
  start(settings: Settings): Promise<RunningServer>;
  /** Gives up what a gateway never needs. */
  dropPermissions(): Promise<void>;
  /** Calls back for each signal that asks the program to stop; answers how to stop listening. */
  onStopSignal(handler: (signal: Deno.Signal) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

/** Runs the gateway and answers the exit code. */
export async function serve(
  flags: SettingValues,
  terminal: Terminal,
  process: ServeProcess = thisProcess(),
): Promise<number> {
  const read = readSettings(flags, process.env);
  if (!read.ok) {
    for (const error of read.errors) complain(terminal, error);
    return EXIT.usage;
  }
  const { settings } = read;
  await using _log = await startLog({ level: settings.logLevel, format: settings.logFormat });
  const signals = stopSignals(process);
  try {
    return await run(settings, terminal, process, signals.first);
  } finally {
    signals.ignore();
  }
}

async function run(
  settings: Settings,
  terminal: Terminal,
  process: ServeProcess,
  signalled: Promise<Deno.Signal>,
): Promise<number> {
  const log = logOf("serve");
  let server: RunningServer;
  try {
    server = await start(settings, process);
  } catch (error) {
    const { problem, code } = startProblem(error, settings);
    complain(terminal, problem);
    log.debug("The start failed", { error });
    return code;
  }
  log.info("Listening", { url: server.url });
  if (settings.token === null) {
    log.warn("No admin token is set, so only this machine can reach the gateway; set TOKEN to change that");
    if (settings.corsOrigins.length > 0) {
      log.warn("Without an admin token no web page is let in; CORS is off");
    }
  }
  try {
    const signal = await Promise.race([signalled, server.finished]);
    await forgetReadyFile(settings);
    if (signal) {
      log.info("Stopping once running requests are done; a second signal stops at once", { signal });
      await server.stop(signal);
    }
    await server.finished;
    log.info("Stopped");
    return EXIT.ok;
  } catch (error) {
    log.error("The server failed", { error });
    await forgetReadyFile(settings);
    return EXIT.failed;
  }
}

/** Starts the server and says that it is ready. */
async function start(settings: Settings, process: ServeProcess): Promise<RunningServer> {
  await process.dropPermissions();
  // A file left by a killed run would send the caller to an address that nobody listens on.
  await forgetReadyFile(settings);
  const server = await process.start(settings);
  if (settings.readyFile === null) return server;
  try {
    await writeReadyFile(settings.readyFile, server);
    return server;
  } catch (error) {
    await server.stop("the ready file cannot be written");
    throw new ReadyFileProblem(`--ready-file: ${messageOf(error)}`);
  }
}

class ReadyFileProblem extends Error {}

async function forgetReadyFile({ readyFile }: Settings): Promise<void> {
  if (readyFile === null) return;
  try {
    await removeReadyFile(readyFile);
  } catch (error) {
    logOf("serve").warn("The ready file cannot be removed", { file: readyFile, error });
  }
}

/** The first signal is a promise; the second ends the process. */
function stopSignals(process: ServeProcess): { first: Promise<Deno.Signal>; ignore(): void } {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  let count = 0;
  const ignore = process.onStopSignal((signal) => {
    count += 1;
    if (count === 1) resolve(signal);
    else process.exit(EXIT.interrupted);
  });
  return { first: promise, ignore };
}

/** Why the server did not start, for the person who started it. */
function startProblem(error: unknown, { host, port }: Settings): { problem: string; code: number } {
  const place = `port ${port} on ${host}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return {
      problem: `${place} is already in use; stop the other program or choose another with --port`,
      code: EXIT.usage,
    };
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return {
      problem: `${host} is not an address of this machine; choose another with --host`,
      code: EXIT.usage,
    };
  }
  if (error instanceof Deno.errors.PermissionDenied && port > 0 && port < 1024) {
    return {
      problem: `${place} needs more rights than this user has; choose a port over 1023 with --port`,
      code: EXIT.usage,
    };
  }
  return {
    problem: messageOf(error),
    code: error instanceof ReadyFileProblem || isSettingProblem(error) ? EXIT.usage : EXIT.failed,
  };
}

/** Problems with what a setting names, by their names: their classes are in modules that are loaded with the server. */
const SETTING_PROBLEMS: ReadonlySet<string> = new Set(["CertificateProblem", "UiFolderProblem"]);

function isSettingProblem(error: unknown): boolean {
  return error instanceof Error && SETTING_PROBLEMS.has(error.name);
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}

function thisProcess(): ServeProcess {
  return {
    env: Deno.env.toObject(),
    async start(settings) {
      // Loaded here and not above, so that `--help`, `--version` and a wrong flag answer at once.
      const { startServer } = await import("../server.ts");
      return await startServer(settings);
    },
    async dropPermissions() {
      await Deno.permissions.revoke({ name: "run" });
      await Deno.permissions.revoke({ name: "ffi" });
    },
    onStopSignal(handler) {
      const names: Deno.Signal[] = Deno.build.os === "windows"
        ? ["SIGINT", "SIGBREAK"]
        : ["SIGINT", "SIGTERM"];
      const listeners = names.map((name) => [name, () => handler(name)] as const);
      for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
      return () => {
        for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
      };
    },
    exit: (code) => Deno.exit(code),
  };
}
