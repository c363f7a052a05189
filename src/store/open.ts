/** Opens the store. @module */
import { isAbsolute, resolve } from "node:path";
import { ACCESS, type Access, type Groups } from "./calls.ts";
import type { OpenRequest } from "./database_file.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { LateWorkerLink } from "./late_worker_link.ts";
import type { WorkerRequest, WorkerRole } from "./messages.ts";
import type { Store } from "./store.ts";
import { timeFormatter } from "./time.ts";
import { WorkerLink } from "./worker_link.ts";

/** How to open the store. */
export interface OpenStoreOptions {
  /** The file, absolute or relative to the working folder, or `:memory:`. Missing folders are made. */
  path: string;
  /** IANA zone in which times are written. @default the zone of the process (`TZ`) */
  timeZone?: string;
  /** Clock for the times of rows, epoch milliseconds. @default Date.now */
  now?: () => number;
  /** Gives up opening. Has no effect once the store is open. */
  signal?: AbortSignal;
  /** Takes lines for the operator's log: a backup was made, the schema was brought up to date. */
  notice?: (line: string) => void;
  /** Rewrites the file first so that it is as small as it can be; that takes minutes if it is large. @default false */
  compact?: boolean;
  /** Folder of numbered migrations. @default the program's own */
  migrations?: URL;
}

/** The worker for each kind of call. */
interface Links {
  readonly read: WorkerLink;
  readonly report: WorkerLink | LateWorkerLink;
  readonly write: WorkerLink;
}

/**
 * Opens the database on workers of its own, makes or migrates it where needed, and answers with the store.
 *
 * An existing file of llmio or of its fork is backed up beside itself before its first change.
 *
 * @throws {StoreOpenError} in one line: what, where, and how to mend it. The file is then as it was.
 * @example
 * ```ts
 * await using stack = new AsyncDisposableStack();
 * const store = stack.adopt(await openStore({ path: ":memory:" }), (store) => store.close());
 * await store.providers.list({});
 * ```
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { signal, now = Date.now } = options;
  signal?.throwIfAborted();
  const request = toRequest(options, now());

  const write = startWorker();
  // A database in memory belongs to one connection, so one worker does everything.
  const inMemory = request.path === ":memory:";
  const read = inMemory ? write : startWorker();
  const report = inMemory ? write : new LateWorkerLink(startWorker, openAs("reporter", request));
  const links: Links = { read, report, write };
  const giveUp = () => stopAll(links, "opening the database was given up");
  signal?.addEventListener("abort", giveUp);
  try {
    const notices = await write.send(openAs("writer", request)) as string[];
    if (read !== write) await read.send(openAs("reader", request));
    for (const line of notices) options.notice?.(line);
  } catch (error) {
    stopAll(links, "the database could not be opened");
    signal?.throwIfAborted();
    throw error instanceof StoreOpenError
      ? error
      : new StoreOpenError(`cannot open ${request.path}: ${messageOf(error)}`);
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
  return remoteStore(links, now);
}

function toRequest({ path, timeZone, compact, migrations }: OpenStoreOptions, nowMs: number): OpenRequest {
  if (path === "") throw new StoreOpenError("the path of the database is empty: name a file, or :memory:");
  try {
    timeFormatter(timeZone);
  } catch {
    throw new StoreOpenError(`there is no time zone "${timeZone}": use an IANA name such as Europe/Paris`);
  }
  return {
    path: path === ":memory:" || isAbsolute(path) ? path : resolve(path),
    nowMs,
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(compact === undefined ? {} : { compact }),
    ...(migrations === undefined ? {} : { migrations: migrations.href }),
  };
}

function startWorker(): WorkerLink {
  // Written so that the compiler finds the worker and puts it into the binary.
  return new WorkerLink(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
}

function openAs(role: WorkerRole, open: OpenRequest): WorkerRequest {
  return { kind: "open", role, open };
}

function stopAll({ read, report, write }: Links, reason: string): void {
  for (const link of [report, read, write]) link.stop(reason);
}

function remoteStore(links: Links, now: () => number): Store {
  const { routing, apply, ping } = remoteGroup("whole", links, now);
  let closing: Promise<void> | undefined;
  return {
    providers: remoteGroup("providers", links, now),
    models: remoteGroup("models", links, now),
    associations: remoteGroup("associations", links, now),
    logs: remoteGroup("logs", links, now),
    chatIo: remoteGroup("chatIo", links, now),
    usage: remoteGroup("usage", links, now),
    logCleanup: remoteGroup("logCleanup", links, now),
    health: remoteGroup("health", links, now),
    liveState: remoteGroup("liveState", links, now),
    configs: remoteGroup("configs", links, now),
    encryption: remoteGroup("encryption", links, now),
    responseOwners: remoteGroup("responseOwners", links, now),
    authKeys: remoteGroup("authKeys", links, now),
    adminTokens: remoteGroup("adminTokens", links, now),
    audit: remoteGroup("audit", links, now),
    routing,
    apply,
    // Reading answers also when the writing worker is gone or waits for a lock; only the former is a fault.
    ping: async () => {
      if (links.write.stopped !== undefined) throw links.write.stopped;
      await ping();
    },
    close: () => closing ??= closeAll(links),
  };
}

/** The calls of one group: each is sent to the worker that {@link ACCESS} names. */
function remoteGroup<Group extends keyof Groups>(
  group: Group,
  links: Links,
  now: () => number,
): Groups[Group] {
  const calls = Object.entries<Access>(ACCESS[group]).map(([method, access]) => [
    method,
    (...args: unknown[]) =>
      links[access === "maintain" ? "write" : access].send({
        kind: "call",
        group,
        method,
        args,
        nowMs: now(),
      }),
  ]);
  // Sound because ACCESS is checked to list exactly the methods of the group, and the worker's repositories
  // are checked to have the same parameters and results.
  return Object.fromEntries(calls) as Groups[Group];
}

async function closeAll({ read, report, write }: Links): Promise<void> {
  const closed = "the store is closed";
  // All refuse new calls from here on, but those who read end first: the write-ahead log can only be emptied when
  // nobody reads from it.
  write.refuse(closed);
  await Promise.all([report.finish(closed), read.finish(closed)]);
  await write.finish(closed);
}
