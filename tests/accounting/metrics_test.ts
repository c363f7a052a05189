import assert from "node:assert/strict";
import { Exposition } from "../../src/accounting/exposition.ts";
import { Histogram } from "../../src/accounting/histogram.ts";
import { MAX_NAMES, MetricLabels, OTHER_ID } from "../../src/accounting/metric_labels.ts";
import { Metrics, type Moment } from "../../src/accounting/metrics.ts";
import type { AttemptStart } from "../../src/accounting/recorder.ts";
import { MAX_SERIES, Tally } from "../../src/accounting/traffic_counts.ts";
import type { LogOutcome } from "../../src/store/logs.ts";
import { readExposition, type Scrape } from "./exposition_reader.ts";

const start = (facts: Partial<AttemptStart> = {}): AttemptStart => ({
  startedAtMs: 0,
  name: "m",
  traceId: "t",
  providerId: 1,
  providerName: "p",
  providerModel: "pm",
  style: "openai",
  userAgent: "",
  remoteIp: "",
  authKeyId: 0,
  sessionId: "",
  chatIo: false,
  retry: 0,
  proxyTimeNs: 200_000,
  inputPrice: 0,
  cacheReadPrice: 0,
  outputPrice: 0,
  currency: "USD",
  ...facts,
});

const success: LogOutcome = {
  status: "success",
  outcome: "completed",
  statusCode: 200,
  error: "",
  firstChunkTimeNs: 250_000_000,
  chunkTimeNs: 500_000_000,
  tps: 1,
  size: 1,
  promptTokens: 11,
  completionTokens: 7,
  totalTokens: 18,
  cachedTokens: 3,
  cacheWriteTokens: 2,
  reasoningTokens: 4,
  audioTokens: 0,
  usageSource: "measured",
  cost: 0.25,
  costSource: "list",
};

const failure: LogOutcome = {
  ...success,
  status: "error",
  outcome: "server",
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  cost: 0,
};

const moment: Moment = {
  version: "1.2.3",
  requestsUnderWay: 0,
  recorder: { waiting: 0, dropped: 0 },
  providers: [],
  process: { deno: "2.9.6", startedAt: 1_500, residentBytes: 1, cpuSeconds: 0.5 },
};

function scrape(metrics: Metrics, facts: Partial<Moment> = {}): Scrape {
  return readExposition(metrics.render({ ...moment, ...facts }));
}

const named = (id: number, name: string) => ({ id, name });
const steady = (providerId: number) => ({
  providerId,
  healthy: true,
  coolingAssociations: 0,
  openBreakers: 0,
  coolingKeys: 0,
  badKeys: 0,
});

Deno.test("Metrics counts attempts, tokens, costs and times of what has ended", () => {
  const metrics = new Metrics();
  metrics.useNames({ providers: [named(1, "p")], models: [named(1, "m")] });
  metrics.attemptEnded(start(), failure);
  metrics.attemptEnded(start({ retry: 1 }), success);
  metrics.requestEnded("openai", "m", "completed");
  const seen = scrape(metrics);
  const labels = 'protocol="openai",provider="p",model="m"';
  assert.deepEqual(seen.samples("llmio_attempts_total"), {
    [`llmio_attempts_total{${labels},outcome="server"}`]: 1,
    [`llmio_attempts_total{${labels},outcome="completed"}`]: 1,
  });
  assert.deepEqual(seen.samples("llmio_tokens_total"), {
    [`llmio_tokens_total{${labels},kind="prompt"}`]: 11,
    [`llmio_tokens_total{${labels},kind="completion"}`]: 7,
    [`llmio_tokens_total{${labels},kind="cached"}`]: 3,
    [`llmio_tokens_total{${labels},kind="cache_write"}`]: 2,
    [`llmio_tokens_total{${labels},kind="reasoning"}`]: 4,
  });
  assert.deepEqual(seen.samples("llmio_cost_total"), {
    [`llmio_cost_total{${labels},currency="USD"}`]: 0.25,
  });
  assert.deepEqual(seen.samples("llmio_requests_total"), {
    'llmio_requests_total{protocol="openai",model="m",outcome="completed"}': 1,
  });
  const whole = seen.samples("llmio_request_duration_seconds");
  assert.equal(whole[`llmio_request_duration_seconds_sum{${labels}}`], 0.75);
  assert.equal(whole[`llmio_request_duration_seconds_count{${labels}}`], 1);
  assert.equal(
    seen.samples("llmio_time_to_first_token_seconds")[`llmio_time_to_first_token_seconds_sum{${labels}}`],
    0.25,
  );
  // Only the first attempt of a request: what comes before a later one is not the gateway's own time.
  assert.equal(seen.samples("llmio_gateway_seconds")[`llmio_gateway_seconds_count{${labels}}`], 1);
});

