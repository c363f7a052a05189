/** Reads and writes table `models`. Lives in the workers. @module */
import { bit, flag, integer, type SqlRow, text, time, whole } from "./columns.ts";
import { softDelete } from "./deletion.ts";
import type { Model } from "./models.ts";
import { nameCheck } from "./names.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

const COLUMNS =
  "id, created_at, updated_at, name, remark, max_retry, time_out, first_token_timeout, strategy, " +
  "breaker, display_order";

// Rows without a strategy use the default one.
const MATCHES = `deleted_at IS NULL
  AND (?1 IS NULL OR instr(lower(name), lower(?1)) > 0)
  AND (?2 IS NULL OR coalesce(nullif(strategy, ''), 'lottery') = ?2)`;

/** The model calls of the store. */
export function modelsRepository(session: Session): Synchronous<Store["models"]> {
  const { database } = session;
  const claimName = nameCheck(database, "models");

  const get = (id: number): Model | null => {
    const row = database.get(`SELECT ${COLUMNS} FROM models WHERE id = ? AND deleted_at IS NULL`, id);
    return row === undefined ? null : toModel(row);
  };

  return {
    get,

    list: () =>
      database.all(`SELECT ${COLUMNS} FROM models WHERE deleted_at IS NULL ORDER BY id DESC`).map(toModel),

    page: (filter, request) => {
      const values = [filter.search ?? null, filter.strategy ?? null];
      const rows = database.all(
        `SELECT ${COLUMNS} FROM models WHERE ${MATCHES} ORDER BY id DESC LIMIT ?3 OFFSET ?4`,
        ...values,
        request.pageSize,
        offsetOf(request),
      );
      const total = database.get(`SELECT count(*) AS n FROM models WHERE ${MATCHES}`, ...values);
      return { rows: rows.map(toModel), total: integer(total?.["n"]) };
    },

    create: (fields) => {
      claimName(fields.name);
      const now = session.stamp();
      const row = database.get(
        `INSERT INTO models
           (created_at, updated_at, name, remark, max_retry, time_out, first_token_timeout, strategy, breaker,
           display_order)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,
           (SELECT coalesce(max(display_order), 0) + 1 FROM models WHERE deleted_at IS NULL))
         RETURNING ${COLUMNS}`,
        now,
        now,
        fields.name,
        fields.remark,
        whole(fields.maxRetry),
        whole(fields.timeOutSeconds),
        whole(fields.firstTokenTimeoutSeconds),
        fields.strategy,
        bit(fields.breaker),
      );
      return toModel(row ?? {});
    },

    update: (id, fields) => {
      if (get(id) === null) return null;
      claimName(fields.name, id);
      database.run(
        `UPDATE models
         SET updated_at = ?, name = ?, remark = ?, max_retry = ?, time_out = ?, first_token_timeout = ?,
           strategy = ?, breaker = ?
         WHERE id = ?`,
        session.stamp(),
        fields.name,
        fields.remark,
        whole(fields.maxRetry),
        whole(fields.timeOutSeconds),
        whole(fields.firstTokenTimeoutSeconds),
        fields.strategy,
        bit(fields.breaker),
        id,
      );
      return get(id);
    },

    reorder: (ids) => {
      const list = JSON.stringify(ids);
      const missing = database.all(
        `SELECT DISTINCT value AS id FROM json_each(?)
         WHERE NOT EXISTS (SELECT 1 FROM models WHERE models.id = value AND deleted_at IS NULL)`,
        list,
      ).map((row) => integer(row["id"]));
      if (missing.length > 0) return { updated: 0, missing };
      database.run(
        `UPDATE models SET updated_at = ?, display_order = ? - place.key
         FROM json_each(?) AS place WHERE place.value = models.id`,
        session.stamp(),
        ids.length,
        list,
      );
      return { updated: ids.length, missing: [] };
    },

    remove: (ids) => softDelete({ database, stamp: session.stamp() }, "models", ids),
  };
}

function toModel(row: SqlRow): Model {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    name: text(row["name"]),
    remark: text(row["remark"]),
    maxRetry: integer(row["max_retry"]),
    timeOutSeconds: integer(row["time_out"]),
    firstTokenTimeoutSeconds: integer(row["first_token_timeout"]),
    strategy: text(row["strategy"]) || "lottery",
    breaker: flag(row["breaker"]),
    displayOrder: integer(row["display_order"]),
  };
}
