/** Reads and writes table `chat_ios`. Lives in the workers. @module */
import { integer, jsonList, type SqlRow, text, time } from "./columns.ts";
import type { ChatIo } from "./chat_io.ts";
import type { RecordedIo } from "./logs.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** The recorded bodies' calls of the store. */
export function chatIoRepository({ database }: Session): Synchronous<Store["chatIo"]> {
  return {
    ofLog: (logId) => {
      const row = database.get(
        `SELECT io.id, io.created_at, io.updated_at, io.log_id, io.input, io.of_string, io.of_string_array,
           (SELECT style FROM chat_logs WHERE id = io.log_id AND deleted_at IS NULL) AS style
         FROM chat_ios AS io
         WHERE io.log_id = ? AND io.deleted_at IS NULL
         ORDER BY io.id LIMIT 1`,
        logId,
      );
      return row === undefined ? null : toChatIo(row);
    },
  };
}

/** Writes the bodies of one attempt, in the transaction of its row. */
export function recordIo(session: Session, logId: number, io: RecordedIo): void {
  session.database.run(
    `INSERT INTO chat_ios (created_at, updated_at, log_id, input, of_string, of_string_array)
     VALUES (?1, ?1, ?2, ?3, ?4, ?5)`,
    session.stamp(),
    logId,
    io.input,
    io.text,
    io.events === null ? null : JSON.stringify(io.events),
  );
}

function toChatIo(row: SqlRow): ChatIo {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    logId: integer(row["log_id"]),
    input: text(row["input"]),
    text: text(row["of_string"]),
    events: jsonList(row["of_string_array"])?.map(String) ?? null,
    style: text(row["style"]),
  };
}
