/** What the store says when it cannot do what it was asked. @module */

/** Why a call failed. */
export type StoreErrorReason =
  /** Another program held the database lock for longer than the busy time-out; trying again may work. */
  | "locked"
  /** The disk is full or the file cannot be written; trying again may work once somebody has mended that. */
  | "unwritable"
  /** The store is closed, or one of its workers has stopped. */
  | "closed"
  /** Anything else: a fault of the program or of the file. */
  | "failed";

/** A call to the store failed. Nothing of it was written. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(message: string, readonly reason: StoreErrorReason = "failed") {
    super(message);
  }
}

/** The database could not be opened. The message is one line: what, where, and how to mend it. */
export class StoreOpenError extends Error {
  override readonly name = "StoreOpenError";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
