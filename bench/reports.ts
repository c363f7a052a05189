/**
 * Measures reports on a large request log: `deno run -A bench/reports.ts [ROWS] [DAYS] [FILE]` (default 1,000,000 rows
 * in 30 days; FILE keeps the built database for the next run). Starts the gateway on a copy, measures what reports cost
 * the requests beside them, and times what an operator would ask, an export, and a clean-up of half of the rows with
 * writes in between. With `--load` it stops after the first of these.
 *
 * @module
 */
import { FAILURE_CLASSES } from "../src/failover/failure_class.ts";
import { startServer } from "../src/server.ts";
import { readSettings } from "../src/settings.ts";
import type { LogInsert } from "../src/store/logs.ts";
import { openStore } from "../src/store/open.ts";
import { measureUnderLoad } from "./reports_load.ts";

const LOAD_ONLY = Deno.args.includes("--load");
const [rows, days, KEPT] = Deno.args.filter((arg) => arg !== "--load");
const ROWS = Number(rows ?? 1_000_000);
const DAYS = Number(days ?? 30);
const DAY_MS = 86_400_000;
const ZONE = "Asia/Shanghai";
const TOKEN = "bench";
const ROUNDS = 7;
const NOW = Date.now();
const DAY = new Date(NOW - 10 * DAY_MS).toISOString();
const FAILURES = Object.keys(FAILURE_CLASSES);

const QUESTIONS = [
  "/logs",
  "/logs?page=1000&page_size=50",
  `/logs?before_id=${ROWS >> 1}&page_size=50`,
  "/logs?status=error",
  "/logs?outcome=timeout",
  "/logs?provider_name=provider-3&status=error",
  "/logs?auth_key_id=7",
  `/logs?from=${DAY}`,
  `/logs?from=${DAY}&status=error`,
  `/logs?to=${DAY}&name=model-3&outcome=timeout`,
  "/logs?name=model-of-nobody",
  "/user-agents",
  "/usage",
  "/usage?group_by=day,provider,model,key,style",
  "/usage?group_by=day,provider,model,key,style&format=csv",
  "/metrics/use/0",
  "/metrics/use/30",
  "/metrics/counts",
  "/metrics/projects",
  "/dashboard/stats",
  "/dashboard/realtime",
];

