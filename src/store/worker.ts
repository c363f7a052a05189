/// <reference lib="webworker" />
/**
 * A database worker: owns one connection and runs the store's calls on it, so that no SQL ever runs on the thread
 * that serves requests.
 *
 * @module
 */
import { ACCESS, type Access } from "./calls.ts";
import { closeWriter, openReader, openWriter } from "./database_file.ts";
import type { Numbered, WorkerReply, WorkerRequest } from "./messages.ts";
import { toFailure } from "./messages.ts";
import { repositories } from "./repositories.ts";
import { Session } from "./session.ts";
import { letOthersGoFirst } from "./thread_priority.ts";

type Call = (...args: readonly unknown[]) => unknown;

/** What is there between the `open` and the `close` message. */
interface Running {
  session: Session;
  calls: Record<string, Record<string, Call>>;
  close(): void;
}

let running: Running | undefined;

/** The answer to the latest request. Opening takes more than one turn; each waits for those before it. */
let answered: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Numbered<WorkerRequest>>) => {
  answered = answered.then(async () => self.postMessage(await answer(data)));
};

async function answer({ id, request }: Numbered<WorkerRequest>): Promise<WorkerReply> {
  try {
    return { id, value: await serve(request) };
  } catch (error) {
    return { id, failure: toFailure(error, nameOf(request)) };
  }
}

function serve(request: WorkerRequest): unknown {
  switch (request.kind) {
    case "open":
      return open(request);
    case "call":
      return call(request);
    case "close":
      running?.close();
      running = undefined;
      return undefined;
  }
}

async function open({ role, open }: WorkerRequest & { kind: "open" }): Promise<string[]> {
  if (role === "reporter") letOthersGoFirst();
  const { database, notices } = role === "writer"
    ? await openWriter(open)
    : { database: await openReader(open.path), notices: [] };
  const session = new Session(database, open.timeZone);
  running = {
    session,
    // The typed side of these calls is the Store interface, which the proxy in open.ts is made from.
    calls: repositories(session) as unknown as Running["calls"],
    close: () => role === "writer" ? closeWriter(database) : database.close(),
  };
  return notices;
}

function call({ group, method, args, nowMs }: WorkerRequest & { kind: "call" }): unknown {
  const run = running?.calls[group]?.[method];
  const access = (ACCESS as Record<string, Record<string, Access>>)[group]?.[method];
  if (running === undefined || run === undefined || access === undefined) {
    throw new Error("the worker knows no such call, or its database is not open");
  }
  running.session.nowMs = nowMs;
  if (access === "maintain") return run(...args);
  return running.session.database.transaction(access === "write" ? "write" : "read", () => run(...args));
}

function nameOf(request: WorkerRequest): string {
  return request.kind === "call" ? `${request.group}.${request.method}` : request.kind;
}