Deno.test("Metrics counts a refused request as a request and not as an attempt", () => {
  const metrics = new Metrics();
  metrics.attemptEnded(start({ providerId: null }), failure);
  metrics.requestEnded("openai", "m", "caller_fault");
  const seen = scrape(metrics);
  assert.deepEqual(seen.samples("llmio_attempts_total"), {});
  assert.deepEqual(seen.samples("llmio_requests_total"), {
    'llmio_requests_total{protocol="openai",model="other",outcome="caller_fault"}': 1,
  });
});

Deno.test("Metrics never shows a model name that a client has made up", () => {
  const metrics = new Metrics();
  metrics.useNames({ providers: [named(1, "p")], models: [] });
  metrics.attemptEnded(start({ name: "sk-secret" }), success);
  metrics.requestEnded("openai", "sk-secret", "completed");
  const text = metrics.render(moment);
  assert.ok(!text.includes("sk-secret"));
  assert.ok(text.includes('model="other"'));
});

Deno.test("Metrics forgets the series of a deleted provider or model, and what ends of it later", () => {
  const metrics = new Metrics();
  metrics.useNames({ providers: [named(1, "p"), named(2, "q")], models: [named(1, "m"), named(2, "n")] });
  for (const providerId of [1, 2]) {
    for (const name of ["m", "n"]) metrics.attemptEnded(start({ providerId, name }), success);
  }
  metrics.requestEnded("openai", "n", "completed");
  metrics.useNames({ providers: [named(2, "q")], models: [named(1, "m")] });
  metrics.attemptEnded(start({ providerId: 1 }), success);
  const seen = scrape(metrics, { providers: [1, 2].map(steady) });
  assert.deepEqual(seen.samples("llmio_attempts_total"), {
    'llmio_attempts_total{protocol="openai",provider="q",model="m",outcome="completed"}': 1,
  });
  assert.deepEqual(seen.samples("llmio_requests_total"), {});
  assert.deepEqual(seen.samples("llmio_provider_healthy"), { 'llmio_provider_healthy{provider="q"}': 1 });
});

Deno.test("Metrics counts on under the new name of a renamed provider", () => {
  const metrics = new Metrics();
  metrics.useNames({ providers: [named(1, "old")], models: [named(1, "m")] });
  metrics.attemptEnded(start(), success);
  metrics.useNames({ providers: [named(1, "new")], models: [named(1, "m")] });
  metrics.attemptEnded(start(), success);
  assert.deepEqual(scrape(metrics).samples("llmio_attempts_total"), {
    'llmio_attempts_total{protocol="openai",provider="new",model="m",outcome="completed"}': 2,
  });
});

Deno.test(`Metrics has at most ${MAX_NAMES} names a label, and counts the others together`, () => {
  const metrics = new Metrics();
  const providers = Array.from({ length: MAX_NAMES + 50 }, (_, i) => named(i + 1, `p${i + 1}`));
  metrics.useNames({ providers, models: [named(1, "m")] });
  for (const { id } of providers) metrics.attemptEnded(start({ providerId: id }), success);
  const moments = providers.map(({ id }) => ({ ...steady(id), healthy: id !== MAX_NAMES + 1, badKeys: 1 }));
  const seen = scrape(metrics, { providers: moments });
  const attempts = seen.samples("llmio_attempts_total");
  assert.equal(Object.keys(attempts).length, MAX_NAMES + 1);
  assert.equal(
    attempts['llmio_attempts_total{protocol="openai",provider="other",model="m",outcome="completed"}'],
    50,
  );
  assert.equal(seen.samples("llmio_provider_healthy")['llmio_provider_healthy{provider="other"}'], 0);
  assert.equal(seen.samples("llmio_provider_bad_keys")['llmio_provider_bad_keys{provider="other"}'], 50);
});

Deno.test(`Metrics has at most ${MAX_SERIES} combinations of labels, and loses no attempt over that`, () => {
  const metrics = new Metrics();
  const providers = Array.from({ length: 100 }, (_, i) => named(i + 1, `p${i}`));
  const models = Array.from({ length: 20 }, (_, i) => named(i + 1, `m${i}`));
  metrics.useNames({ providers, models });
  for (const { id } of providers) {
    for (const { name } of models) metrics.attemptEnded(start({ providerId: id, name }), success);
  }
  const attempts = scrape(metrics).samples("llmio_attempts_total");
  assert.equal(Object.keys(attempts).length, MAX_SERIES + 1);
  assert.equal(Object.values(attempts).reduce((sum, count) => sum + count), 2_000);
});

