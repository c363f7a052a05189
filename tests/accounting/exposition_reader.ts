/**
 * A strict reader of Prometheus' text format, version 0.0.4: it throws on whatever a scraper might stumble over.
 *
 * @module
 */

/** One metric of a scrape. */
export interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Values by name and labels, as they were written: `llmio_x_total{a="b"}`. */
  readonly samples: Map<string, number>;
}

/** What was scraped. */
export class Scrape {
  constructor(readonly metrics: ReadonlyMap<string, Metric>) {}

  /** The samples of a metric; fails when it is not there. */
  samples(name: string): Record<string, number> {
    const metric = this.metrics.get(name);
    if (metric === undefined) throw new Error(`there is no metric ${name}`);
    return Object.fromEntries(metric.samples);
  }

  /** The value of a metric without labels. */
  value(name: string): number {
    const value = this.samples(name)[name];
    if (value === undefined) throw new Error(`${name} has no sample without labels`);
    return value;
  }
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`;
const HEAD = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`);
const SAMPLE = new RegExp(String.raw`^(${NAME})(\{${LABEL}(?:,${LABEL})*\})? (\S+)$`);
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
const TYPES = ["counter", "gauge", "histogram"];

/** Reads a scrape. */
export function readExposition(text: string): Scrape {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const metrics = new Map<string, Metric>();
  let current: Metric | null = null;
  let help: { name: string; text: string } | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, kind, name = "", rest = ""] = head;
      if (kind === "HELP") help = { name, text: rest };
      else {
        if (metrics.has(name)) throw new Error(`${name} is there twice`);
        if (help?.name !== name) throw new Error(`${name} has no help`);
        if (!TYPES.includes(rest)) throw new Error(`${name} has the type ${rest}`);
        current = { name, type: rest, help: help.text, samples: new Map() };
        metrics.set(name, current);
      }
    } else readSample(line, current);
  }
  for (const metric of metrics.values()) if (metric.type === "histogram") checkHistogram(metric);
  return new Scrape(metrics);
}

function readSample(line: string, metric: Metric | null): void {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (name === "" || !NUMBER.test(value)) throw new Error(`no sample: ${line}`);
  if (metric === null || !isOf(name, metric)) throw new Error(`${name} stands under ${metric?.name}`);
  const names = Array.from(labels.matchAll(/[{,]([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"/g), ([, label]) => label);
  if (new Set(names).size !== names.length) throw new Error(`a label is there twice: ${line}`);
  const series = `${name}${labels}`;
  if (metric.samples.has(series)) throw new Error(`${series} is there twice`);
  const number = value.endsWith("Inf") ? (value.startsWith("-") ? -Infinity : Infinity) : Number(value);
  if (metric.type !== "gauge" && !(number >= 0)) throw new Error(`${series} counts ${value}`);
  metric.samples.set(series, number);
}

function isOf(sample: string, { name, type }: Metric): boolean {
  if (type === "counter" && !name.endsWith("_total")) {
    throw new Error(`the counter ${name} is named otherwise`);
  }
  if (type !== "histogram") return sample === name;
  return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample);
}

/** Buckets rise, the last one is `+Inf`, and it is the count. */
function checkHistogram({ name, samples }: Metric): void {
  const buckets = new Map<string, [bound: number, count: number][]>();
  for (const [series, count] of samples) {
    if (!series.startsWith(`${name}_bucket`)) continue;
    const [, before = "", bound = ""] = /\{(.*?),?le="([^"]*)"\}$/.exec(series) ?? [];
    const labels = before === "" ? "" : `{${before}}`;
    const all = buckets.get(labels) ?? [];
    buckets.set(labels, all);
    all.push([bound === "+Inf" ? Infinity : Number(bound), count]);
  }
  for (const [labels, all] of buckets) {
    const rises = all.every(([bound, count], i) => {
      const [lower, fewer] = all[i - 1] ?? [-Infinity, 0];
      return bound > lower && count >= fewer;
    });
    const [last, total] = all.at(-1) ?? [];
    if (!rises || last !== Infinity || total !== samples.get(`${name}_count${labels}`)) {
      throw new Error(`the buckets of ${name}${labels} do not rise to its count`);
    }
    if (!samples.has(`${name}_sum${labels}`)) throw new Error(`${name}${labels} has no sum`);
  }
}
