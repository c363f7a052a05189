/**
 * Makes files of older llmio releases: rows of the sample files of today's old programs, in the columns that a release
 * knew, and among them the odd rows that people's scripts and crashes have left.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { sql } from "../store/fixtures.ts";

/** Columns of llmio's tables with the release that brought each; the table's own first (compat/schema.md, 3 and 6). */
const TABLES: Readonly<Record<string, { since: string; columns: readonly string[] }>> = {
  providers: {
    since: "v0.0.1",
    columns: [
      "name text",
      "type text",
      "config text",
      "console text v0.3.5",
      "proxy text v0.6.25",
      "error_matcher text v0.6.28",
    ],
  },
  models: {
    since: "v0.0.1",
    columns: [
      "name text",
      "remark text",
      "max_retry integer v0.2.3",
      "time_out integer v0.2.3",
      "strategy text v0.5.31",
      "breaker numeric v0.6.6",
      "display_order integer v0.6.31",
    ],
  },
  model_with_providers: {
    since: "v0.0.1",
    columns: [
      "model_id integer",
      "provider_model text v0.1.0",
      "provider_id integer",
      "tool_call numeric v0.3.0",
      "structured_output numeric v0.3.0",
      "image numeric v0.4.7",
      "with_header numeric v0.5.0",
      "status numeric v0.5.9",
      "customer_headers text v0.5.12",
      "extra_body text v0.7.9",
      "weight integer",
      "input_price real v0.8.7",
      "cache_read_price real v0.8.7",
      "output_price real v0.8.7",
      "currency text v0.8.7",
    ],
  },
  chat_logs: {
    since: "v0.0.1",
    columns: [
      "name text",
      "trace_id text v0.6.34",
      "provider_model text",
      "provider_name text",
      "status text",
      "style text v0.4.0",
      "user_agent text v0.4.13",
      "remote_ip text v0.5.3",
      "auth_key_id integer v0.6.0",
      "session_id text v0.8.5",
      "chat_io numeric v0.5.0",
      "error text",
      "retry integer v0.2.3",
      "proxy_time integer v0.2.3",
      "first_chunk_time integer",
      "chunk_time integer",
      "tps real",
      "size integer v0.6.0",
      "prompt_tokens integer",
      "completion_tokens integer",
      "total_tokens integer",
      "prompt_tokens_details text v0.5.18",
      "input_price real v0.8.7",
      "cache_read_price real v0.8.7",
      "output_price real v0.8.7",
      "currency text v0.8.7",
    ],
  },
  chat_ios: {
    since: "v0.5.0",
    columns: ["log_id integer", "input text", "of_string text", "of_string_array text"],
  },
  configs: { since: "v0.5.32", columns: ["key text", "value text"] },
  auth_keys: {
    since: "v0.6.0",
    columns: [
      "name text",
      "key text",
      "status numeric",
      "io_log numeric v0.7.10",
      "allow_all numeric",
      "models text",
      "expires_at datetime",
      "usage_count integer",
      "last_used_at datetime",
    ],
  },
  log_cleanup_records: {
    since: "v0.8.4",
    columns: [
      "retention_days integer",
      "deleted_count integer",
      "duration_ms integer",
      "source text",
      "type text",
    ],
  },
};

/** Every release that has brought a table or a column, oldest first; the first one stands for all before. */
export const RELEASES: readonly string[] = [
  "v0.0.1",
  "v0.1.0",
  "v0.2.3",
  "v0.3.0",
  "v0.3.5",
  "v0.4.0",
  "v0.4.7",
  "v0.4.13",
  "v0.5.0",
  "v0.5.3",
  "v0.5.9",
  "v0.5.12",
  "v0.5.18",
  "v0.5.31",
  "v0.5.32",
  "v0.6.0",
  "v0.6.6",
  "v0.6.25",
  "v0.6.28",
  "v0.6.31",
  "v0.6.34",
  "v0.7.9",
  "v0.7.10",
  "v0.8.4",
  "v0.8.5",
  "v0.8.7",
];

/** The four columns that every table begins with. */
export const HEAD = [
  "id integer PRIMARY KEY AUTOINCREMENT",
  "created_at datetime",
  "updated_at datetime",
  "deleted_at datetime",
];

/** The tables of a release with the columns that it knows, each with its type. */
export function tablesOf(release: string): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(TABLES).filter(([, { since }]) => isKnown(since, release)).map(([table, { columns }]) => [
      table,
      columns.map((column) => column.split(" ")).filter(([, , since]) => isKnown(since ?? "v0.0.1", release))
        .map(([name, type]) => `${name} ${type}`),
    ]),
  );
}