Deno.test("Tally counts values beyond its bound as other", () => {
  const tally = new Tally();
  for (let i = 0; i < 1_000; i++) tally.add(`value ${i}`, 1);
  const counts = new Map(tally);
  assert.equal(counts.size, 51);
  assert.equal(counts.get("other"), 950);
});

Deno.test("MetricLabels gives two providers of one name two labels", () => {
  const labels = new MetricLabels();
  labels.use([named(1, "a"), named(2, "a"), named(3, "other")], []);
  assert.deepEqual([1, 2, 3, OTHER_ID].map((id) => labels.provider(id)), ["a", "a #2", "other #3", "other"]);
  assert.equal(labels.providerKey(4), null);
});

Deno.test("Metrics.timed() counts the time of every write and the failures, and passes both on", async () => {
  const metrics = new Metrics();
  const ids = await metrics.timed(() => Promise.resolve([7]))({ inserts: [], updates: [] });
  assert.deepEqual(ids, [7]);
  const locked = metrics.timed(() => Promise.reject(new Error("locked")));
  await assert.rejects(locked({ inserts: [], updates: [] }), /locked/);
  const seen = scrape(metrics, { recorder: { waiting: 4, dropped: 2 } });
  assert.equal(seen.value("llmio_recorder_write_failures_total"), 1);
  assert.equal(seen.samples("llmio_recorder_write_seconds").llmio_recorder_write_seconds_count, 2);
  assert.equal(seen.value("llmio_recorder_queue_rows"), 4);
  assert.equal(seen.value("llmio_recorder_dropped_rows_total"), 2);
});

Deno.test("Metrics tells what runs, since when, and on how much memory", () => {
  const seen = scrape(new Metrics());
  assert.deepEqual(seen.samples("llmio_build_info"), {
    'llmio_build_info{version="1.2.3",deno="2.9.6"}': 1,
  });
  assert.equal(seen.value("process_start_time_seconds"), 1.5);
  assert.equal(seen.value("process_resident_memory_bytes"), 1);
  assert.equal(seen.value("process_cpu_seconds_total"), 0.5);
});

Deno.test("docs/metrics.md names every metric with its type, and no other", async () => {
  const docs = await Deno.readTextFile(new URL("../../docs/metrics.md", import.meta.url));
  const rows = docs.matchAll(/^\| `((?:llmio|process)_\w+)` *\| (\w+)/gm);
  const metrics = [...scrape(new Metrics()).metrics.values()];
  assert.deepEqual(
    Array.from(rows, ([, name, type]) => `${name} ${type}`).toSorted(),
    metrics.map(({ name, type }) => `${name} ${type}`).toSorted(),
  );
});

Deno.test("Histogram puts a value on a bound under that bound, and one over all of them under +Inf only", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0, 1, 1.5, 2, 3]) histogram.observe(value);
  assert.deepEqual([...histogram.cumulative()], [[1, 2], [2, 4]]);
  assert.deepEqual([histogram.count, histogram.sum], [5, 7.5]);
});

Deno.test("Exposition escapes quotes, backslashes and line ends in labels", () => {
  const out = new Exposition();
  out.metric("a", "gauge", "Two\nlines and a \\.");
  out.sample("a", { name: 'x"} 1\n# TYPE b \\' }, 1);
  assert.equal(
    out.toString(),
    '# HELP a Two\\nlines and a \\\\.\n# TYPE a gauge\na{name="x\\"} 1\\n# TYPE b \\\\"} 1\n',
  );
  readExposition(out.toString());
});

Deno.test("readExposition() throws on what is no exposition", () => {
  const head = "# HELP a_total x\n# TYPE a_total counter\n";
  readExposition(`${head}a_total{b="c"} 1\n`);
  for (
    const text of [
      `${head}a_total 1`,
      `${head}a_total Nan\n`,
      `${head}a_total 1\na_total 1\n`,
      `${head}b 1\n`,
      `${head}a_total{b="c} 1\n`,
      `${head}a_total{b="c",b="d"} 1\n`,
      `${head}a_total -1\n`,
      `${head}${head}`,
      "a_total 1\n",
      '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ]
  ) assert.throws(() => readExposition(text), text);
});
