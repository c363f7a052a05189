/** Named tokens of the admin API beside `TOKEN` (table `admin_tokens`). @module */

/** What a token may do: look at everything that shows no secret, or change things too. */
export type AdminScope = "read" | "write";

/** What can be said anew of a token that exists. */
export interface AdminTokenChange {
  /** Unique. */
  readonly name: string;
  readonly scope: AdminScope;
  /** Epoch milliseconds; `null` = never. */
  readonly expiresAtMs: number | null;
}

/** A token to be stored. The token itself is kept by its holder alone. */
export interface AdminTokenFields extends AdminTokenChange {
  /** SHA-256 of the token in hex. */
  readonly hash: string;
  /** What is shown of it. */
  readonly mask: string;
}

/** A token as it is stored. Times are epoch milliseconds. */
export interface StoredAdminToken extends AdminTokenFields {
  readonly id: number;
  readonly createdAtMs: number;
  /** To the minute; `null` = it has not been used. */
  readonly lastUsedAtMs: number | null;
}
