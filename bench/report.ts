/**
 * From the figures of the rounds to a table that people read.
 *
 * @module
 */
import type { Result } from "./load_client.ts";

/** Who answers: the upstream itself, the bare proxy, or the gateway. */
export type TargetName = "direct" | "bare" | "gateway";

/** One slice of one round. */
export interface Slice extends Result {
  /** CPU time of the target's process, in microseconds; `null` when it is not known. */
  readonly cpu: number | null;
  /** Resident memory of the target's process after the slice, in MiB. */
  readonly rss: number | null;
}

/** What is measured: how many clients at once ask for what. */
export interface Scenario {
  readonly name: string;
  readonly model: string;
  readonly connections: number;
  readonly counts: "requests" | "events";
}

/** The median of the rounds for one target. Times are in microseconds, memory in MiB. */
export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuPerUnit: number | null;
  readonly rss: number | null;
  readonly errors: number;
  readonly firstError: string | null;
}

export interface Row {
  readonly scenario: Scenario;
  readonly figures: Readonly<Partial<Record<TargetName, Figures>>>;
}

/** The rounds of one target as one set of figures. Streams are timed to their first event, answers to their end. */
export function summarise(scenario: Scenario, slices: readonly Slice[]): Figures {
  const units = (slice: Slice) => scenario.counts === "events" ? slice.events : slice.requests;
  const streams = scenario.counts === "events";
  return {
    perSecond: median(slices.map((slice) => units(slice) / slice.seconds)),
    p50: median(slices.map((slice) => streams ? slice.first50 : slice.p50)),
    p99: median(slices.map((slice) => streams ? slice.first99 : slice.p99)),
    cpuPerUnit: median(slices.map((slice) => slice.cpu === null ? NaN : slice.cpu / units(slice))),
    rss: median(slices.map((slice) => slice.rss ?? NaN)),
    errors: slices.reduce((sum, slice) => sum + slice.errors, 0),
    firstError: slices.find((slice) => slice.firstError !== null)?.firstError ?? null,
  };
}

/** The table: a line for each scenario and target; ratios and added times are against the direct call. */
export function table(rows: readonly Row[]): string {
  const head = [
    "scenario",
    "target",
    "per second",
    "ratio",
    "p50 µs",
    "added",
    "p99 µs",
    "added",
    "CPU µs",
    "RSS MiB",
  ];
  const lines = rows.flatMap(({ scenario, figures }) =>
    (Object.entries(figures) as [TargetName, Figures][]).map(([target, each]) => {
      const base = target === "direct" ? undefined : figures.direct;
      return [
        `${scenario.name}, ${scenario.connections} at once`,
        target,
        `${round(each.perSecond)} ${scenario.counts}`,
        base ? `${(each.perSecond / base.perSecond).toFixed(2)}` : "",
        round(each.p50),
        base ? signed(each.p50 - base.p50) : "",
        round(each.p99),
        base ? signed(each.p99 - base.p99) : "",
        each.cpuPerUnit === null || Number.isNaN(each.cpuPerUnit) ? "" : each.cpuPerUnit.toFixed(1),
        round(each.rss ?? NaN),
      ];
    })
  );
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] ?? "").length))
  );
  const print = (cells: readonly string[]) =>
    cells.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
    )
      .join("  ").trimEnd();
  return [print(head), print(widths.map((width) => "-".repeat(width))), ...lines.map(print)].join("\n");
}

/** What went wrong, a line for each row with errors. */
export function complaints(rows: readonly Row[]): string[] {
  return rows.flatMap(({ scenario, figures }) =>
    Object.entries(figures).filter(([, each]) => each.errors > 0).map(([target, each]) =>
      `${scenario.name}, ${target}: ${each.errors} errors, first: ${each.firstError}`
    )
  );
}

function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? NaN : (low + high) / 2;
}

function round(value: number): string {
  return Number.isNaN(value) ? "" : Math.round(value).toLocaleString("en-US");
}

function signed(value: number): string {
  return Number.isNaN(value) ? "" : `${value < 0 ? "" : "+"}${round(value)}`;
}
