/** What the serving thread and a database worker say to each other. @module */
import type { OpenRequest } from "./database_file.ts";
import { messageOf, StoreError, type StoreErrorReason, StoreOpenError } from "./errors.ts";
import { MissingReference, NameTaken } from "./store.ts";

/** What a worker is for; each has a connection of its own. */
export type WorkerRole = "writer" | "reader" | "reporter";

/** To a worker. It serves requests one after the other, in the order in which they were sent. */
export type WorkerRequest =
  /** The first message: open the database. Answered with the notices. */
  | { kind: "open"; role: WorkerRole; open: OpenRequest }
  /** One call of the store. */
  | { kind: "call"; group: string; method: string; args: readonly unknown[]; nowMs: number }
  /** The last message: close the database. */
  | { kind: "close" };

/** A request with the number that its answer carries. */
export type Numbered<Request> = { id: number; request: Request };

/** From a worker. */
export type WorkerReply = { id: number; value: unknown } | { id: number; failure: Failure };

/** An error as it crosses the threads, where classes are lost. */
export type Failure =
  | { kind: "NameTaken"; message: string }
  | { kind: "MissingReference"; field: string; id: number }
  | { kind: "StoreOpenError"; message: string }
  | { kind: "StoreError"; message: string; reason: StoreErrorReason };

/** Takes an error apart. @param call What was tried, for errors that do not say it themselves. */
export function toFailure(error: unknown, call: string): Failure {
  if (error instanceof NameTaken) return { kind: "NameTaken", message: error.message };
  if (error instanceof MissingReference) {
    return { kind: "MissingReference", field: error.field, id: error.id };
  }
  if (error instanceof StoreOpenError) return { kind: "StoreOpenError", message: error.message };
  const message = messageOf(error);
  return { kind: "StoreError", message: `${call}: ${message}`, reason: reasonOf(message) };
}

/** Puts an error together again. */
export function fromFailure(failure: Failure): Error {
  switch (failure.kind) {
    case "NameTaken":
      return new NameTaken(failure.message);
    case "MissingReference":
      return new MissingReference(failure.field, failure.id);
    case "StoreOpenError":
      return new StoreOpenError(failure.message);
    case "StoreError":
      return new StoreError(failure.message, failure.reason);
  }
}

// The runtime passes on SQLite's message but not its code.
function reasonOf(message: string): StoreErrorReason {
  if (/is locked/i.test(message)) return "locked";
  if (/is full|readonly database|disk I\/O error|unable to open database/i.test(message)) return "unwritable";
  return "failed";
}
