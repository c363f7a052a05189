/**
 * What attempts have come to, counted as their rows are made, so that the sums of the log and of the metrics agree.
 *
 * @module
 */
import type { LogOutcome } from "../store/logs.ts";
import { Histogram } from "./histogram.ts";
import { type MetricLabels, OTHER, OTHER_ID } from "./metric_labels.ts";
import type { AttemptStart } from "./recorder.ts";

/** Combinations of protocol, provider and model that are counted apart; further ones are counted together. */
export const MAX_SERIES = 1_000;

/** Outcomes come from a closed list. Should one ever grow without end, this keeps it from filling the memory. */
const MAX_VALUES = 50;

const NS_PER_SECOND = 1_000_000_000;
/** Upper ends of the buckets, seconds. */
const WHOLE = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];
const FIRST_TOKEN = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120];
const OWN = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1];

/** Numbers by a value that a label will name. */
export class Tally {
  readonly #values = new Map<string, number>();

  add(value: string, by: number): void {
    const known = this.#values.get(value);
    if (known !== undefined) this.#values.set(value, known + by);
    else if (this.#values.size < MAX_VALUES) this.#values.set(value, by);
    else this.#values.set(OTHER, (this.#values.get(OTHER) ?? 0) + by);
  }

  [Symbol.iterator](): MapIterator<[string, number]> {
    return this.#values.entries();
  }
}

/** The attempts of one model at one provider. */
export class AttemptCounts {
  readonly outcomes = new Tally();
  /** Costs by currency. */
  readonly costs = new Tally();
  promptTokens = 0;
  completionTokens = 0;
  cachedTokens = 0;
  cacheWriteTokens = 0;
  reasoningTokens = 0;
  readonly wholeSeconds = new Histogram(WHOLE);
  readonly firstTokenSeconds = new Histogram(FIRST_TOKEN);
  readonly ownSeconds = new Histogram(OWN);

  /** @param providerKey of {@link MetricLabels.providerKey} */
  constructor(readonly protocol: string, readonly providerKey: number, readonly model: string) {}

  add(start: AttemptStart, end: LogOutcome): void {
    this.outcomes.add(end.outcome, 1);
    this.promptTokens += end.promptTokens;
    this.completionTokens += end.completionTokens;
    this.cachedTokens += end.cachedTokens;
    this.cacheWriteTokens += end.cacheWriteTokens;
    this.reasoningTokens += end.reasoningTokens;
    if (end.cost > 0) this.costs.add(start.currency, end.cost);
    if (start.retry === 0) this.ownSeconds.observe(start.proxyTimeNs / NS_PER_SECOND);
    if (end.status !== "success" || end.firstChunkTimeNs === 0) return;
    this.firstTokenSeconds.observe(end.firstChunkTimeNs / NS_PER_SECOND);
    this.wholeSeconds.observe((end.firstChunkTimeNs + end.chunkTimeNs) / NS_PER_SECOND);
  }
}

/** The requests for one model. */
export interface RequestCounts {
  readonly protocol: string;
  readonly model: string;
  readonly outcomes: Tally;
}

/** All attempts and requests since the start. */
export class TrafficCounts {
  readonly #labels: MetricLabels;
  readonly #attempts = new Map<string, AttemptCounts>();
  readonly #requests = new Map<string, RequestCounts>();

  constructor(labels: MetricLabels) {
    this.#labels = labels;
  }

  /** An attempt has ended. What has no provider was none. */
  attempt(start: AttemptStart, end: LogOutcome): void {
    if (start.providerId === null) return;
    const provider = this.#labels.providerKey(start.providerId);
    // It was deleted while the attempt ran; its series are gone for good.
    if (provider === null) return;
    this.#attemptsOf(start.style, provider, this.#labels.model(start.name)).add(start, end);
  }

  /** A client's request has ended. */
  request(protocol: string, name: string, outcome: string): void {
    const model = this.#labels.model(name);
    const key = `${protocol}\n${model}`;
    let counts = this.#requests.get(key);
    if (counts === undefined) this.#requests.set(key, counts = { protocol, model, outcomes: new Tally() });
    counts.outcomes.add(outcome, 1);
  }

  /** Forgets providers and models that do not exist any more. */
  prune(): void {
    for (const [key, { providerKey, model }] of this.#attempts) {
      const exists = this.#labels.provider(providerKey) !== null && this.#labels.hasModel(model);
      if (!exists) this.#attempts.delete(key);
    }
    for (const [key, { model }] of this.#requests) {
      if (!this.#labels.hasModel(model)) this.#requests.delete(key);
    }
  }

  get attempts(): readonly AttemptCounts[] {
    return [...this.#attempts.values()];
  }

  get requests(): readonly RequestCounts[] {
    return [...this.#requests.values()];
  }

  #attemptsOf(protocol: string, provider: number, model: string): AttemptCounts {
    const key = `${protocol}\n${provider}\n${model}`;
    const known = this.#attempts.get(key);
    if (known !== undefined) return known;
    const isRest = provider === OTHER_ID && model === OTHER;
    if (this.#attempts.size >= MAX_SERIES && !isRest) return this.#attemptsOf(protocol, OTHER_ID, OTHER);
    const counts = new AttemptCounts(protocol, provider, model);
    this.#attempts.set(key, counts);
    return counts;
  }
}
