/** Reads and writes table `model_with_providers`. Lives in the workers. @module */
import type { Association, AssociationPatch } from "./associations.ts";
import {
  bit,
  finite,
  flagOrNull,
  integer,
  jsonObject,
  jsonStrings,
  realOrNull,
  type SqlRow,
  type SqlValue,
  text,
  time,
  whole,
} from "./columns.ts";
import type { Session, Synchronous } from "./session.ts";
import { MissingReference, type Store } from "./store.ts";

/** The column of each field, and how its value is written there. Parameters are in this order. */
const FIELDS: readonly [column: string, write: (patch: AssociationPatch) => SqlValue | undefined][] = [
  ["model_id", (patch) => patch.modelId],
  ["provider_id", (patch) => patch.providerId],
  ["provider_model", (patch) => patch.providerModel],
  ["tool_call", (patch) => given(patch.toolCall, bit)],
  ["structured_output", (patch) => given(patch.structuredOutput, bit)],
  ["image", (patch) => given(patch.image, bit)],
  ["with_header", (patch) => given(patch.withHeader, bit)],
  ["customer_headers", (patch) => given(patch.customerHeaders, JSON.stringify)],
  ["extra_body", (patch) => given(patch.extraBody, JSON.stringify)],
  ["weight", (patch) => given(patch.weight, whole)],
  ["input_price", (patch) => given(patch.inputPrice, finite)],
  ["cache_read_price", (patch) => given(patch.cacheReadPrice, finite)],
  ["output_price", (patch) => given(patch.outputPrice, finite)],
  ["currency", (patch) => patch.currency],
];
const NAMES = FIELDS.map(([column]) => column);
const COLUMNS = ["id", "created_at", "updated_at", "status", ...NAMES].join(", ");

/** The association calls of the store. */
export function associationsRepository(session: Session): Synchronous<Store["associations"]> {
  const { database } = session;

  const read = (id: number): SqlRow | undefined =>
    database.get(`SELECT ${COLUMNS} FROM model_with_providers WHERE id = ? AND deleted_at IS NULL`, id);

  const get = (id: number): Association | null => {
    const row = read(id);
    return row === undefined ? null : toAssociation(row);
  };

  const mustBeLive = (table: "models" | "providers", field: string, id: number | undefined): void => {
    if (id === undefined) return;
    const row = database.get(`SELECT 1 FROM ${table} WHERE id = ? AND deleted_at IS NULL`, id);
    if (row === undefined) throw new MissingReference(field, id);
  };

  const checkReferences = (patch: AssociationPatch): void => {
    mustBeLive("models", "model_id", patch.modelId);
    mustBeLive("providers", "provider_id", patch.providerId);
  };

  return {
    get,

    ofModel: (modelId) =>
      database.all(
        `SELECT ${COLUMNS} FROM model_with_providers WHERE model_id = ? AND deleted_at IS NULL ORDER BY id`,
        modelId,
      ).map(toAssociation),

    create: (fields) => {
      checkReferences(fields);
      const now = session.stamp();
      const row = database.get(
        `INSERT INTO model_with_providers (created_at, updated_at, status, ${NAMES.join(", ")})
         VALUES (?, ?, 1, ${NAMES.map(() => "?").join(", ")})
         RETURNING ${COLUMNS}`,
        now,
        now,
        ...FIELDS.map(([, write]) => write(fields) ?? null),
      );
      return toAssociation(row ?? {});
    },

    update: (id, patch) => {
      const row = read(id);
      if (row === undefined) return null;
      checkReferences(patch);
      database.run(
        `UPDATE model_with_providers SET updated_at = ?, ${NAMES.map((name) => `${name} = ?`).join(", ")}
         WHERE id = ?`,
        session.stamp(),
        // What the patch leaves out is written back as it was read: NULL stays NULL.
        ...FIELDS.map(([column, write]) => write(patch) ?? row[column] ?? null),
        id,
      );
      return get(id);
    },

    setEnabled: (id, enabled) => {
      database.run(
        "UPDATE model_with_providers SET updated_at = ?, status = ? WHERE id = ? AND deleted_at IS NULL",
        session.stamp(),
        bit(enabled),
        id,
      );
      return get(id);
    },

    remove: (id) =>
      database.run(
        "UPDATE model_with_providers SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL",
        session.stamp(),
        id,
      ).changes > 0,
  };
}

/** All live associations, oldest id first. */
export function allAssociations({ database }: Session): Association[] {
  return database.all(`SELECT ${COLUMNS} FROM model_with_providers WHERE deleted_at IS NULL ORDER BY id`)
    .map(toAssociation);
}

function given<Value>(value: Value | undefined, write: (value: Value) => SqlValue): SqlValue | undefined {
  return value === undefined ? undefined : write(value);
}

function toAssociation(row: SqlRow): Association {
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    modelId: integer(row["model_id"]),
    providerId: integer(row["provider_id"]),
    providerModel: text(row["provider_model"]),
    toolCall: flagOrNull(row["tool_call"]),
    structuredOutput: flagOrNull(row["structured_output"]),
    image: flagOrNull(row["image"]),
    withHeader: flagOrNull(row["with_header"]),
    status: flagOrNull(row["status"]),
    customerHeaders: jsonStrings(row["customer_headers"]),
    extraBody: jsonObject(row["extra_body"]),
    weight: integer(row["weight"]),
    inputPrice: realOrNull(row["input_price"]),
    cacheReadPrice: realOrNull(row["cache_read_price"]),
    outputPrice: realOrNull(row["output_price"]),
    currency: text(row["currency"]),
  };
}
