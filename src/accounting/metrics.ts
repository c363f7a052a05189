/**
 * What `GET /metrics` shows: counted while requests are served, written when it is asked for. `docs/metrics.md`
 * says what each metric means.
 *
 * @module
 */
import type { LogOutcome } from "../store/logs.ts";
import { Exposition } from "./exposition.ts";
import { Histogram } from "./histogram.ts";
import { MetricLabels, type Named } from "./metric_labels.ts";
import type { AttemptStart, WriteBatch } from "./recorder.ts";
import { type AttemptCounts, TrafficCounts } from "./traffic_counts.ts";

/** A provider at this moment. */
export interface ProviderMoment {
  readonly providerId: number;
  readonly healthy: boolean;
  /** Its associations that pause. */
  readonly coolingAssociations: number;
  /** Its associations whose breaker is not closed. */
  readonly openBreakers: number;
  /** Its keys that pause. */
  readonly coolingKeys: number;
  /** Its keys that were refused. */
  readonly badKeys: number;
}

/** What is only known at the moment of a scrape. */
export interface Moment {
  readonly version: string;
  readonly requestsUnderWay: number;
  readonly recorder: { readonly waiting: number; readonly dropped: number };
  readonly providers: readonly ProviderMoment[];
  readonly process: ProcessMoment;
}

/** The process at this moment. */
export interface ProcessMoment {
  readonly deno: string;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** Upper ends of the buckets of a write to the database, seconds. */
const WRITE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** All metrics of one gateway. */
export class Metrics {
  readonly #labels = new MetricLabels();
  readonly #traffic = new TrafficCounts(this.#labels);
  readonly #writes = new Histogram(WRITE_SECONDS);
  #writeFailures = 0;
  #streams = 0;

  /** The providers and models that exist. What is counted of any other is forgotten. */
  useNames(rows: { readonly providers: readonly Named[]; readonly models: readonly Named[] }): void {
    this.#labels.use(rows.providers, rows.models);
    this.#traffic.prune();
  }

  /** All providers that exist. */
  get providerIds(): readonly number[] {
    return this.#labels.providerIds;
  }

  /** An attempt has ended. */
  attemptEnded(start: AttemptStart, end: LogOutcome): void {
    this.#traffic.attempt(start, end);
  }

  /** A client's request has ended, with or without attempts. */
  requestEnded(protocol: string, model: string, outcome: string): void {
    this.#traffic.request(protocol, model, outcome);
  }

  /** An answer begins to stream to its client. */
  streamOpened(): void {
    this.#streams++;
  }

  /** It has ended. */
  streamClosed(): void {
    this.#streams--;
  }

  /** The same writer, with its time and failures counted. */
  timed(write: WriteBatch): WriteBatch {
    return async (batch) => {
      const startedAt = performance.now();
      try {
        return await write(batch);
      } catch (error) {
        this.#writeFailures++;
        throw error;
      } finally {
        this.#writes.observe((performance.now() - startedAt) / 1000);
      }
    };
  }

  /** The answer to a scrape. */
  render(moment: Moment): string {
    const out = new Exposition();
    this.#writeTraffic(out);
    this.#writeTimes(out);
    out.single(
      "llmio_requests_in_flight",
      "gauge",
      "Client requests under way, streams included.",
      moment.requestsUnderWay,
    );
    out.single("llmio_streams_open", "gauge", "Answers that stream to their clients.", this.#streams);
    this.#writeProviders(out, moment.providers);
    this.#writeRecorder(out, moment.recorder);
    writeProcess(out, moment);
    return out.toString();
  }

  #writeTraffic(out: Exposition): void {
    out.metric(
      "llmio_requests_total",
      "counter",
      "Client requests that have ended, by the outcome of their last attempt.",
    );
    for (const { protocol, model, outcomes } of this.#traffic.requests) {
      for (const [outcome, count] of outcomes) {
        out.sample("llmio_requests_total", { protocol, model, outcome }, count);
      }
    }
    const attempts = this.#attempts();
    out.metric("llmio_attempts_total", "counter", "Calls to providers that have ended.");
    for (const { counts, labels } of attempts) {
      for (const [outcome, count] of counts.outcomes) {
        out.sample("llmio_attempts_total", { ...labels, outcome }, count);
      }
    }
    out.metric(
      "llmio_tokens_total",
      "counter",
      "Tokens by kind; cached and cache_write are parts of prompt, reasoning is one of completion.",
    );
    for (const { counts, labels } of attempts) {
      out.sample("llmio_tokens_total", { ...labels, kind: "prompt" }, counts.promptTokens);
      out.sample("llmio_tokens_total", { ...labels, kind: "completion" }, counts.completionTokens);
      out.sample("llmio_tokens_total", { ...labels, kind: "cached" }, counts.cachedTokens);
      out.sample("llmio_tokens_total", { ...labels, kind: "cache_write" }, counts.cacheWriteTokens);
      out.sample("llmio_tokens_total", { ...labels, kind: "reasoning" }, counts.reasoningTokens);
    }
    out.metric("llmio_cost_total", "counter", "Cost of the tokens, in the currency of the label.");
    for (const { counts, labels } of attempts) {
      for (const [currency, cost] of counts.costs) {
        out.sample("llmio_cost_total", { ...labels, currency }, cost);
      }
    }
  }

