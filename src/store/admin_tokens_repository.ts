/** Reads and writes table `admin_tokens`. Lives in the workers. @module */
import type { StoredAdminToken } from "./admin_tokens.ts";
import { integer, integerOrNull, type SqlRow, text, whole } from "./columns.ts";
import type { Session, Synchronous } from "./session.ts";
import { NameTaken, type Store } from "./store.ts";

/** The admin tokens' calls of the store. */
export function adminTokensRepository(session: Session): Synchronous<Store["adminTokens"]> {
  const { database } = session;

  const get = (id: number): StoredAdminToken | null => {
    const row = database.get("SELECT * FROM admin_tokens WHERE id = ?", id);
    return row === undefined ? null : toToken(row);
  };

  const refuseTaken = (name: string, exceptId: number): void => {
    const holder = database.get("SELECT 1 FROM admin_tokens WHERE name = ? AND id <> ?", name, exceptId);
    if (holder !== undefined) throw new NameTaken(`an admin token named "${name}" exists already`);
  };

  return {
    list: () => database.all("SELECT * FROM admin_tokens ORDER BY id DESC").map(toToken),

    get,

    create: ({ name, hash, mask, scope, expiresAtMs }) => {
      refuseTaken(name, 0);
      const row = database.get(
        `INSERT INTO admin_tokens (name, hash, mask, scope, created_at_ms, expires_at_ms)
         VALUES (?, ?, ?, ?, ?, ?) RETURNING *`,
        name,
        hash,
        mask,
        scope,
        whole(session.nowMs),
        expiresAtMs === null ? null : whole(expiresAtMs),
      );
      return toToken(row ?? {});
    },

    update: (id, { name, scope, expiresAtMs }) => {
      refuseTaken(name, id);
      database.run(
        "UPDATE admin_tokens SET name = ?, scope = ?, expires_at_ms = ? WHERE id = ?",
        name,
        scope,
        expiresAtMs === null ? null : whole(expiresAtMs),
        id,
      );
      return get(id);
    },

    used: (id, atMs) => {
      database.run("UPDATE admin_tokens SET last_used_at_ms = ? WHERE id = ?", whole(atMs), id);
    },

    remove: (id) => database.run("DELETE FROM admin_tokens WHERE id = ?", id).changes > 0,
  };
}

function toToken(row: SqlRow): StoredAdminToken {
  return {
    id: integer(row["id"]),
    name: text(row["name"]),
    hash: text(row["hash"]),
    mask: text(row["mask"]),
    scope: row["scope"] === "write" ? "write" : "read",
    createdAtMs: integer(row["created_at_ms"]),
    expiresAtMs: integerOrNull(row["expires_at_ms"]),
    lastUsedAtMs: integerOrNull(row["last_used_at_ms"]),
  };
}
