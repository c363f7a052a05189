/** Soft deletion of things that associations refer to. @module */
import { integer } from "./columns.ts";
import type { Session } from "./session.ts";

/**
 * Marks the rows of `table` and their associations as deleted.
 *
 * @returns The ids that were live, in the order given, each once.
 */
export function softDelete(
  { database, stamp }: { database: Session["database"]; stamp: string },
  table: "providers" | "models",
  ids: readonly number[],
): number[] {
  const column = table === "providers" ? "provider_id" : "model_id";
  // As one JSON value, because the number of bound values is limited.
  const list = JSON.stringify(ids);
  const removed = new Set(
    database.all(
      `UPDATE ${table} SET deleted_at = ?
       WHERE deleted_at IS NULL AND id IN (SELECT value FROM json_each(?)) RETURNING id`,
      stamp,
      list,
    ).map((row) => integer(row["id"])),
  );
  database.run(
    `UPDATE model_with_providers SET deleted_at = ?
     WHERE deleted_at IS NULL AND ${column} IN (SELECT value FROM json_each(?))`,
    stamp,
    list,
  );
  return [...new Set(ids)].filter((id) => removed.has(id));
}
