/** Reads and writes table `providers`. Lives in the workers. @module */
import { bit, flagOrNull, integer, type SqlRow, text, time } from "./columns.ts";
import { softDelete } from "./deletion.ts";
import { nameCheck } from "./names.ts";
import type { Provider } from "./providers.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

const COLUMNS = "id, created_at, updated_at, name, type, config, console, proxy, error_matcher, enabled";

/** The provider calls of the store. */
export function providersRepository(session: Session): Synchronous<Store["providers"]> {
  const { database } = session;
  const claimName = nameCheck(database, "providers");

  const get = (id: number): Provider | null => {
    const row = database.get(`SELECT ${COLUMNS} FROM providers WHERE id = ? AND deleted_at IS NULL`, id);
    return row === undefined ? null : toProvider(row);
  };

  return {
    get,

    // instr and lower, not LIKE: no wildcards to escape, no limit on the length, the same ASCII case rule.
    list: (filter) =>
      database.all(
        `SELECT ${COLUMNS} FROM providers
         WHERE deleted_at IS NULL
           AND (?1 IS NULL OR instr(lower(name), lower(?1)) > 0)
           AND (?2 IS NULL OR type = ?2)
         ORDER BY id DESC`,
        filter.name ?? null,
        filter.type ?? null,
      ).map(toProvider),

    create: (fields) => {
      claimName(fields.name);
      const now = session.stamp();
      const row = database.get(
        `INSERT INTO providers
           (created_at, updated_at, name, type, config, console, proxy, error_matcher, enabled)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
         RETURNING ${COLUMNS}`,
        now,
        now,
        fields.name,
        fields.type,
        fields.config,
        fields.console,
        fields.proxy,
        fields.errorMatcher,
      );
      return toProvider(row ?? {});
    },

    update: (id, fields) => {
      if (get(id) === null) return null;
      claimName(fields.name, id);
      database.run(
        `UPDATE providers
         SET updated_at = ?, name = ?, type = ?, config = ?, console = ?, proxy = ?, error_matcher = ?
         WHERE id = ?`,
        session.stamp(),
        fields.name,
        fields.type,
        fields.config,
        fields.console,
        fields.proxy,
        fields.errorMatcher,
        id,
      );
      return get(id);
    },

    setEnabled: (id, enabled) => {
      database.run(
        "UPDATE providers SET updated_at = ?, enabled = ? WHERE id = ? AND deleted_at IS NULL",
        session.stamp(),
        bit(enabled),
        id,
      );
      return get(id);
    },

    remove: (ids) => softDelete({ database, stamp: session.stamp() }, "providers", ids),
  };
}

function toProvider(row: SqlRow): Provider {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    name: text(row["name"]),
    type: text(row["type"]),
    config: text(row["config"]),
    console: text(row["console"]),
    proxy: text(row["proxy"]),
    errorMatcher: text(row["error_matcher"]),
    enabled: flagOrNull(row["enabled"]) ?? true,
  };
}
