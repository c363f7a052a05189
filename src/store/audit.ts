/** The record of what was changed through the admin API (table `audit_log`). @module */

/** For each field that differs, its value before and after; `null` = there was or is none. Secrets are masked. */
export type AuditChanges = Readonly<Record<string, readonly [before: unknown, after: unknown]>>;

/** One change. */
export interface AuditEntry {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Who: `admin` for `TOKEN`, else a token's name; `local` without any token; `system` for the program itself. */
  readonly actor: string;
  /** `""` = unknown. */
  readonly remoteIp: string;
  /** What was done, such as `provider.update`. */
  readonly action: string;
  /** Kind of what it was done to. */
  readonly resource: string;
  /** Its id; those of several are separated by commas; `""` = there is only one of the kind. */
  readonly resourceId: string;
  /** Its name then. */
  readonly resourceName: string;
  readonly changes: AuditChanges;
}

/** A change as it is stored. */
export interface AuditRow extends AuditEntry {
  readonly id: number;
}

/** Which rows are wanted; exact, and combined with AND. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly resourceId?: string;
  /** Changes at this time or later, epoch milliseconds. */
  readonly fromMs?: number;
  /** Changes before this time. */
  readonly toMs?: number;
  /** Only rows with smaller ids. */
  readonly beforeId?: number;
}

/** What is kept of the record, and how much goes in one step. */
export interface AuditRetention {
  /** Rows of before this time go, epoch milliseconds. */
  readonly beforeMs: number;
  /** So many of the newest stay at most. */
  readonly keep: number;
  /** Rows that one step removes at most. */
  readonly limit: number;
}
