/**
 * Tells which of the old programs has written a file, and how old that program was, by the tables and columns that are
 * there: the old programs keep no version in it, and only ever add to it.
 *
 * @module
 */
import type { Database } from "./database.ts";
import { columnNames, tableNames } from "./recognise.ts";

/** Who has written a file. */
export interface Writer {
  /** `either`: llmio before it had anything that its fork lacks, or the fork before it had tables of its own. */
  readonly program: "llmio" | "llmio enhanced" | "both" | "either";
  /** The release of llmio that brought the newest part of the file; `null` = it has nothing that a release brought. */
  readonly since: string | null;
  /** The first release of llmio whose part is missing; `null` = none is. */
  readonly before: string | null;
}

/** A release of llmio by what it has brought: a column, or a whole table. */
type Mark = readonly [release: string, table: string, column?: string];

/** Oldest first. */
const MARKS: readonly Mark[] = [
  ["v0.1.0", "model_with_providers", "provider_model"],
  ["v0.2.3", "models", "max_retry"],
  ["v0.3.0", "model_with_providers", "tool_call"],
  ["v0.3.5", "providers", "console"],
  ["v0.4.0", "chat_logs", "style"],
  ["v0.4.7", "model_with_providers", "image"],
  ["v0.4.13", "chat_logs", "user_agent"],
  ["v0.5.0", "chat_ios"],
  ["v0.5.3", "chat_logs", "remote_ip"],
  ["v0.5.9", "model_with_providers", "status"],
  ["v0.5.12", "model_with_providers", "customer_headers"],
  ["v0.5.18", "chat_logs", "prompt_tokens_details"],
  ["v0.5.31", "models", "strategy"],
  ["v0.5.32", "configs"],
  ["v0.6.0", "auth_keys"],
  ["v0.6.6", "models", "breaker"],
  ["v0.6.25", "providers", "proxy"],
  ["v0.6.28", "providers", "error_matcher"],
  ["v0.6.31", "models", "display_order"],
  ["v0.6.34", "chat_logs", "trace_id"],
  ["v0.7.9", "model_with_providers", "extra_body"],
  ["v0.7.10", "auth_keys", "io_log"],
  ["v0.8.4", "log_cleanup_records"],
  ["v0.8.5", "chat_logs", "session_id"],
  ["v0.8.7", "model_with_providers", "currency"],
];
/** The fork was made from the release before; it has none of the marks from here on. */
const FIRST_OF_LLMIO_ALONE = MARKS.findIndex(([release]) => release === "v0.4.13");

/** Tables of the fork alone. */
const OF_FORK = ["provider_validations", "provider_usage_stats", "health_check_configs"];

/** Who has written a file of the old programs. */
export function writerOf(database: Database): Writer {
  const tables = new Set(tableNames(database));
  const newest = MARKS.findLastIndex(([, table, column]) =>
    column === undefined ? tables.has(table) : columnNames(database, table).has(column)
  );
  const ofLlmio = newest >= FIRST_OF_LLMIO_ALONE;
  const ofFork = OF_FORK.some((table) => tables.has(table));
  return {
    program: ofLlmio ? (ofFork ? "both" : "llmio") : ofFork ? "llmio enhanced" : "either",
    since: MARKS[newest]?.[0] ?? null,
    before: MARKS[newest + 1]?.[0] ?? null,
  };
}

/** In words for people. */
export function describeWriter({ program, since, before }: Writer): string {
  const range = since === null
    ? `before ${before ?? "its first release"}`
    : before === null
    ? `${since} or later`
    : `from ${since} until before ${before}`;
  switch (program) {
    case "llmio":
      return `written by llmio, ${range}`;
    case "llmio enhanced":
      return "written by llmio enhanced";
    case "both":
      return `written by both llmio (${range}) and llmio enhanced`;
    case "either":
      return `written by an early llmio (${range})`;
  }
}
