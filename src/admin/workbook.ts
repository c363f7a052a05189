/** Workbooks (.xlsx) of providers, models and associations: their sheets, the template, and how they are read. @module */
import { readXlsx, writeXlsx } from "hucre/xlsx";
import { unpackedSize } from "./zip_size.ts";

/** The sheets with their columns, in their order. The columns count by their place, not by their heading. */
export const SHEETS = {
  Providers: ["name", "type", "config", "console"],
  Models: ["name", "remark", "max_retry", "timeout"],
  Associations: [
    "model_name",
    "provider_name",
    "provider_model",
    "tool_call",
    "structured_output",
    "image",
    "weight",
  ],
} as const;

/** A sheet's name. */
export type SheetName = keyof typeof SHEETS;

/** A row that holds something, cells trimmed. */
export interface SheetRow {
  /** Its number in the sheet, as spreadsheet programs show it. */
  readonly number: number;
  /** By column; an empty cell is missing. */
  readonly cells: ReadonlyMap<string, string>;
}

/** What a workbook holds; `null` = it has no such sheet. */
export type Workbook = Readonly<Record<SheetName, readonly SheetRow[] | null>>;

/** Rows of one sheet that are read, its heading included. */
export const MAX_ROWS = 5_000;
/** What a workbook may take unpacked, in bytes. */
const MAX_UNPACKED_BYTES = 32 * 1024 * 1024;
/** A cell cannot hold more in any spreadsheet program. */
const MAX_CELL = 32_767;

/** A file that cannot be read as a workbook. The message is for whoever sent it. */
export class UnreadableWorkbook extends Error {
  override readonly name = "UnreadableWorkbook";
}

/** Reads a workbook. Of a formula the value counts that the file holds for it; nothing is computed. @throws {UnreadableWorkbook} */
export async function readWorkbook(bytes: Uint8Array<ArrayBuffer>): Promise<Workbook> {
  const size = unpackedSize(bytes);
  if (size === null) throw new UnreadableWorkbook("the file is no .xlsx workbook");
  if (size > MAX_UNPACKED_BYTES) {
    throw new UnreadableWorkbook(
      `the workbook is larger than ${MAX_UNPACKED_BYTES / 1024 / 1024} MiB unpacked`,
    );
  }
  const names = Object.keys(SHEETS) as SheetName[];
  const sheets = await sheetsOf(bytes, names);
  const read = names.map((name) => [name, rowsOf(sheets.get(name), SHEETS[name], name)] as const);
  return Object.fromEntries(read) as Record<SheetName, readonly SheetRow[] | null>;
}

async function sheetsOf(
  bytes: Uint8Array<ArrayBuffer>,
  names: readonly string[],
): Promise<Map<string, readonly (readonly unknown[])[]>> {
  // Of two sheets of one name the first counts; a book could name one sheet a thousand times.
  const wanted = new Set(names);
  try {
    const { sheets } = await readXlsx(bytes, {
      // One row more than are taken, to see that there are too many.
      range: `A1:J${MAX_ROWS + 1}`,
      sheets: (info) => wanted.delete(info.name),
    });
    return new Map(sheets.map(({ name, rows }) => [name, rows]));
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : String(error);
    throw new UnreadableWorkbook(`the workbook cannot be read: ${reason}`);
  }
}

function rowsOf(
  rows: readonly (readonly unknown[])[] | undefined,
  columns: readonly string[],
  sheet: string,
): SheetRow[] | null {
  if (rows === undefined) return null;
  if (rows.length > MAX_ROWS) throw new UnreadableWorkbook(`sheet ${sheet} has more than ${MAX_ROWS} rows`);
  return rows.flatMap((row, index) => {
    const cells = columns.map((column, place) => [column, cellText(row[place])] as const)
      .filter(([, text]) => text !== "");
    return index === 0 || cells.length === 0 ? [] : [{ number: index + 1, cells: new Map(cells) }];
  });
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return (value instanceof Date ? value.toISOString() : String(value)).trim().slice(0, MAX_CELL + 1);
}

/** Example rows of the template. */
const SAMPLES: Readonly<Record<SheetName, readonly (readonly (string | number | boolean)[])[]>> = {
  Providers: [
    [
      "OpenAI",
      "openai",
      '{"base_url":"https://api.openai.com/v1","api_key":"YOUR_API_KEY"}',
      "https://platform.openai.com",
    ],
    [
      "Anthropic",
      "anthropic",
      '{"base_url":"https://api.anthropic.com/v1","api_key":"YOUR_API_KEY","version":"2023-06-01"}',
      "https://platform.claude.com",
    ],
  ],
  Models: [["gpt-5", "answers fast", 10, 60], ["claude-sonnet", "", 10, 120]],
  Associations: [
    ["gpt-5", "OpenAI", "gpt-5", true, true, true, 1],
    ["claude-sonnet", "Anthropic", "claude-sonnet-4-5", true, false, true, 1],
  ],
};

/** The template: the sheets with their headings and, if asked for, two example rows each. */
export function templateWorkbook(withSamples: boolean): Promise<Uint8Array> {
  return writeXlsx({
    sheets: (Object.keys(SHEETS) as SheetName[]).map((name) => ({
      name,
      columns: SHEETS[name].map((column) => ({ width: column === "config" ? 60 : 20 })),
      rows: [[...SHEETS[name]], ...(withSamples ? SAMPLES[name].map((row) => [...row]) : [])],
    })),
  });
}
