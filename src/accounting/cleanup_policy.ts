/** What the operator wants to keep of the request log: the setting `log_cleanup_policy`. @module */

/** Key of the setting. */
export const CLEANUP_POLICY = "log_cleanup_policy";

/** The policy, complete. */
export interface CleanupPolicy {
  readonly enabled: boolean;
  /** Older rows go. */
  readonly retentionDays: number;
  /** Of the newest rows so many stay; `null` = any number. */
  readonly maxRows: number | null;
}

const DEFAULT_DAYS = 30;

/** Reads the setting's text. What is missing or makes no sense counts as llmio's default: off, 30 days. */
export function readCleanupPolicy(text: string): CleanupPolicy {
  const { enabled, retention_days: days, max_rows: rows } = objectIn(text);
  return {
    enabled: enabled === true,
    retentionDays: isCount(days) ? days : DEFAULT_DAYS,
    maxRows: isCount(rows) ? rows : null,
  };
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
