/** Reads and writes settings by key. Lives in the workers. @module */
import { text } from "./columns.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** The settings' calls of the store. Of two live rows with one key the older counts, as in llmio. */
export function configsRepository(session: Session): Synchronous<Store["configs"]> {
  const { database } = session;
  return {
    list: () => {
      const rows = database.all("SELECT key, value FROM configs WHERE deleted_at IS NULL ORDER BY id DESC")
        .map((row) => [text(row["key"]), text(row["value"])] as const);
      return Array.from(new Map(rows), ([key, value]) => ({ key, value })).reverse();
    },
    get: (key) => {
      const row = database.get(
        "SELECT value FROM configs WHERE key = ? AND deleted_at IS NULL ORDER BY id LIMIT 1",
        key,
      );
      return row === undefined ? null : { key, value: text(row["value"]) };
    },
    set: (key, value) => {
      const now = session.stamp();
      const changed = database.run(
        "UPDATE configs SET value = ?1, updated_at = ?2 WHERE key = ?3 AND deleted_at IS NULL",
        value,
        now,
        key,
      );
      if (changed.changes === 0) {
        database.run(
          "INSERT INTO configs (created_at, updated_at, key, value) VALUES (?1, ?1, ?2, ?3)",
          now,
          key,
          value,
        );
      }
      return { key, value };
    },
  };
}
