/**
 * Bodies of the admin API: JSON objects whose members may be named as the fields are documented (`max_retry`) or as
 * rows show them (`MaxRetry`), so that a row can be sent back as it was read.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { Context } from "@hono/hono";
import type { z } from "@hono/zod-openapi";
import { Fault } from "./envelope.ts";
import { nearest } from "./nearest.ts";

/** Largest body taken, in bytes. */
export const BODY_LIMIT_BYTES = 1024 * 1024;

/** Fields of a body by their documented names. */
export type Fields = ReadonlyMap<string, unknown>;

/** What members a body may have. */
export interface FieldNames {
  /** Documented name by spelling without case and underscores. */
  readonly known: ReadonlyMap<string, string>;
  /** Spellings that are taken and not used. */
  readonly ignored: ReadonlySet<string>;
}

/** Members of every row that no caller sets. */
const ROW_MEMBERS = ["ID", "CreatedAt", "UpdatedAt", "DeletedAt"];

/**
 * The members that a schema takes.
 *
 * @param aliases Other spellings, with the documented name that they stand for.
 * @param readOnly Members of the row, beside its id and times, that are ignored when they are sent back.
 */
export function fieldNames(
  schema: z.ZodObject,
  aliases: Readonly<Record<string, string>> = {},
  readOnly: readonly string[] = [],
): FieldNames {
  const own = Object.keys(schema.shape).map((name) => [spelling(name), name] as const);
  const others = Object.entries(aliases).map(([alias, name]) => [spelling(alias), name] as const);
  return {
    known: new Map([...own, ...others]),
    ignored: new Set([...ROW_MEMBERS, ...readOnly].map(spelling)),
  };
}

/** Reads the body's fields. @throws {Fault} when it is no JSON object or has an unknown member. */
export async function readFields(c: Context, names: FieldNames): Promise<Fields> {
  const fields = new Map<string, unknown>();
  const exact = new Set<string>();
  for (const [member, value] of Object.entries(await readObject(c))) {
    if (names.ignored.has(spelling(member))) continue;
    const name = names.known.get(spelling(member));
    if (name === undefined) throw new Fault(400, unknownField(member, names));
    // Where both namings are sent, the documented one wins (DESIGN.md, section 14b).
    if (exact.has(name)) continue;
    if (member === name) exact.add(name);
    fields.set(name, value);
  }
  return fields;
}

/** The fields of a row from a file: members that nothing here knows are passed over. */
export function rowFields(row: object, names: FieldNames): Fields {
  const fields = new Map<string, unknown>();
  for (const [member, value] of Object.entries(row)) {
    const name = names.known.get(spelling(member));
    if (name !== undefined && !names.ignored.has(spelling(member))) fields.set(name, value);
  }
  return fields;
}

/** The fields that differ from the row as a read shows it. Masks and odd values of old rows thus come back unharmed. */
export function changedFields(
  fields: Fields,
  shown: Readonly<Record<string, unknown>>,
  names: FieldNames,
): Fields {
  const current = new Map<string, unknown>();
  for (const [member, value] of Object.entries(shown)) {
    const name = names.known.get(spelling(member));
    if (name !== undefined) current.set(name, value);
  }
  const differs = ([name, value]: [string, unknown]) =>
    !current.has(name) || !isDeepStrictEqual(current.get(name), value);
  return new Map(Array.from(fields).filter(differs));
}

/** Validates fields. @throws {Fault} that names the first field that is wrong. */
export function validFields<Schema extends z.ZodType>(schema: Schema, fields: Fields): z.output<Schema> {
  const result = schema.safeParse(Object.fromEntries(fields));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join(".") ?? "";
  throw new Fault(
    400,
    `Invalid request body: ${where} ${issue?.message ?? "is invalid"}`.replace(/ {2,}/, " "),
  );
}

/** Reads the body as JSON, whatever it is. @throws {Fault} */
export async function readJson(c: Context): Promise<unknown> {
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") {
    throw new Fault(415, "Invalid request body: content-encoding is not supported here; send plain JSON");
  }
  return parse(decode(await c.req.arrayBuffer()), c.req.header("content-type"));
}

/** Reads the body as a JSON object, whatever its members. @throws {Fault} */
export async function readObject(c: Context): Promise<object> {
  const value = await readJson(c);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Fault(400, "Invalid request body: it must be a JSON object");
  }
  return value;
}

function decode(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Fault(400, "Invalid request body: it is not UTF-8");
  }
}

function parse(text: string, contentType: string | undefined): unknown {
  if (text.trim() === "") throw new Fault(400, "Invalid request body: it is empty; send a JSON object");
  try {
    return JSON.parse(text, exactNumber);
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof RangeError) throw new Fault(400, "Invalid request body: it is nested too deep");
    const sent = contentType === undefined || /\bjson\b/i.test(contentType)
      ? ""
      : " (its content-type is not JSON either)";
    throw new Fault(400, `Invalid request body: it is not valid JSON${sent}`);
  }
}

/** Refuses numbers that would come out of the database as others than were sent. */
function exactNumber(_name: string, value: unknown, ...[context]: { readonly source?: string }[]): unknown {
  if (typeof value !== "number") return value;
  const inexact = /^-?\d+$/.test(context?.source ?? "") && !Number.isSafeInteger(value);
  if (inexact || !Number.isFinite(value)) {
    throw new Fault(
      400,
      "Invalid request body: a number in it is too large to be kept exactly; send it as a string",
    );
  }
  return value;
}

function unknownField(member: string, names: FieldNames): string {
  const known = new Set(names.known.values());
  const guess = nearest(member, known) ?? nearest(spelling(member), names.known.keys());
  const meant = guess === null ? null : names.known.get(spelling(guess)) ?? guess;
  const hint = meant === null ? `known fields are ${[...known].join(", ")}` : `did you mean "${meant}"?`;
  return `Invalid request body: unknown field "${member.slice(0, 100)}"; ${hint}`;
}

/** llmio's clients match names without regard to case; rows and bodies differ by underscores only. */
function spelling(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}
