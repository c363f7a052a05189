/** What the tests of the store share: folders, stores, old files and rows. @module */
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { AssociationFields } from "../../src/store/associations.ts";
import type { AuthKeyFields } from "../../src/store/auth_keys.ts";
import type { LogInsert } from "../../src/store/logs.ts";
import type { ModelFields } from "../../src/store/models.ts";
import { openStore, type OpenStoreOptions } from "../../src/store/open.ts";
import type { ProviderFields } from "../../src/store/providers.ts";
import type { Store } from "../../src/store/store.ts";

/** 2026-05-20T12:00:00.060Z. */
export const NOW_MS = Date.UTC(2026, 4, 20, 12, 0, 0, 60);

/** Runs a test in a folder of its own. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "llmio-store-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a test on a store and closes it. */
export async function withStore(
  options: Partial<OpenStoreOptions>,
  test: (store: Store) => Promise<void>,
): Promise<void> {
  const store = await openStore({ path: ":memory:", timeZone: "UTC", now: () => NOW_MS, ...options });
  try {
    await test(store);
  } finally {
    await store.close();
  }
}

/** Opens and closes the store, so that the file is migrated; answers the notices. */
export async function openOnce(path: string, options: Partial<OpenStoreOptions> = {}): Promise<string[]> {
  const notices: string[] = [];
  await withStore({ path, notice: (line) => notices.push(line), ...options }, () => Promise.resolve());
  return notices;
}

/** Runs SQL on a file with a connection of its own, which waits for those who are writing to it. */
export function sql<Result>(path: string, work: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** Makes the sample files of both old programs in a folder. */
export async function makeLegacyFiles(folder: string): Promise<{ upstream: string; ma: string }> {
  // The compatibility material lies beside the checkout.
  const generator = new URL("../../../shared/compat/make_legacy_db.py", import.meta.url);
  const { success, stderr } = await new Deno.Command("python3", { args: [fileURLToPath(generator), folder] })
    .output();
  if (!success) throw new Error(`make_legacy_db.py failed: ${new TextDecoder().decode(stderr)}`);
  return { upstream: `${folder}/legacy-upstream.db`, ma: `${folder}/legacy-ma.db` };
}

/** Every row of every table, by table; integers as bigint. */
export function dump(path: string): Record<string, unknown[]> {
  return sql(path, (database) => {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
      .all();
    return Object.fromEntries(tables.map(({ name }) => {
      const statement = database.prepare(`SELECT * FROM "${name}" ORDER BY 1`);
      statement.setReadBigInts(true);
      return [String(name), statement.all().map((row) => ({ ...row }))];
    }));
  });
}

/** The names of the files in a folder. */
export function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Those of them that are backups. */
export function backupsIn(folder: string): string[] {
  return filesIn(folder).filter((name) => name.includes(".backup-"));
}

export function provider(fields: Partial<ProviderFields> = {}): ProviderFields {
  return { name: "acme", type: "openai", config: "{}", console: "", proxy: "", errorMatcher: "", ...fields };
}

export function model(fields: Partial<ModelFields> = {}): ModelFields {
  return {
    name: "gpt-4o",
    remark: "",
    maxRetry: 3,
    timeOutSeconds: 60,
    firstTokenTimeoutSeconds: 0,
    strategy: "lottery",
    breaker: false,
    ...fields,
  };
}

export function association(
  fields: Pick<AssociationFields, "modelId" | "providerId"> & Partial<AssociationFields>,
): AssociationFields {
  return {
    providerModel: "gpt-4o-2024-08-06",
    toolCall: true,
    structuredOutput: true,
    image: false,
    withHeader: false,
    customerHeaders: { "X-Team": "a" },
    extraBody: { service_tier: "flex" },
    weight: 5,
    inputPrice: 2.5,
    cacheReadPrice: 1.25,
    outputPrice: 10,
    currency: "USD",
    ...fields,
  };
}

/** A key that may use everything, without limits. */
export function authKey(fields: Partial<AuthKeyFields> = {}): AuthKeyFields {
  return {
    name: "team-a",
    status: true,
    ioLog: false,
    allowAll: true,
    models: [],
    expiresAt: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    maxConcurrent: null,
    budgetDay: null,
    budgetMonth: null,
    budgetTotal: null,
    budgetCurrency: "USD",
    providers: null,
    tags: [],
    ...fields,
  };
}

export function log(fields: Partial<LogInsert> = {}): LogInsert {
  return {
    startedAtMs: NOW_MS,
    name: "gpt-4o",
    traceId: "trace-1",
    providerId: 1,
    providerName: "acme",
    providerModel: "gpt-4o-2024-08-06",
    style: "openai",
    userAgent: "curl/8.5.0",
    remoteIp: "127.0.0.1",
    authKeyId: 0,
    sessionId: "",
    chatIo: false,
    retry: 0,
    proxyTimeNs: 412_000,
    inputPrice: 2.5,
    cacheReadPrice: 1.25,
    outputPrice: 10,
    currency: "USD",
    status: "success",
    outcome: "completed",
    statusCode: 200,
    error: "",
    firstChunkTimeNs: 820_113_000,
    chunkTimeNs: 2_040_551_000,
    tps: 41.9,
    size: 18_342,
    promptTokens: 820,
    completionTokens: 120,
    totalTokens: 940,
    cachedTokens: 512,
    cacheWriteTokens: 30,
    reasoningTokens: 40,
    audioTokens: 0,
    usageSource: "measured",
    cost: 0,
    costSource: "",
    ...fields,
  };
}
