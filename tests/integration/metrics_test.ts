import assert from "node:assert/strict";
import { readExposition, type Scrape } from "../accounting/exposition_reader.ts";
import { CHAT_COMPLETION, FRAME, okChat, okSse } from "../upstream/fixtures.ts";
import { json, type Reply, sse } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway, TOKEN } from "./test_gateway.ts";

const ADMIN = { authorization: `Bearer ${TOKEN}` };

async function scrape(gateway: TestGateway): Promise<Scrape> {
  const response = await fetch(`${gateway.url}/metrics`, { headers: ADMIN });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return readExposition(text);
}

/** Scrapes until it shows what is expected; a slow machine needs more scrapes, not more time set here. */
async function scrapeUntil(gateway: TestGateway, shows: (seen: Scrape) => boolean): Promise<Scrape> {
  for (let tries = 0; tries < 5_000; tries++) {
    const seen = await scrape(gateway);
    if (shows(seen)) return seen;
  }
  throw new Error("the metrics never showed what was expected");
}

/** All rows, once `count` of them have ended. */
async function allRows(gateway: TestGateway, count: number): Promise<Row[]> {
  for (let tries = 0; tries < 2_000; tries++) {
    const rows: Row[] = [];
    for (let page = 1; rows.length < count; page++) {
      const path = `/logs?page_size=100&page=${page}`;
      const { data } = await gateway.admin<{ data: Row[] }>("GET", path);
      if (data.length === 0) break;
      rows.push(...data);
    }
    if (rows.length === count && rows.every((row) => row.Status !== "running")) return rows;
  }
  throw new Error(`there never were ${count} ended rows`);
}

async function drain(sent: Promise<Response>): Promise<void> {
  await (await sent).text();
}

