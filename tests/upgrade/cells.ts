/** Every value of a database file, to the byte. @module */
import { sql } from "../store/fixtures.ts";

/** Values of a row by column, as type and bytes: `text:6f6b`. */
export type Cells = Record<string, string>;

/** Rows of a file by table and id. */
export type FileCells = Map<string, Map<number, Cells>>;

/** How a value is shown that is not there. */
export const NULL = "null:";

/** Reads all tables that have an id, whole. What they hold need not be UTF-8 nor fit its column. */
export function cellsOf(path: string): FileCells {
  return sql(path, (database) => {
    const tables = database.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_master.name) WHERE name = 'id')`,
    ).all().map(({ name }) => String(name));
    return new Map(tables.map((table) => {
      const columns = database.prepare("SELECT name FROM pragma_table_info(?)").all(table)
        .map(({ name }) => String(name));
      const values = columns.map((column) => `typeof("${column}") || ':' || hex("${column}") AS "${column}"`);
      const rows = database.prepare(`SELECT id AS number, ${values.join(", ")} FROM "${table}" ORDER BY 1`)
        .all();
      return [table, new Map(rows.map(({ number, ...row }) => [Number(number), row as Cells]))];
    }));
  });
}

/** How a whole number is shown. */
export function numberCell(value: number): string {
  return `integer:${hexOf(new TextEncoder().encode(String(value)))}`;
}

/** The text of a cell; `""` for NULL. */
export function textOf(cell: string | undefined): string {
  const hex = cell?.split(":")[1] ?? "";
  const bytes = hex.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
}
