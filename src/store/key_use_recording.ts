/** Counts how often clients' keys are used, in the transaction of the log rows. Lives in the worker. @module */
import type { KeyUse } from "./auth_keys.ts";
import { whole } from "./columns.ts";
import type { LogInsert } from "./logs.ts";
import type { Session } from "./session.ts";

const ADD =
  `UPDATE auth_keys SET usage_count = coalesce(usage_count, 0) + ?1, last_used_at = ?2 WHERE id = ?3`;

/** Adds to each key one use for each request that a new row begins, and the uses that leave no row. */
export function recordKeyUses(
  session: Session,
  inserts: readonly LogInsert[],
  others: readonly KeyUse[],
): void {
  const uses = new Map<number, { count: number; lastMs: number }>();
  const add = (id: number, count: number, atMs: number) => {
    const known = uses.get(id);
    uses.set(id, { count: (known?.count ?? 0) + count, lastMs: Math.max(known?.lastMs ?? 0, atMs) });
  };
  for (const { authKeyId, retry, startedAtMs } of inserts) {
    if (authKeyId > 0 && retry === 0) add(authKeyId, 1, startedAtMs);
  }
  for (const { authKeyId, uses: count, lastUsedAtMs } of others) add(authKeyId, count, lastUsedAtMs);
  for (const [id, { count, lastMs }] of uses) {
    session.database.run(ADD, whole(count), session.format(lastMs), id);
  }
}
