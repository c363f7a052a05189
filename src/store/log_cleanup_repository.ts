/** Removes rows of the request log in small steps and gives their space back. Lives in the writing worker. @module */
import { integer, type SqlRow, text, time, whole } from "./columns.ts";
import type { Database } from "./database.ts";
import type { CleanupBound, CleanupRow } from "./log_cleanup.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** Recorded bodies can be large: a step ends when its rows have so many bytes of them. */
const STEP_BODY_BYTES = 16 * 1024 * 1024;

/** The clean-up's calls of the store. */
export function logCleanupRepository(session: Session): Synchronous<Store["logCleanup"]> {
  const { database } = session;
  return {
    newestId: () => integer(database.get("SELECT max(id) AS id FROM chat_logs")?.["id"]),

    oldestOfNewest: (count) => {
      const row = database.get(
        "SELECT id FROM chat_logs WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?",
        count - 1,
      );
      return row === undefined ? null : integer(row["id"]);
    },

    remove: (bound, limit) => {
      const startedAt = performance.now();
      const found = oldest(database, bound, limit);
      const ids = JSON.stringify(withinBodyLimit(found));
      database.run("DELETE FROM chat_ios WHERE log_id IN (SELECT value FROM json_each(?))", ids);
      const { changes } = database.run(
        "DELETE FROM chat_logs WHERE id IN (SELECT value FROM json_each(?))",
        ids,
      );
      return {
        removed: changes,
        more: changes < found.length || found.length === limit,
        tookMs: performance.now() - startedAt,
      };
    },

    record: (entry) => {
      database.run(
        `INSERT INTO log_cleanup_records
           (created_at, updated_at, retention_days, deleted_count, duration_ms, source, type)
         VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6)`,
        session.stamp(),
        whole(entry.retentionDays),
        whole(entry.deletedCount),
        whole(entry.durationMs),
        entry.source,
        entry.type,
      );
    },

    trimHistory: (keep) => {
      database.run(
        `DELETE FROM log_cleanup_records
         WHERE id NOT IN (SELECT id FROM log_cleanup_records ORDER BY id DESC LIMIT ?)`,
        keep,
      );
    },

    history: (request) => ({
      rows: database.all(
        `SELECT * FROM log_cleanup_records WHERE deleted_at IS NULL ORDER BY id DESC LIMIT ? OFFSET ?`,
        request.pageSize,
        offsetOf(request),
      ).map(toCleanupRow),
      total: integer(
        database.get("SELECT count(*) AS n FROM log_cleanup_records WHERE deleted_at IS NULL")?.["n"],
      ),
    }),

    freePages: () => freePages(database),

    giveBack: (pages) => {
      // Only `all()` lets the statement take all its steps; each step frees one page.
      database.all(`PRAGMA incremental_vacuum(${Math.max(1, whole(pages))})`);
      return freePages(database);
    },

    checkpoint: () => {
      const page = integer(database.get("PRAGMA page_size")?.["page_size"]);
      // PASSIVE waits for nobody, so it delays no write.
      const row = database.get("PRAGMA wal_checkpoint(PASSIVE)");
      const held = integer(row?.["log"]) - integer(row?.["checkpointed"]);
      return { heldBytes: Math.max(0, held) * page };
    },

    shrinkLog: () => {
      // This one would wait for readers, and everybody's writes with it.
      const timeout = integer(database.get("PRAGMA busy_timeout")?.["timeout"]);
      database.exec("PRAGMA busy_timeout = 0");
      try {
        database.get("PRAGMA wal_checkpoint(TRUNCATE)");
      } finally {
        database.exec(`PRAGMA busy_timeout = ${timeout}`);
      }
    },
  };
}

/** A row that goes, with the size of its recorded bodies. */
interface Candidate {
  readonly id: number;
  readonly bytes: number;
}

function oldest(database: Database, bound: CleanupBound, limit: number): Candidate[] {
  const picked = "beforeMs" in bound
    ? "SELECT id FROM chat_logs WHERE started_at_ms < ? ORDER BY started_at_ms LIMIT ?"
    : "SELECT id FROM chat_logs WHERE id < ? ORDER BY id LIMIT ?";
  // octet_length() looks at the head of a row and reads none of its content.
  return database.all(
    `SELECT log.id, (
       SELECT total(octet_length(input) + coalesce(octet_length(of_string), 0) +
         coalesce(octet_length(of_string_array), 0))
       FROM chat_ios WHERE log_id = log.id
     ) AS bytes FROM (${picked}) AS log`,
    "beforeMs" in bound ? bound.beforeMs : bound.beforeId,
    limit,
  ).map((row) => ({ id: integer(row["id"]), bytes: integer(row["bytes"]) }));
}

/** The first rows whose bodies are within the limit, but one at least. */
function withinBodyLimit(rows: readonly Candidate[]): number[] {
  let bytes = 0;
  const over = rows.findIndex((row) => (bytes += row.bytes) > STEP_BODY_BYTES);
  return rows.slice(0, over === -1 ? rows.length : Math.max(1, over)).map(({ id }) => id);
}

function freePages(database: Database): number {
  return integer(database.get("PRAGMA freelist_count")?.["freelist_count"]);
}

function toCleanupRow(row: SqlRow): CleanupRow {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    retentionDays: integer(row["retention_days"]),
    deletedCount: integer(row["deleted_count"]),
    durationMs: integer(row["duration_ms"]),
    source: text(row["source"]),
    type: text(row["type"]),
  };
}