/** Reads the beginning of a stream and hangs up. */
async function hangUp(gateway: TestGateway, model: string): Promise<void> {
  const abort = new AbortController();
  const response = await gateway.chat({ model, stream: true }, { signal: abort.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  abort.abort();
  await reader?.closed.catch(() => {});
}

const okEitherWay = (request: UpstreamRequest): Reply =>
  (request.json() as { stream?: boolean }).stream ? okSse() : okChat();
const { choices: [choice] } = CHAT_COMPLETION;
const cutShort = json(200, { ...CHAT_COMPLETION, choices: [{ ...choice, finish_reason: "length" }] });

/** Sums up a number of each row under the labels that its sample has. */
function expected(rows: readonly Row[], series: (row: Row) => string, of: (row: Row) => number) {
  const sums: Record<string, number> = {};
  for (const row of rows) sums[series(row)] = (sums[series(row)] ?? 0) + of(row);
  return sums;
}

/** The same sums; costs and times may differ in the last digit, since they are added up in another order. */
function assertSums(seen: Record<string, number>, sums: Record<string, number>, what: string): void {
  assert.deepEqual(Object.keys(seen).toSorted(), Object.keys(sums).toSorted(), what);
  for (const [series, sum] of Object.entries(sums)) {
    const difference = Math.abs((seen[series] ?? NaN) - sum);
    assert.ok(difference <= 1e-9 * Math.max(1, sum), `${series}: ${seen[series]} instead of ${sum}`);
  }
}

function assertAgreement(seen: Scrape, rows: readonly Row[]): void {
  const one = () => 1;
  const base = (row: Row) => `protocol="${row.Style}",provider="${row.ProviderName}",model="${row.Name}"`;
  const attempts = rows.filter((row) => row.ProviderName !== "");
  assert.deepEqual(
    seen.samples("llmio_attempts_total"),
    expected(attempts, (row) => `llmio_attempts_total{${base(row)},outcome="${row.Outcome}"}`, one),
  );
  const lastRows = [...Map.groupBy(rows, (row) => row.TraceID).values()]
    .map((ofRequest) => ofRequest.toSorted((a, b) => Number(a.Retry) - Number(b.Retry)).at(-1))
    .filter((row) => row !== undefined);
  assert.deepEqual(
    seen.samples("llmio_requests_total"),
    expected(lastRows, (row) => {
      const model = row.ProviderName === "" ? "other" : row.Name;
      return `llmio_requests_total{protocol="${row.Style}",model="${model}",outcome="${row.Outcome}"}`;
    }, one),
  );
  const tokens = (kind: string, of: (row: Row) => unknown) =>
    expected(attempts, (row) => `llmio_tokens_total{${base(row)},kind="${kind}"}`, (row) => Number(of(row)));
  assert.deepEqual(seen.samples("llmio_tokens_total"), {
    ...tokens("prompt", (row) => row.prompt_tokens),
    ...tokens("completion", (row) => row.completion_tokens),
    ...tokens("cached", (row) => (row.prompt_tokens_details as { cached_tokens: number }).cached_tokens),
    ...tokens("cache_write", (row) => row.CacheWriteTokens),
    ...tokens("reasoning", (row) => row.ReasoningTokens),
  });
  assertSums(
    seen.samples("llmio_cost_total"),
    expected(
      attempts.filter((row) => Number(row.Cost) > 0),
      (row) => `llmio_cost_total{${base(row)},currency="${row.currency}"}`,
      (row) => Number(row.Cost),
    ),
    "costs",
  );
  assertTimes(seen, attempts, base);
}

function assertTimes(seen: Scrape, attempts: readonly Row[], base: (row: Row) => string): void {
  const answered = attempts.filter((row) => row.Status === "success");
  const first = attempts.filter((row) => row.Retry === 0);
  const times: [name: string, rows: readonly Row[], ns: (row: Row) => number][] = [
    [
      "llmio_request_duration_seconds",
      answered,
      (row) => Number(row.FirstChunkTime) + Number(row.ChunkTime),
    ],
    ["llmio_time_to_first_token_seconds", answered, (row) => Number(row.FirstChunkTime)],
    ["llmio_gateway_seconds", first, (row) => Number(row.ProxyTime)],
  ];
  for (const [name, rows, ns] of times) {
    const samples = Object.entries(seen.samples(name)).filter(([, value]) => value > 0);
    const ending = (text: string) =>
      Object.fromEntries(samples.filter(([series]) => series.startsWith(`${name}_${text}{`)));
    const sums = expected(rows, (row) => `${name}_sum{${base(row)}}`, (row) => ns(row) / 1e9);
    assertSums(ending("sum"), sums, name);
    assert.deepEqual(ending("count"), expected(rows, (row) => `${name}_count{${base(row)}}`, () => 1));
  }
}

Deno.test("GET /metrics agrees exactly with the request log, whatever the requests came to", async () => {
  await using good = await ScriptedUpstream.start(okEitherWay);
  await using broken = await ScriptedUpstream.start(
    json(500, { error: { message: "sk-upstream-2-secret" } }),
  );
  await using picky = await ScriptedUpstream.start(json(400, { error: { message: "no" } }));
  await using short = await ScriptedUpstream.start(cutShort);
  await using silent = await ScriptedUpstream.start(sse([FRAME.role, FRAME.hel], { end: "hang" }));
  await using gateway = await TestGateway.start();
  const priced = { input_price: 2.5, output_price: 10, cache_read_price: 0.3, currency: "USD" };
  await gateway.serveModel({ name: "plain", providers: [{ url: good.url, association: priced }] });
  await gateway.serveModel({
    name: "moved",
    model: { strategy: "rotor" },
    providers: [{ url: broken.url, association: { weight: 9 } }, good.url],
  });
  await gateway.serveModel({ name: "refused", providers: [picky.url] });
  await gateway.serveModel({ name: "short", providers: [short.url] });
  await gateway.serveModel({ name: "left", providers: [silent.url] });
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      ...Array.from({ length: 6 }, () => drain(gateway.chat({ model: "plain" }))),
      ...Array.from({ length: 6 }, () => drain(gateway.chat({ model: "plain", stream: true }))),
      ...Array.from({ length: 6 }, (_, i) => drain(gateway.chat({ model: "moved", stream: i % 2 === 0 }))),
      ...Array.from({ length: 3 }, () => drain(gateway.chat({ model: "refused" }))),
      ...Array.from({ length: 3 }, () => drain(gateway.chat({ model: "short" }))),
      ...Array.from({ length: 2 }, () => drain(gateway.chat({ model: "sk-nowhere" }))),
      ...Array.from({ length: 2 }, () => hangUp(gateway, "left")),
    ]);
  }
  const asked = [good, broken, picky, short, silent].reduce((sum, { requests }) => sum + requests.length, 0);
  const rows = await allRows(gateway, asked + 20);
  const seen = await scrapeUntil(gateway, (each) => each.value("llmio_requests_in_flight") === 0);
  assertAgreement(seen, rows);
  const outcomes = new Set(rows.map((row) => row.Outcome));
  for (const outcome of ["completed", "incomplete", "server", "caller_fault", "client_gone"]) {
    assert.ok(outcomes.has(outcome), `no attempt was ${outcome}`);
  }
  assert.equal(seen.value("llmio_streams_open"), 0);
  assert.equal(seen.value("llmio_recorder_dropped_rows_total"), 0);
  const response = await fetch(`${gateway.url}/metrics`, { headers: ADMIN });
  assert.doesNotMatch(await response.text(), /sk-|secret|127\.0\.0\.1/);
});