const folder = await Deno.makeTempDir({ prefix: "llmio-reports-" });
try {
  const path = `${folder}/llmio.db`;
  if (KEPT !== undefined && await exists(KEPT)) await Deno.copyFile(KEPT, path);
  else await fill(path);
  if (KEPT !== undefined && !await exists(KEPT)) await Deno.copyFile(path, KEPT);
  await measureUnderLoad(path, print);
  if (!LOAD_ONLY) await measure(path);
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function fill(path: string): Promise<void> {
  const startedAt = performance.now();
  const store = await openStore({ path, timeZone: ZONE });
  for (let n = 1; n <= 12; n++) {
    const config = '{"base_url":"http://127.0.0.1:9/v1","api_key":"k"}';
    const [type, console, proxy, errorMatcher] = ["openai", "", "", ""];
    await store.providers.create({ name: `provider-${n}`, type, config, console, proxy, errorMatcher });
  }
  for (let n = 0; n < ROWS; n += 1_000) {
    const inserts = Array.from({ length: Math.min(1_000, ROWS - n) }, (_, i) => row(n + i));
    await store.logs.write({ inserts, updates: [] });
  }
  await store.close();
  print(`filled ${ROWS} rows in ${DAYS} days`, performance.now() - startedAt, `${megabytes(path)} MiB`);
}

function row(n: number): LogInsert {
  const failed = n % 17 === 0;
  const provider = n * 7 % 12 + 1;
  return {
    startedAtMs: Math.floor(NOW - DAYS * DAY_MS + n * DAYS * DAY_MS / ROWS),
    name: `model-${n * 13 % 8}`,
    traceId: crypto.randomUUID().slice(0, 10),
    providerId: provider,
    providerName: `provider-${provider}`,
    providerModel: `vendor-model-${n * 13 % 8}`,
    style: n % 3 === 0 ? "anthropic" : "openai",
    userAgent: `OpenAI/JS 5.${n % 40}`,
    remoteIp: "203.0.113.9",
    authKeyId: n * 31 % 50,
    sessionId: `session-${n >> 4}`,
    chatIo: false,
    retry: n % 20 === 1 ? 1 : 0,
    proxyTimeNs: 412_000,
    inputPrice: 2.5,
    cacheReadPrice: 1.25,
    outputPrice: 10,
    currency: n % 2 === 0 ? "USD" : "CNY",
    status: failed ? "error" : "success",
    outcome: failed ? FAILURES[n % FAILURES.length] ?? "server" : "completed",
    statusCode: failed ? 500 : 200,
    error: failed ? "the provider answered 500: something went wrong on its side" : "",
    firstChunkTimeNs: 820_113_000,
    chunkTimeNs: 2_040_551_000,
    tps: 41.9,
    size: 18_342,
    promptTokens: 820,
    completionTokens: 120,
    totalTokens: 940,
    cachedTokens: 512,
    audioTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    usageSource: "measured",
    cost: 0.003,
    costSource: "association",
  };
}

async function measure(path: string): Promise<void> {
  const read = readSettings(
    { port: "0", host: "127.0.0.1", db: path, token: TOKEN, tz: ZONE, "log-level": "error" },
    {},
  );
  if (!read.ok) throw new Error(read.errors.join("\n"));
  const startedAt = performance.now();
  const server = await startServer(read.settings);
  print("start", performance.now() - startedAt);
  try {
    for (const question of QUESTIONS) await time(server.url, question);
    for (const format of ["csv", "jsonl"]) {
      await time(server.url, `/logs/export?format=${format}&days=365`, 1);
      print(`  memory after it`, 0, `RSS ${(Deno.memoryUsage().rss / 1024 / 1024).toFixed(0)} MiB`);
    }
    await cleanUp(server.url, path);
  } finally {
    await server.stop("the benchmark is over");
  }
}

async function ask(url: string, path: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${url}/api${path}`, {
    ...init,
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.length;
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return bytes;
}

async function time(url: string, path: string, rounds = ROUNDS): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    bytes = await ask(url, path);
    times.push(performance.now() - startedAt);
  }
  const [first = 0] = times;
  print(path, quantile(times, 0.5), `first ${first.toFixed(1)} ms, ${bytes} bytes`);
}

/** Half of the rows go, while other writes go on. */
async function cleanUp(url: string, path: string): Promise<void> {
  const startedAt = performance.now();
  const waits: number[] = [];
  let done = false;
  const cleaning = ask(url, "/logs/cleanup", {
    method: "POST",
    body: JSON.stringify({ type: "count", value: ROWS >> 1 }),
  }).finally(() => done = true);
  while (!done) {
    const askedAt = performance.now();
    // It waits behind the step that the writing worker is at, as a log row would.
    await ask(url, "/config/bench", { method: "PUT", body: '{"value":"1"}' });
    waits.push(performance.now() - askedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await cleaning;
  const [p50, p99, max] = [0.5, 0.99, 1].map((q) => quantile(waits, q).toFixed(1));
  print(
    `clean-up of ${ROWS - (ROWS >> 1)} rows`,
    performance.now() - startedAt,
    `a write meanwhile: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`,
  );
  for (let n = 0; n < 16; n += 3) {
    print(`  size ${n} s later`, 0, `${megabytes(path)} MiB, log ${megabytes(`${path}-wal`)} MiB`);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function megabytes(path: string): string {
  return (Deno.statSync(path).size / 1024 / 1024).toFixed(0);
}

function print(what: string, ms: number, more = ""): void {
  // deno-lint-ignore no-console -- it is what the benchmark is for
  console.log(
    `${what.padEnd(60)} ${ms === 0 ? "".padStart(13) : `${ms.toFixed(1).padStart(10)} ms`}  ${more}`,
  );
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
