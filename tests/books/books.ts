/** The gateway's own books: its exports, reports and metrics, and the tables of its file. @module */
import assert from "node:assert/strict";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { readExposition } from "../accounting/exposition_reader.ts";
import type { Client } from "./client.ts";
import { countBy, type Entry, inOrder, listed, NO_SUMS, type Sums, sumsBy } from "./entries.ts";
import type { GatewayProcess } from "./gateway_process.ts";
import { UNKNOWN_MODEL } from "./plan.ts";

type Row = Record<string, SQLOutputValue>;

/** What the daily figures are told apart by, without the day. */
const byGroup = ({ key, model, protocol, provider }: Entry) => `${provider}|${model}|${key}|${protocol}`;

/** The kinds of tokens in the metrics, and the figures of the books that they are. */
const TOKEN_KINDS = [
  ["prompt", "prompt_tokens"],
  ["completion", "completion_tokens"],
  ["cached", "cached_tokens"],
  ["cache_write", "cache_write_tokens"],
  ["reasoning", "reasoning_tokens"],
] as const;

/** All that a running gateway says of its past must be what the client has counted. */
export async function assertReportsAgree(gateway: GatewayProcess, client: Client): Promise<void> {
  const entries = await exported(gateway);
  assertEntriesAgree(entries, client);
  const report = await gateway.admin<{ rows: (Row & Sums)[]; totals: Sums }>(
    "GET",
    "/usage?group_by=day,provider,model,key,style",
  );
  assert.deepEqual(
    summed(report.rows, (row) => `${row.provider_name}|${row.model}|${row.auth_key_id}|${row.style}`),
    sumsBy(entries, byGroup),
    "the report of usage",
  );
  assert.deepEqual(sumsOf(report.totals), sumsBy(entries, () => "all")["all"], "its totals");
  const byKey = await gateway.admin<{ rows: (Row & Sums)[] }>("GET", "/usage?group_by=key");
  assert.deepEqual(
    summed(byKey.rows, (row) => String(row.auth_key_id)),
    sumsBy(entries, ({ key }) => String(key)),
    "usage by key",
  );
}

/** The entries must be the client's; with them, what they come to is the client's count too. */
function assertEntriesAgree(entries: readonly Entry[], client: Client): void {
  assert.deepEqual(listed(entries), listed(client.entries()));
  for (const { source, prompt, completion, total, cached } of entries) {
    if (source !== "estimated") continue;
    const isSane = prompt > 0 && prompt < 50 && completion > 0 && completion < 50;
    assert.ok(
      isSane && total === prompt + completion && cached === 0,
      `${prompt} + ${completion} = ${total}`,
    );
  }
}

/** What the process has counted since its start must be what the client has. */
export async function assertMetricsAgree(gateway: GatewayProcess, client: Client): Promise<void> {
  const entries = await exported(gateway);
  const scrape = readExposition(await (await gateway.get("/metrics")).text());
  const labelled = (name: string, labels: Record<string, string>) =>
    `${name}{${Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(",")}}`;
  const called = entries.filter(({ provider }) => provider !== "");
  assert.deepEqual(
    inOrder(Object.entries(scrape.samples("llmio_attempts_total"))),
    countBy(
      called,
      ({ protocol, provider, model, outcome }) =>
        labelled("llmio_attempts_total", { protocol, provider, model, outcome }),
    ),
    "attempts in the metrics",
  );
  // A request ends as its last attempt did.
  const attempts = client.entries();
  const last = attempts.filter((_, i) => (attempts[i + 1]?.retry ?? 0) === 0);
  assert.deepEqual(
    inOrder(Object.entries(scrape.samples("llmio_requests_total"))),
    countBy(last, ({ protocol, model, outcome }) =>
      labelled("llmio_requests_total", {
        protocol,
        model: model === UNKNOWN_MODEL ? "other" : model,
        outcome,
      })),
    "requests in the metrics",
  );
  const sums = sumsBy(
    called,
    ({ protocol, provider, model }) =>
      labelled("llmio_tokens_total", { protocol, provider, model }).slice(0, -1),
  );
  const tokens = Object.entries(sums).flatMap(([name, sum]) =>
    TOKEN_KINDS.map(([kind, figure]) => [`${name},kind="${kind}"}`, sum[figure]] as const)
  );
  assert.deepEqual(
    inOrder(Object.entries(scrape.samples("llmio_tokens_total"))),
    inOrder(tokens),
    "tokens in the metrics",
  );
  assert.equal(scrape.value("llmio_recorder_dropped_rows_total"), 0);
}

/** The tables of a file that no gateway has open must be what the client has counted. */
export function assertFileAgrees(file: string, client: Client): void {
  withFile(file, (database) => {
    assertEntriesAgree(database.prepare("SELECT * FROM chat_logs").all().map(entryOf), client);
    assertFileIsSound(database);
    for (const [id, uses] of client.usesByKey()) {
      if (id === 0) continue;
      const key = database.prepare("SELECT usage_count FROM auth_keys WHERE id = ?").get(id);
      assert.equal(key?.["usage_count"], uses, `uses of key ${id}`);
    }
  });
}