/** Whether a release already has what another one brought. */
export function isKnown(since: string, release: string): boolean {
  const [one, other] = [since, release].map((text) => text.slice(1).split(".").map(Number));
  for (let part = 0; part < 3; part++) {
    const difference = (other?.[part] ?? 0) - (one?.[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Makes a file of each release in a folder, named after it.
 *
 * @param latest A file of today's llmio, whose rows are taken.
 */
export function makeOlderFiles(
  folder: string,
  latest: string,
  releases: readonly string[] = RELEASES,
): Map<string, string> {
  const rows = sampleRows(latest);
  return new Map(releases.map((release) => {
    const path = `${folder}/${release}.db`;
    makeFile(path, release, rows);
    return [release, path];
  }));
}

type SampleRow = Record<string, SQLInputValue>;
type SampleRows = Record<string, SampleRow[]>;

/** All rows of the sample, of the log a part. */
function sampleRows(path: string): SampleRows {
  return sql(path, (database) =>
    Object.fromEntries(
      Object.keys(TABLES).map((table) => {
        const some = table === "chat_logs" ? "WHERE id % 16 = 0 OR status = 'running'" : "";
        return [table, database.prepare(`SELECT * FROM ${table} ${some} ORDER BY id`).all() as SampleRow[]];
      }),
    ));
}

function makeFile(path: string, release: string, samples: SampleRows): void {
  sql(path, (database) => {
    database.exec("BEGIN");
    for (const [table, columns] of Object.entries(tablesOf(release))) {
      database.exec(
        `CREATE TABLE \`${table}\` (${
          [...HEAD, ...columns, ...leftOver(table, release)].map((column) => ddl(column, table, release))
            .join(",")
        })`,
      );
      database.exec(`CREATE INDEX \`idx_${table}_deleted_at\` ON \`${table}\`(\`deleted_at\`)`);
      for (const row of [...samples[table] ?? [], ...oddRows(table, release)]) {
        insert(database, table, asWrittenBy(release, table, row));
      }
    }
    database.exec("COMMIT");
  });
}

/** Columns that later releases no longer use, but leave in the file. */
function leftOver(table: string, release: string): string[] {
  if (table === "model_with_providers" && !isKnown("v0.3.0", release)) return ["provider_name text"];
  if (table === "models" && isKnown("v0.5.0", release) && !isKnown("v0.7.10", release)) {
    return ["io_log numeric"];
  }
  return [];
}

/** As the old program's library writes it. */
function ddl(column: string, table: string, release: string): string {
  const [name, ...type] = column.split(" ");
  const isUnique = name === "name" && ["providers", "models"].includes(table) && !isKnown("v0.3.8", release);
  return `\`${name}\` ${type.join(" ")}${isUnique ? " UNIQUE" : ""}`;
}

function asWrittenBy(release: string, table: string, row: SampleRow): SampleRow {
  if (table === "chat_logs" && row["status"] === "running" && !isKnown("v0.6.26", release)) {
    return { ...row, status: "error" };
  }
  if (table === "model_with_providers" && !isKnown("v0.1.0", release)) {
    return { ...row, provider_name: row["provider_model"] ?? null };
  }
  if (table === "models") return { ...row, io_log: 1 };
  return row;
}

/** Writes what the table has a column for. */
function insert(database: DatabaseSync, table: string, row: SampleRow): void {
  const present = new Set(
    database.prepare("SELECT name FROM pragma_table_info(?)").all(table).map(({ name }) => String(name)),
  );
  const names = Object.keys(row).filter((name) => present.has(name));
  database.prepare(
    `INSERT INTO \`${table}\` (${names.map((name) => `\`${name}\``).join(",")})
     VALUES (${
      names.map((name) => row[name] instanceof Uint8Array && name in BYTES_AS_TEXT ? "CAST(? AS TEXT)" : "?")
        .join(",")
    })`,
  ).run(...names.map((name) => row[name] ?? null));
}

/** Columns in which the odd rows have text that is not UTF-8; other bytes stay bytes. */
const BYTES_AS_TEXT = { name: true, error: true };
const NOT_UTF8 = new Uint8Array([0x63, 0xff, 0xfe, 0x80]);
const GONE = "2026-01-02 03:04:05.678+08:00";

/** Rows that no program of today would write. Ids from {@linkcode FIRST_ODD_ID} on. */
function oddRows(table: string, release: string): SampleRow[] {
  const rows = ODD_ROWS[table] ?? [];
  // A name can only be there twice where no constraint is in the way.
  return isKnown("v0.3.8", release)
    ? rows
    : rows.filter(({ name }) => name !== "gpt-4o" && name !== "北方网关");
}

/** The first id of an odd row; in the log there are ordinary rows above. */
export const FIRST_ODD_ID = 500;

const ODD_ROWS: Readonly<Record<string, SampleRow[]>> = {
  providers: [
    { id: 500, name: "damaged", type: "openai", config: '{"base_url": "https://cut' },
    { id: 501 },
    { id: 502, name: "北方网关", type: "azure", config: "{}", created_at: "0001-01-01 00:00:00+00:00" },
    { id: 503, name: NOT_UTF8, type: "openai", config: new Uint8Array([1, 2, 3]) },
    { id: 504, deleted_at: GONE },
  ],
  models: [
    { id: 500, name: "bare" },
    { id: 501 },
    { id: 502, name: "gpt-4o", max_retry: "many", time_out: -5, strategy: "no-such", display_order: 1.5 },
    { id: 503, name: "gone", deleted_at: GONE },
    { id: 504, name: "x".repeat(20_000), created_at: "yesterday", max_retry: 3, time_out: 60 },
  ],
  model_with_providers: [
    { id: 500, model_id: 500, provider_id: 1 },
    { id: 501, model_id: 999, provider_id: 1, provider_model: "no model" },
    { id: 502, model_id: 1, provider_id: 999, provider_model: "no provider" },
    {
      id: 503,
      model_id: 1,
      provider_id: 1,
      provider_model: "odd",
      customer_headers: "{broken",
      extra_body: "[1,2]",
      weight: "x",
      input_price: "dear",
      tool_call: "true",
      status: 1,
    },
    { id: 504, model_id: 1, provider_id: 1, provider_model: "gone", deleted_at: GONE },
    { id: 505, model_id: 1, provider_id: 500, provider_model: "behind a damaged provider", tool_call: 1 },
    { id: 506, model_id: 500, provider_id: 501 },
  ],
  chat_logs: [
    { id: 500 },
    { id: 501, created_at: "0001-01-01 00:00:00+00:00", name: "zero", status: "success" },
    { id: 502, created_at: "yesterday", name: "when", status: "success", total_tokens: 9e18 },
    { id: 503, created_at: "9999-12-31 23:59:59-12:00", name: "late", status: "success", total_tokens: 9e18 },
    { id: 504, created_at: "0000-01-01 00:00:00+14:00", name: "early", status: "error" },
    {
      id: 505,
      created_at: "2026-05-01T08:00",
      name: NOT_UTF8,
      error: NOT_UTF8,
      provider_name: new Uint8Array([0, 255]),
      status: "error",
    },
    { id: 506, created_at: "2026-05-02 08:00:00", name: "huge", error: "é".repeat(600_000), status: "error" },
    {
      id: 507,
      created_at: "2026-05-03",
      name: "details",
      status: "success",
      prompt_tokens_details: "oops",
      auth_key_id: "abc",
      total_tokens: "lots",
    },
    {
      id: 508,
      created_at: "2026-05-03 01:02:03.4Z",
      name: "details",
      status: "success",
      prompt_tokens_details: "[]",
      auth_key_id: 1.5,
      retry: "once",
      input_price: "dear",
      output_price: 3,
    },
    {
      id: 509,
      created_at: "2026-05-03 01:02:03+05:45",
      name: "details",
      status: "success",
      prompt_tokens_details: '{"cached_tokens":"x"}',
      currency: new Uint8Array([1]),
      input_price: 1e308,
      prompt_tokens: 1e15,
    },
    {
      id: 510,
      created_at: "2026-05-04 08:00:00+08:00",
      name: "gone",
      status: "success",
      total_tokens: 5,
      deleted_at: GONE,
    },
  ],
  chat_ios: [{ id: 500 }, { id: 501, log_id: 506, input: "ü".repeat(300_000), of_string_array: "[broken" }, {
    id: 502,
    deleted_at: GONE,
  }],
  configs: [{ id: 500 }, { id: 501, key: "log_cleanup_policy", value: "{broken" }, {
    id: 502,
    key: "mine",
    value: "7",
    deleted_at: GONE,
  }],
  auth_keys: [
    { id: 500 },
    {
      id: 501,
      name: "odd",
      key: "sk-llmio-odd",
      status: 1,
      allow_all: 1,
      models: "{broken",
      expires_at: "soon",
      usage_count: "x",
    },
    { id: 502, name: "gone", key: "sk-llmio-gone", deleted_at: GONE },
  ],
  log_cleanup_records: [{ id: 500 }, { id: 501, retention_days: "x", deleted_at: GONE }],
};
