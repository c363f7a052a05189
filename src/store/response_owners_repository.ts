/** Reads and writes table `response_owners`. Lives in the workers. @module */
import { integer, type SqlRow, text, whole } from "./columns.ts";
import type { StoredResponseOwner } from "./response_owners.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** The response owners' calls of the store. */
export function responseOwnersRepository({ database }: Session): Synchronous<Store["responseOwners"]> {
  return {
    find: (responseId) => {
      const row = database.get("SELECT * FROM response_owners WHERE response_id = ?", responseId);
      return row === undefined ? null : toOwner(row);
    },

    save: (owners) => {
      for (const owner of owners) {
        database.run(
          `INSERT OR REPLACE INTO response_owners
             (response_id, provider_id, association_id, key_id, model, auth_key_id, metered, made_at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
          owner.responseId,
          owner.providerId,
          owner.associationId,
          owner.keyId,
          owner.model,
          owner.authKeyId,
          owner.metered ? 1 : 0,
          whole(owner.madeAtMs),
        );
      }
    },

    prune: (beforeMs, limit) =>
      database.run(
        `DELETE FROM response_owners WHERE response_id IN (
           SELECT response_id FROM response_owners WHERE made_at_ms < ? ORDER BY made_at_ms LIMIT ?)`,
        whole(beforeMs),
        limit,
      ).changes,
  };
}

function toOwner(row: SqlRow): StoredResponseOwner {
  return {
    responseId: text(row["response_id"]),
    providerId: integer(row["provider_id"]),
    associationId: integer(row["association_id"]),
    keyId: text(row["key_id"]),
    model: text(row["model"]),
    authKeyId: integer(row["auth_key_id"]),
    metered: integer(row["metered"]) === 1,
    madeAtMs: integer(row["made_at_ms"]),
  };
}
