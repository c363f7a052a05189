/**
 * Column values as the programs read them. NULL is the zero value, unless the column is one where NULL means
 * something. Old files hold whatever scripts put there, so nothing here ever throws: one odd value must not
 * break a list.
 *
 * @module
 */
import { toRfc3339, ZERO_TIME } from "./time.ts";

/** What SQLite can give back for one column. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** One row, by column name. */
export type SqlRow = Record<string, SqlValue>;

/** Text; `""` for NULL. */
export function text(value: SqlValue | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}

/** A number, or `null` for NULL and for what is no number. */
export function realOrNull(value: SqlValue | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" && value.trim() === "") return null;
  if (value instanceof Uint8Array) return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A number; 0 for NULL and for what is no number. */
export function real(value: SqlValue | undefined): number {
  return realOrNull(value) ?? 0;
}

/** A whole number, or `null` for NULL and for what is no number. */
export function integerOrNull(value: SqlValue | undefined): number | null {
  const number = realOrNull(value);
  return number === null ? null : Math.trunc(number);
}

/** A whole number; 0 for NULL and for what is no number. */
export function integer(value: SqlValue | undefined): number {
  return integerOrNull(value) ?? 0;
}

/** A truth value where NULL means something of its own. */
export function flagOrNull(value: SqlValue | undefined): boolean | null {
  // A script's 'true' stays text in a numeric column.
  if (typeof value === "string" && /^(true|false)$/i.test(value)) return value.toLowerCase() === "true";
  const number = realOrNull(value);
  return number === null ? null : number !== 0;
}

/** A truth value; false for NULL. */
export function flag(value: SqlValue | undefined): boolean {
  return flagOrNull(value) ?? false;
}

/** A time as RFC 3339; the zero time for NULL and for what is no time. */
export function time(value: SqlValue | undefined): string {
  return toRfc3339(text(value)) ?? ZERO_TIME;
}

/** A JSON object, or `null` for NULL and for anything else. */
export function jsonObject(value: SqlValue | undefined): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text(value));
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? parsed as Record<string, unknown>
      : null;
  } catch {
    return null;
  }
}

/** A JSON list, or `null` for NULL and for anything else. */
export function jsonList(value: SqlValue | undefined): unknown[] | null {
  try {
    const parsed: unknown = JSON.parse(text(value));
    return Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/** A JSON object of strings. Scalars become strings, other members are left out; `null` as for `jsonObject`. */
export function jsonStrings(value: SqlValue | undefined): Record<string, string> | null {
  const object = jsonObject(value);
  if (object === null) return null;
  const scalars = Object.entries(object)
    .filter(([, member]) => ["string", "number", "boolean"].includes(typeof member));
  return Object.fromEntries(scalars.map(([name, member]) => [name, String(member)]));
}

/** For a truth value that goes into a column: booleans cannot be bound. */
export function bit(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

/** For a number that goes into an integer column: the old programs cannot read a fraction there. */
export function whole(value: number): number {
  return Number.isFinite(value) ? Math.round(value) : 0;
}

/** For a number that goes into a real column. */
export function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
