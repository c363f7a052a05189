/** Counts what is in a database file, so that what an upgrade has changed can be told. @module */
import { integer } from "./columns.ts";
import type { Database } from "./database.ts";
import { columnNames, tableNames } from "./recognise.ts";

/** What is in a file. */
export interface Survey {
  /** Columns by table. */
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>;
  /** Rows by table, those deleted softly included. */
  readonly rows: ReadonlyMap<string, number>;
  /** Of each of {@linkcode FILLED}: rows that have it. */
  readonly filled: readonly number[];
  /** Rows of the log that still say `running`. */
  readonly running: number;
}

/** Something that an upgrade adds to. Without a column, rows are counted. */
export interface Filled {
  readonly table: string;
  readonly column?: string;
  /** Said of the rows that get it. */
  readonly meaning: string;
}

const CAPABLE = "a capability that was never set becomes a yes, as llmio enhanced takes it";

/** What an upgrade fills in; everything else in old tables stays as it is. */
export const FILLED: readonly Filled[] = [
  { table: "model_with_providers", column: "tool_call", meaning: CAPABLE },
  { table: "model_with_providers", column: "structured_output", meaning: CAPABLE },
  { table: "model_with_providers", column: "image", meaning: CAPABLE },
  {
    table: "model_with_providers",
    column: "provider_model",
    meaning: "taken from provider_name, where llmio before v0.1.0 kept it",
  },
  { table: "models", column: "display_order", meaning: "numbered by age, as llmio does at its start" },
  { table: "chat_logs", column: "auth_key_id", meaning: "a request without a key was the administrator's" },
  { table: "chat_logs", column: "started_at_ms", meaning: "the time again, in a form that can be compared" },
  { table: "provider_validations", meaning: "providers start as healthy, not checked yet" },
  { table: "provider_usage_stats", meaning: "days of providers, from the last 30 days of the log" },
  { table: "usage_days", meaning: "days of the log, by provider, model and key" },
  { table: "configs", meaning: "log_cleanup_policy, switched off" },
  {
    table: "health_check_configs",
    meaning: "the settings of the health check, as llmio enhanced starts with",
  },
];

/** Counts. Reads through the large tables. */
export function survey(database: Database): Survey {
  const columns = new Map(tableNames(database).map((table) => [table, columnNames(database, table)]));
  const count = (what: string, table: string) =>
    integer(database.get(`SELECT ${what} AS n FROM ${quoted(table)}`)?.["n"]);
  return {
    columns,
    rows: new Map([...columns.keys()].map((table) => [table, count("count(*)", table)])),
    filled: FILLED.map(({ table, column }) => {
      const present = columns.get(table);
      if (present === undefined || (column !== undefined && !present.has(column))) return 0;
      // No model has the number 0: the old program gives one at its start.
      return count(
        column === undefined ? "count(*)" : `count(nullif(${column}, ${UNSET[column] ?? "NULL"}))`,
        table,
      );
    }),
    running: columns.get("chat_logs")?.has("status")
      ? count("coalesce(sum(status = 'running'), 0)", "chat_logs")
      : 0,
  };
}

/** What counts as nothing, beside NULL. */
const UNSET: Readonly<Record<string, string>> = { display_order: "0" };

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
