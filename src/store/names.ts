/** Names of providers, models and auth keys: unique among live rows. @module */
import type { Database } from "./database.ts";
import { NameTaken } from "./store.ts";

const NOUNS = { providers: "a provider", models: "a model", auth_keys: "an auth key" } as const;

/**
 * Makes the check that a name is free in `table`.
 *
 * Very old files (llmio before v0.3.8) still have a UNIQUE constraint, in which deleted rows count. There the check
 * also renames a deleted row that holds the name, since nobody could see or remove that row.
 *
 * @returns A function that throws {@link NameTaken} when a live row other than `exceptId` has the name.
 */
export function nameCheck(
  database: Database,
  table: keyof typeof NOUNS,
): (name: string, exceptId?: number) => void {
  const constrained = database.get(
    `SELECT 1 FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS part
     WHERE list."unique" = 1 AND part.name = 'name'`,
    table,
  ) !== undefined;
  return (name, exceptId = 0) => {
    const holder = database.get(
      `SELECT 1 FROM ${table} WHERE name = ? AND id <> ? AND deleted_at IS NULL LIMIT 1`,
      name,
      exceptId,
    );
    if (holder !== undefined) throw new NameTaken(`${NOUNS[table]} named "${name}" exists already`);
    if (constrained) {
      database.run(
        `UPDATE ${table} SET name = name || ' (deleted ' || id || ')' WHERE name = ? AND deleted_at IS NOT NULL`,
        name,
      );
    }
  };
}
