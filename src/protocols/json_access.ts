/** Lenient reading of untyped JSON: a value of another type is as good as a missing one. @module */

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** The value, if it is an object and no array. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : null;
}

/** The value, if it is an array; else an empty one. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value, if it is a string; else `""`. */
export function asString(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A count of tokens: a finite number ≥ 0; else `null`. */
export function asCount(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.trunc(value) : null;
}

/** A scalar as text; objects, arrays, null and missing values are `""`. */
export function scalarText(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
