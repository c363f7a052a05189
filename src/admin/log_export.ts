/** The request log as a file: CSV as the fork writes it, or a JSON object a line. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { getLogger } from "@logtape/logtape";
import { withoutSecrets } from "../access/scrub.ts";
import { Days } from "../accounting/days.ts";
import type { LogFilter, LogRow } from "../store/logs.ts";
import type { Store } from "../store/store.ts";
import type { AdminContext } from "./context.ts";
import { BYTE_ORDER_MARK, type Cell, csvLine } from "./csv.ts";
import { logFilter, logFilterQuery } from "./log_query.ts";
import { logRow } from "./log_row.ts";
import { textQuery } from "./query.ts";
import { route } from "./route.ts";

/** How far back an export goes when nobody says, as in the fork. */
const DEFAULT_DAYS = 7;
/** Rows that are in memory at a time, and that the serving thread writes in one go: some milliseconds of work. */
const SLICE = 250;

const exportQuery = z.object({
  ...logFilterQuery,
  days: z.string().optional()
    .transform((text) => /^[1-9]\d{0,4}$/.test(text ?? "") ? Number(text) : DEFAULT_DAYS)
    .openapi({
      type: "integer",
      default: DEFAULT_DAYS,
      description:
        "Only requests of so many days until now; from or to take its place. Bad values count as 7.",
    }),
  format: z.enum(["csv", "jsonl"], "invalid format parameter (csv or jsonl)").default("csv"),
  bom: z.enum(["0", "1"], "invalid bom parameter (0 or 1)").default("0").openapi({
    description: "1 = begin a CSV with a byte-order mark, by which spreadsheet programs know UTF-8.",
  }),
  limit: textQuery("At most so many rows, the newest. Without it there is no limit.")
    .refine(
      (text) => text === undefined || /^[1-9]\d{0,11}$/.test(text),
      "invalid limit parameter (1 or more)",
    )
    .transform((text) => text === undefined ? Infinity : Number(text))
    .openapi({ type: "integer", minimum: 1 }),
});

/** Registers the route. */
export function logExportRoutes(app: OpenAPIHono, { store, timeZone, now }: AdminContext): void {
  const days = new Days(timeZone);
  route(app, {
    method: "get",
    path: "/logs/export",
    tag: "logs",
    summary:
      "The request log as a file, newest first; cells that a spreadsheet could run begin with an apostrophe",
    query: exportQuery,
    media: ["text/csv", "application/x-ndjson"],
  }, (c, query) => {
    const fromMs = query.from ?? (query.to === undefined ? days.daysBefore(now(), query.days) : undefined);
    const filter = { ...logFilter(query), ...(fromMs === undefined ? {} : { fromMs }) };
    const head = query.format === "csv" ? (query.bom === "1" ? BYTE_ORDER_MARK : "") + csvLine(HEADER) : "";
    const content = {
      logs: store.logs,
      filter,
      limit: query.limit,
      head,
      write: writerOf(query.format, days),
    };
    return file(c, ReadableStream.from(lines(content)), {
      name: `llmio_logs_${days.clockOf(now()).replaceAll(/[-:]/g, "").replace(" ", "_")}.${query.format}`,
      type: query.format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson",
    });
  });
}

function file(
  c: Context,
  body: ReadableStream<Uint8Array>,
  { name, type }: { name: string; type: string },
): Response {
  return c.body(body, 200, { "Content-Type": type, "Content-Disposition": `attachment; filename="${name}"` });
}

/**
 * Reads rows slice by slice, each only when the client has taken the one before. Nothing is held in between, no cursor
 * and no transaction, so a client that stops reading, or that is slow, costs nobody anything.
 */
async function* lines({ logs, filter, limit, head, write }: Export): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  if (head !== "") yield encoder.encode(head);
  try {
    // The ids within which the times lie, as of now: rows that come later are not part of the file.
    const span = await logs.span(filter);
    if (span === null) return;
    let beforeId = span.lastId + 1;
    for (let left = limit; left > 0;) {
      const wanted = Math.min(SLICE, left);
      const rows = await logs.slice({ ...filter, sinceId: span.firstId, beforeId }, wanted);
      if (rows.length > 0) yield encoder.encode(write(rows));
      if (rows.length < wanted) return;
      beforeId = rows.at(-1)?.id ?? 0;
      left -= rows.length;
    }
  } catch (error) {
    getLogger(["llmio", "admin"]).warn("An export of the log was cut off: {error}", { error });
    // The client's download breaks off, so it sees that its file is not whole.
    throw error;
  }
}

/** What goes into a file. */
interface Export {
  readonly logs: Pick<Store["logs"], "span" | "slice">;
  readonly filter: LogFilter;
  /** At most so many rows. */
  readonly limit: number;
  /** Text before the first row. */
  readonly head: string;
  readonly write: (rows: readonly LogRow[]) => string;
}

function writerOf(format: "csv" | "jsonl", days: Days): (rows: readonly LogRow[]) => string {
  return format === "csv"
    ? (rows) => rows.map((row) => csvLine(cellsOf(row, days))).join("")
    : (rows) => rows.map((row) => `${JSON.stringify(logRow(row))}\n`).join("");
}

/** The fork's columns. */
const HEADER = [
  "ID",
  "CreatedAt",
  "ModelName",
  "ProviderModel",
  "ProviderName",
  "Status",
  "Style",
  "Error",
  "Retry",
  "ProxyTime(ms)",
  "FirstChunkTime(ms)",
  "ChunkTime(ms)",
  "TPS",
  "PromptTokens",
  "CompletionTokens",
  "TotalTokens",
] as const;

function cellsOf(row: LogRow, days: Days): Cell[] {
  return [
    row.id,
    days.clockOf(Date.parse(row.createdAt)),
    row.name,
    row.providerModel,
    row.providerName,
    row.status,
    row.style,
    withoutSecrets(row.error),
    row.retry,
    wholeMs(row.proxyTimeNs),
    wholeMs(row.firstChunkTimeNs),
    wholeMs(row.chunkTimeNs),
    { number: row.tps.toFixed(2) },
    row.promptTokens,
    row.completionTokens,
    row.totalTokens,
  ];
}

function wholeMs(ns: number): number {
  return Math.trunc(ns / 1_000_000);
}
