/**
 * Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * `prom-client` would write it too, but importing that costs 50 to 110 ms of a start that has 150 in all, and under the
 * gateway's permissions its process metrics read 0 and `Nan`, which is no number of this format.
 *
 * @module
 */
import type { Histogram } from "./histogram.ts";

/** Media type of the format. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Labels of a sample, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** What a metric is. */
export type MetricType = "counter" | "gauge" | "histogram";

/** Writes one answer to a scrape: each metric's head, then its samples. */
export class Exposition {
  #text = "";

  /** Begins a metric. Its samples follow before the next one begins. */
  metric(name: string, type: MetricType, help: string): void {
    this.#text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  }

  sample(name: string, labels: Labels, value: number): void {
    this.#write(name, labelText(labels), value);
  }

  /** A metric without labels, whole. */
  single(name: string, type: MetricType, help: string, value: number): void {
    this.metric(name, type, help);
    this.#write(name, "", value);
  }

  /** All samples of one histogram. */
  histogram(name: string, labels: Labels, histogram: Histogram): void {
    const own = labelText(labels);
    const before = own === "" ? "" : `${own},`;
    for (const [bound, count] of histogram.cumulative()) {
      this.#write(`${name}_bucket`, `${before}le="${bound}"`, count);
    }
    this.#write(`${name}_bucket`, `${before}le="+Inf"`, histogram.count);
    this.#write(`${name}_sum`, own, histogram.sum);
    this.#write(`${name}_count`, own, histogram.count);
  }

  toString(): string {
    return this.#text;
  }

  #write(name: string, labels: string, value: number): void {
    this.#text += labels === "" ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
