/** The number of rows of the request log (table `log_count`). Lives in the workers. @module */
import { integer } from "./columns.ts";
import type { Database } from "./database.ts";

const TRIGGERS: Readonly<Record<string, string>> = {
  log_count_inserted: `AFTER INSERT ON chat_logs WHEN new.deleted_at IS NULL
    BEGIN UPDATE log_count SET rows = rows + 1; END`,
  log_count_removed: `AFTER DELETE ON chat_logs WHEN old.deleted_at IS NULL
    BEGIN UPDATE log_count SET rows = rows - 1; END`,
  log_count_deleted: `AFTER UPDATE OF deleted_at ON chat_logs
    WHEN (old.deleted_at IS NULL) <> (new.deleted_at IS NULL)
    BEGIN UPDATE log_count SET rows = rows + iif(new.deleted_at IS NULL, 1, -1); END`,
};

/**
 * Sees to it that rows are counted from here on. Old programs that change a column make its table anew, which loses the
 * triggers: then the rows are counted once.
 */
export function keepLogCount(database: Database): void {
  if (missing(database).length === 0) return;
  database.transaction("write", () => {
    // Asked again under the lock: another process may open the file too.
    for (const name of missing(database)) database.exec(`CREATE TRIGGER ${name} ${TRIGGERS[name]}`);
    database.exec(`DELETE FROM log_count;
      INSERT INTO log_count SELECT count(*) FROM chat_logs WHERE deleted_at IS NULL`);
  });
}

function missing(database: Database): string[] {
  const found = database.all(
    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'chat_logs'",
  );
  const names = new Set(found.map((row) => row["name"]));
  return Object.keys(TRIGGERS).filter((name) => !names.has(name));
}

/** Rows of the request log that nobody has deleted. */
export function logCount(database: Database): number {
  return integer(database.get("SELECT rows FROM log_count")?.["rows"]);
}