/** The daily tables must be what the ended rows of the same file come to, day by day. */
export function assertFileIsSound(database: DatabaseSync): void {
  assert.deepEqual(database.prepare("PRAGMA integrity_check").all(), [
    Object.assign(Object.create(null), { integrity_check: "ok" }),
  ]);
  const rows = database.prepare("SELECT * FROM chat_logs WHERE status <> 'running'").all();
  const days = new Map<string, Entry[]>();
  for (const row of rows) {
    const day = new Date(Number(row["started_at_ms"])).toISOString().slice(0, 10);
    const known = days.get(day);
    if (known === undefined) days.set(day, [entryOf(row)]);
    else known.push(entryOf(row));
  }
  const expected = [...days].flatMap(([day, entries]) =>
    Object.entries(sumsBy(entries, byGroup)).map(([group, sums]) => [`${day}|${group}`, sums] as const)
  );
  const table = database.prepare("SELECT * FROM usage_days").all();
  assert.deepEqual(
    summed(
      table,
      (row) => `${row["day"]}|${row["provider_name"]}|${row["model"]}|${row["auth_key_id"]}|${row["style"]}`,
    ),
    inOrder(expected),
    "usage_days",
  );
  assertProviderDays(database, days);
  assertCosts(database);
}

/** The fork's own table of providers and days. */
function assertProviderDays(database: DatabaseSync, days: ReadonlyMap<string, readonly Entry[]>): void {
  const expected = [...days].flatMap(([day, entries]) =>
    Object.entries(sumsBy(entries.filter(({ provider }) => provider !== ""), ({ provider }) => provider))
      .map(([provider, sums]) =>
        [`${day}|${provider}`, {
          total_requests: sums.attempts,
          success_requests: sums.successes,
          failed_requests: sums.failures,
          caller_errors: sums.caller_errors,
          cancelled: sums.cancelled,
          prompt_tokens: sums.prompt_tokens,
          completion_tokens: sums.completion_tokens,
          total_tokens: sums.total_tokens,
          cached_tokens: sums.cached_tokens,
        }] as const
      )
  );
  const table = database.prepare(
    `SELECT substr(date, 1, 10) || '|' || name AS name, total_requests, success_requests, failed_requests,
       caller_errors, cancelled, prompt_tokens, completion_tokens, total_tokens, cached_tokens
     FROM provider_usage_stats AS days JOIN providers ON providers.id = days.provider_id`,
  ).all();
  assert.deepEqual(
    inOrder(table.map(({ name, ...figures }) => [String(name), figures])),
    inOrder(expected),
    "provider_usage_stats",
  );
}

/** Sums of binary fractions depend on their order, so these agree to a billionth. */
function assertCosts(database: DatabaseSync): void {
  const sum = (text: string) => Number(database.prepare(text).get()?.["sum"] ?? 0);
  const rows = sum("SELECT sum(cost) AS sum FROM chat_logs WHERE status <> 'running'");
  const providers = sum("SELECT sum(cost_usd) AS sum FROM provider_usage_stats");
  assert.ok(Math.abs(sum("SELECT sum(cost) AS sum FROM usage_days") - rows) < 1e-9, "costs of days");
  assert.ok(Math.abs(providers - rows) < 1e-9, "costs of providers");
}

/** Runs something on a file with a connection of its own. */
export function withFile<Result>(file: string, work: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function entryOf(row: Row): Entry {
  const details = JSON.parse(String(row["prompt_tokens_details"] ?? "{}"));
  return {
    key: Number(row["auth_key_id"]),
    model: String(row["name"]),
    protocol: String(row["style"]),
    provider: String(row["provider_name"]),
    outcome: String(row["outcome"]),
    retry: Number(row["retry"]),
    prompt: Number(row["prompt_tokens"]),
    completion: Number(row["completion_tokens"]),
    total: Number(row["total_tokens"]),
    cached: Number(details?.cached_tokens ?? 0),
    written: Number(row["cache_write_tokens"] ?? 0),
    reasoning: Number(row["reasoning_tokens"] ?? 0),
    source: String(row["usage_source"]),
  };
}

async function exported(gateway: GatewayProcess): Promise<Entry[]> {
  const text = await (await gateway.get("/api/logs/export?format=jsonl")).text();
  return text.trimEnd().split("\n").map((line) => {
    const row = JSON.parse(line);
    return {
      key: row.AuthKeyID,
      model: row.Name,
      protocol: row.Style,
      provider: row.ProviderName,
      outcome: row.Outcome,
      retry: row.Retry,
      prompt: row.prompt_tokens,
      completion: row.completion_tokens,
      total: row.total_tokens,
      cached: row.prompt_tokens_details.cached_tokens,
      written: row.CacheWriteTokens,
      reasoning: row.ReasoningTokens,
      source: row.UsageSource,
    };
  });
}

function sumsOf(row: Row | Sums): Sums {
  const given = row as unknown as Sums;
  return Object.fromEntries(
    Object.keys(NO_SUMS).map((figure) => [figure, given[figure as keyof Sums]]),
  ) as unknown as Sums;
}

/** Rows with figures, added up where they are of one group: days, and currencies. */
function summed(rows: readonly Row[], group: (row: Row) => string): Record<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const row of rows) {
    const name = group(row);
    const sum = sums.get(name) ?? { ...NO_SUMS };
    sums.set(name, sum);
    const figures = sumsOf(row);
    for (const figure of Object.keys(NO_SUMS) as (keyof Sums)[]) sum[figure] += figures[figure];
  }
  return inOrder(sums);
}
