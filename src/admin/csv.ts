/**
 * CSV as RFC 4180 writes it, but with the line feeds that the fork's exports end their lines with; every program reads
 * both.
 *
 * @module
 */

/** Tells spreadsheet programs that the text is UTF-8. Others take it for a part of the first column's name. */
export const BYTE_ORDER_MARK = "\uFEFF";

/**
 * Spreadsheet programs run a cell as a formula that begins with one of these (https://owasp.org/www-community/attacks/CSV_Injection);
 * the last four are the wide forms that some of them take as well.
 */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;

/** A text, a number, or a number that is written with digits of its own choice. */
export type Cell = string | number | { readonly number: string };

/** One line. Texts are kept from being run as formulas; numbers stay numbers. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(written).join(",")}\n`;
}

function written(cell: Cell): string {
  if (typeof cell === "string") return quoted(harmless(cell));
  return typeof cell === "number" ? String(cell) : cell.number;
}

/** A leading apostrophe makes a cell plain text; spreadsheet programs do not show it. */
function harmless(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