Deno.test("GET /metrics shows requests and streams while they are open", async () => {
  const end = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start([
    ...sse([FRAME.role, FRAME.hel], { end: "hang" }).slice(0, -1),
    { until: end.promise },
    { end: "close" },
  ]);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true });
  const open = await scrape(gateway);
  assert.equal(open.value("llmio_requests_in_flight"), 1);
  assert.equal(open.value("llmio_streams_open"), 1);
  end.resolve();
  await response.text().catch(() => {});
  const closed = await scrapeUntil(gateway, (seen) => seen.value("llmio_streams_open") === 0);
  assert.equal(closed.value("llmio_requests_in_flight"), 0);
});

Deno.test("GET /metrics shows what holds a provider back, also of one that serves nothing", async () => {
  await using limited = await ScriptedUpstream.start(json(429, { error: {} }, { "retry-after": "60" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: limited.url, name: "limited" }] });
  const idle = { name: "idle", type: "openai", config: `{"base_url":"${limited.url}","api_key":"k"}` };
  await gateway.admin("POST", "/providers", { ...idle });
  await drain(gateway.chat({}));
  const seen = await scrape(gateway);
  const cooling = seen.samples("llmio_provider_cooling_keys");
  assert.equal(cooling['llmio_provider_cooling_keys{provider="limited"}'], 1);
  assert.equal(cooling['llmio_provider_cooling_keys{provider="idle"}'], 0);
  assert.equal(seen.samples("llmio_provider_healthy")['llmio_provider_healthy{provider="idle"}'], 1);
});

Deno.test("a deleted provider's series vanish from GET /metrics", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers: [provider] } = await gateway.serveModel({
    providers: [{ url: upstream.url, name: "gone" }],
  });
  await drain(gateway.chat({}));
  const before = await scrape(gateway);
  assert.equal(Object.keys(before.samples("llmio_attempts_total")).length, 1);
  await gateway.admin("DELETE", `/providers/${provider?.ID}`);
  const response = await fetch(`${gateway.url}/metrics`, { headers: ADMIN });
  const text = await response.text();
  assert.ok(!text.includes('"gone"'), text);
  assert.ok(text.includes('llmio_requests_total{protocol="openai",model="m",outcome="completed"} 1'));
});

Deno.test("GET /metrics is Prometheus text, and kept from caches", async () => {
  await using gateway = await TestGateway.start();
  const response = await fetch(`${gateway.url}/metrics`, { headers: ADMIN });
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const seen = readExposition(await response.text());
  assert.ok(seen.value("process_resident_memory_bytes") > 1_000_000);
  assert.ok(Math.abs(seen.value("process_start_time_seconds") - Date.now() / 1000) < 3_600);
});

Deno.test("GET /metrics wants the admin token, and says so with a challenge", async () => {
  await using gateway = await TestGateway.start();
  for (const headers of [{}, { authorization: "Bearer wrong" }]) {
    const response = await fetch(`${gateway.url}/metrics`, { headers });
    assert.equal(response.status, 401);
    assert.ok(response.headers.has("www-authenticate"));
    assert.doesNotMatch(await response.text(), /llmio_/);
  }
});

Deno.test("without a token GET /metrics answers this machine and no foreign web page", async () => {
  await using gateway = await TestGateway.start({ token: "" });
  const own = await fetch(`${gateway.url}/metrics`);
  assert.equal(own.status, 200);
  await own.body?.cancel();
  const foreign = await fetch(`${gateway.url}/metrics`, { headers: { origin: "https://example.com" } });
  assert.equal(foreign.status, 403);
  await foreign.body?.cancel();
});
