/**
 * The log: structured records to standard error, as text for people or as one JSON object a line for machines.
 *
 * Code that logs asks `getLogger(["llmio", …])` of LogTape and knows nothing of this file; only the command that
 * runs calls {@linkcode startLog}. Writing never blocks a request and never throws: records are buffered, and a
 * standard error that cannot keep up, or is gone, costs records. Whatever is written is without secrets, at every level
 * (`access/scrub.ts`).
 *
 * @module
 */
import {
  configure,
  dispose,
  type FormattedValues,
  getLogger,
  getStreamSink,
  getTextFormatter,
  jsonLinesFormatter,
  type LogRecord,
  type Sink,
  type TextFormatter,
} from "@logtape/logtape";
import { withoutSecrets } from "./access/scrub.ts";
import { membersWithoutSecrets, valueWithoutSecrets } from "./access/scrub_values.ts";
import type { LogFormat, LogLevel } from "./settings.ts";

/** Options of {@linkcode startLog}. */
export interface LogOptions {
  /** The least severe level that is written. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Where lines go. @default standard error */
  readonly stream?: WritableStream<Uint8Array>;
  /** Whether the level of a text line is coloured. @default on a terminal, unless `NO_COLOR` is set */
  readonly colors?: boolean;
}

/** Records that may wait for a slow standard error before the oldest are dropped. */
const BUFFERED_RECORDS = 2_000;
const FLUSH_INTERVAL_MS = 100;
/** How long the end of the program waits for a standard error that does not take the last lines. */
const LAST_FLUSH_MS = 1_000;

/** Starts logging for the whole process. Dispose of the result to write what is still buffered. */
export async function startLog(options: LogOptions): Promise<AsyncDisposable> {
  const colors = options.colors ?? (Deno.stderr.isTerminal() && !Deno.noColor);
  const stderr = getStreamSink(options.stream ?? Deno.stderr.writable, {
    formatter: lineFormatter(options.format, colors),
    closeStream: false,
    nonBlocking: {
      bufferSize: BUFFERED_RECORDS / 2,
      flushInterval: FLUSH_INTERVAL_MS,
      // Nobody is left to tell when standard error itself fails.
      onError: () => {},
    },
  });
  // An error may be the last thing that the process says, so it does not wait for the next flush.
  const sink: Sink = Object.assign((record: LogRecord) => {
    stderr(record);
    if (record.level === "error" || record.level === "fatal") stderr.drain?.().catch(() => {});
  }, { [Symbol.asyncDispose]: () => stderr[Symbol.asyncDispose]() });
  await configure({
    reset: true,
    sinks: { stderr: sink },
    loggers: [
      { category: ["llmio"], lowestLevel: options.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
  return { [Symbol.asyncDispose]: stopLog };
}

/** How a record becomes a line, without secrets. A record that nobody writes costs nothing. */
export function lineFormatter(format: LogFormat, colors: boolean): TextFormatter {
  const write = format === "json" ? jsonLinesFormatter : textFormatter(colors);
  return (record) => write(scrubbed(record));
}

/** The record without secrets in its message and its properties. */
function scrubbed(record: LogRecord): LogRecord {
  const { rawMessage, message, properties } = record;
  return {
    ...record,
    message: message.map(valueWithoutSecrets),
    rawMessage: typeof rawMessage === "string" ? withoutSecrets(rawMessage) : rawMessage,
    properties: membersWithoutSecrets(properties),
  };
}

/** A logger for one room, such as `logOf("gateway")`. */
export function logOf(...room: readonly string[]): ReturnType<typeof getLogger> {
  return getLogger(["llmio", ...room]);
}

async function stopLog(): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const enough = new Promise<void>((resolve) => timer = setTimeout(resolve, LAST_FLUSH_MS));
  await Promise.race([dispose().catch(() => {}), enough]);
  clearTimeout(timer);
}

/** `2026-01-31T08:00:00.000Z info    gateway: A message key=value`. */
function textFormatter(colors: boolean): TextFormatter {
  return getTextFormatter({
    timestamp: (time) => new Date(time).toISOString(),
    level: "full",
    category: (category) => category.slice(1).join(".") || category.join("."),
    value: "bare",
    sanitize: { sgr: "escape", newlines: "escape" },
    format: (values) => textLine(values, colors),
  });
}

const LEVEL_COLORS: Readonly<Record<string, string>> = { debug: "2", info: "32", warning: "33", error: "31" };

function textLine({ timestamp, level, category, message, record }: FormattedValues, colors: boolean): string {
  const padded = level.padEnd("warning".length);
  const shown = colors ? `\x1b[${LEVEL_COLORS[level] ?? "31"}m${padded}\x1b[0m` : padded;
  const extra = Object.entries(record.properties)
    .filter(([key]) => !isInMessage(record, key))
    .map(([key, value]) => ` ${key}=${textOf(value)}`);
  // An error or an object within the message is printed over several lines.
  const oneLine = message.replaceAll(/\r?\n/g, "\\n");
  return `${timestamp} ${shown} ${category}: ${oneLine}${extra.join("")}`;
}

/** Whether the message already shows this property. */
function isInMessage(record: LogRecord, key: string): boolean {
  return typeof record.rawMessage === "string" && record.rawMessage.includes(`{${key}}`);
}

/** A property as one word, or as JSON when it is not one. JSON escapes whatever could forge a line. */
function textOf(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (value instanceof Error) return JSON.stringify(value.stack ?? String(value));
  if (typeof value === "bigint") return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return JSON.stringify(Deno.inspect(value, { colors: false }));
  }
}