  #writeTimes(out: Exposition): void {
    const times: [name: string, help: string, of: (counts: AttemptCounts) => Histogram][] = [
      [
        "llmio_request_duration_seconds",
        "Time from arrival to the end of the answer, of answered requests.",
        (counts) => counts.wholeSeconds,
      ],
      [
        "llmio_time_to_first_token_seconds",
        "Time from arrival to the first byte of the answer, of answered requests.",
        (counts) => counts.firstTokenSeconds,
      ],
      [
        "llmio_gateway_seconds",
        "Time from arrival to the first attempt: the gateway's own.",
        (counts) => counts.ownSeconds,
      ],
    ];
    const attempts = this.#attempts();
    for (const [name, help, of] of times) {
      out.metric(name, "histogram", help);
      for (const { counts, labels } of attempts) out.histogram(name, labels, of(counts));
    }
  }

  #writeProviders(out: Exposition, moments: readonly ProviderMoment[]): void {
    const providers = this.#merged(moments);
    const gauges: [name: string, help: string, of: (moment: ProviderMoment) => number][] = [
      ["llmio_provider_healthy", "1 = healthy, 0 = unhealthy.", ({ healthy }) => healthy ? 1 : 0],
      [
        "llmio_provider_cooling_associations",
        "Associations that pause, such as after a rate limit.",
        ({ coolingAssociations }) => coolingAssociations,
      ],
      [
        "llmio_provider_open_breakers",
        "Associations whose breaker is not closed.",
        ({ openBreakers }) => openBreakers,
      ],
      ["llmio_provider_cooling_keys", "Keys that pause.", ({ coolingKeys }) => coolingKeys],
      ["llmio_provider_bad_keys", "Keys that the provider refuses.", ({ badKeys }) => badKeys],
    ];
    for (const [name, help, of] of gauges) {
      out.metric(name, "gauge", help);
      for (const [provider, moment] of providers) out.sample(name, { provider }, of(moment));
    }
  }

  #writeRecorder(out: Exposition, recorder: Moment["recorder"]): void {
    out.single("llmio_recorder_queue_rows", "gauge", "Log rows that wait to be written.", recorder.waiting);
    out.single(
      "llmio_recorder_dropped_rows_total",
      "counter",
      "Log rows given up because the database took none for too long.",
      recorder.dropped,
    );
    out.single(
      "llmio_recorder_write_failures_total",
      "counter",
      "Batches of log rows that the database refused; they are tried again.",
      this.#writeFailures,
    );
    const name = "llmio_recorder_write_seconds";
    out.metric(name, "histogram", "Time to write one batch of log rows.");
    out.histogram(name, {}, this.#writes);
  }

  /** All counts with the labels of their samples. */
  #attempts(): { counts: AttemptCounts; labels: Record<string, string> }[] {
    return this.#traffic.attempts.map((counts) => ({
      counts,
      labels: {
        protocol: counts.protocol,
        provider: this.#labels.provider(counts.providerKey) ?? "",
        model: counts.model,
      },
    }));
  }

  /** Providers by their label. Those that share one are healthy together or not at all. */
  #merged(moments: readonly ProviderMoment[]): Map<string, ProviderMoment> {
    const merged = new Map<string, ProviderMoment>();
    for (const moment of moments) {
      const key = this.#labels.providerKey(moment.providerId);
      const label = key === null ? null : this.#labels.provider(key);
      if (label === null) continue;
      const before = merged.get(label);
      merged.set(label, before === undefined ? moment : together(before, moment));
    }
    return merged;
  }
}

function together(one: ProviderMoment, other: ProviderMoment): ProviderMoment {
  return {
    providerId: one.providerId,
    healthy: one.healthy && other.healthy,
    coolingAssociations: one.coolingAssociations + other.coolingAssociations,
    openBreakers: one.openBreakers + other.openBreakers,
    coolingKeys: one.coolingKeys + other.coolingKeys,
    badKeys: one.badKeys + other.badKeys,
  };
}

function writeProcess(out: Exposition, { version, process }: Moment): void {
  out.metric("llmio_build_info", "gauge", "Always 1; its labels say what runs.");
  out.sample("llmio_build_info", { version, deno: process.deno }, 1);
  out.single(
    "process_start_time_seconds",
    "gauge",
    "Start of the process, seconds since 1970.",
    process.startedAt / 1000,
  );
  out.single("process_resident_memory_bytes", "gauge", "Resident memory.", process.residentBytes);
  out.single("process_cpu_seconds_total", "counter", "CPU time, user and system.", process.cpuSeconds);
}
