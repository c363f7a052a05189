/** Reads and writes table `providers`. Lives in the workers. @module */
import {
  bit,
  flag,
  flagOrNull,
  integer,
  jsonObject,
  jsonStrings,
  type SqlRow,
  text,
  time,
  whole,
} from "./columns.ts";
import { softDelete } from "./deletion.ts";
import { nameCheck } from "./names.ts";
import type { Provider, ProviderFields } from "./providers.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

const COLUMNS = "id, created_at, updated_at, name, type, config, console, proxy, error_matcher, enabled, " +
  "priority, parameter_overrides, model_aliases, fake_stream";

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
           (created_at, updated_at, name, type, config, console, proxy, error_matcher,
            priority, parameter_overrides, model_aliases, fake_stream, enabled)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
         RETURNING ${COLUMNS}`,
        now,
        now,
        fields.name,
        fields.type,
        fields.config,
        fields.console,
        fields.proxy,
        fields.errorMatcher,
        ...featureValues(fields),
      );
      return toProvider(row ?? {});
    },

    update: (id, fields) => {
      if (get(id) === null) return null;
      claimName(fields.name, id);
      database.run(
        `UPDATE providers
         SET updated_at = ?, name = ?, type = ?, config = ?, console = ?, proxy = ?, error_matcher = ?,
             priority = ?, parameter_overrides = ?, model_aliases = ?, fake_stream = ?
         WHERE id = ?`,
        session.stamp(),
        fields.name,
        fields.type,
        fields.config,
        fields.console,
        fields.proxy,
        fields.errorMatcher,
        ...featureValues(fields),
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

/** Values of the columns that the old programs do not have, in their order in {@linkcode COLUMNS}. */
function featureValues({ priority, parameterOverrides, modelAliases, fakeStream }: ProviderFields) {
  return [
    whole(priority ?? 0),
    textOf(parameterOverrides),
    textOf(modelAliases),
    bit(fakeStream ?? false),
  ] as const;
}

/** Nothing is NULL. */
function textOf(object: Readonly<Record<string, unknown>> | null | undefined): string | null {
  return object === null || object === undefined || Object.keys(object).length === 0
    ? null
    : JSON.stringify(object);
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
    priority: integer(row["priority"]),
    parameterOverrides: jsonObject(row["parameter_overrides"]),
    modelAliases: jsonStrings(row["model_aliases"]),
    fakeStream: flag(row["fake_stream"]),
  };
}
