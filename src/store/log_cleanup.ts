/** Letting old rows of the request log go, and the history of that (table `log_cleanup_records`). @module */

/** Which rows go: those older than a time, or those before an id. */
export type CleanupBound =
  /** Rows of requests that started before this time, epoch milliseconds. */
  | { beforeMs: number }
  /** Rows with smaller ids. */
  | { beforeId: number };

/** One small step of a clean-up. */
export interface CleanupStep {
  /** Rows that went; their recorded bodies are not counted. */
  removed: number;
  /** Whether rows may be left. */
  more: boolean;
  /** How long the step kept the writer busy, milliseconds. */
  tookMs: number;
}

/** A clean-up as it is remembered. */
export interface CleanupRecord {
  /** 0 for one by count. */
  retentionDays: number;
  deletedCount: number;
  durationMs: number;
  source: "manual" | "scheduled";
  type: "days" | "count";
}

/** A clean-up as read back. */
export interface CleanupRow extends Omit<CleanupRecord, "source" | "type"> {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  source: string;
  type: string;
}

/** What the write-ahead log holds after as much of it as possible was moved into the file. */
export interface Checkpoint {
  /** Bytes that could not be moved, because somebody still reads an older state of the file. */
  heldBytes: number;
}
