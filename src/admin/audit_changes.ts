/** What differs between a thing before and after a change, without its secrets. @module */
import { isDeepStrictEqual } from "node:util";
import { valueWithoutSecrets } from "../access/scrub_values.ts";
import { mask } from "../access/secrets.ts";
import type { AuditChanges } from "../store/audit.ts";

/** A thing that can be changed, as it stands at a moment. */
export interface AuditedRow {
  /** What names it among its kind. @default the row's id in the path or in the answer */
  readonly id?: string;
  /** Its name for people. */
  readonly name: string;
  /** It as reads show it: secrets masked. */
  readonly shown: object;
  /** The secrets that are shown masked, by the member that shows them. They are compared and never written. */
  readonly secrets?: Readonly<Record<string, readonly string[]>>;
}

type Pair = AuditChanges[string];

/** Members of every row that no caller sets. */
const UNTOLD: ReadonlySet<string> = new Set(["ID", "CreatedAt", "UpdatedAt", "DeletedAt"]);
/** Stands for secrets that differ and look alike. */
const OTHER_SECRET: Pair = ["(secret)", "(changed secret)"];
/** A value is told to so many characters of its JSON text. */
const VALUE_LIMIT = 4_000;

/** The members that differ; `null` in place of a thing = it was not there, or is no more. */
export function changesBetween(before: AuditedRow | null, after: AuditedRow | null): AuditChanges {
  const was = membersOf(before);
  const is = membersOf(after);
  const shown = [...new Set([...was.keys(), ...is.keys()])]
    .filter((name) => !UNTOLD.has(name))
    .map((name): [string, Pair] => [name, [was.get(name) ?? null, is.get(name) ?? null]])
    .filter(([, [one, other]]) => !isDeepStrictEqual(one, other));
  const told = new Set(shown.map(([name]) => name));
  const hidden = secretsThatDiffer(before, after, told)
    .map((name): [string, Pair] => [told.has(name) ? `${name} (secret)` : name, OTHER_SECRET]);
  return Object.fromEntries([
    ...shown.map(([name, [one, other]]) => [name, [written(one), written(other)]]),
    ...hidden,
  ]);
}

/** The things that differ among many: of each, what differs in it before and after. */
export function changesOfMany(
  before: readonly AuditedRow[],
  after: readonly AuditedRow[],
): { readonly changed: readonly AuditedRow[]; readonly changes: AuditChanges } {
  const was = new Map(before.map((row) => [row.id, row]));
  const is = new Map(after.map((row) => [row.id, row]));
  const changed: AuditedRow[] = [];
  const changes: [string, Pair][] = [];
  for (const id of new Set([...was.keys(), ...is.keys()])) {
    const [old = null, current = null] = [was.get(id), is.get(id)];
    const row = current ?? old;
    const members = Object.entries(changesBetween(old, current));
    if (row === null || members.length === 0) continue;
    const side = (which: 0 | 1) => Object.fromEntries(members.map(([name, pair]) => [name, pair[which]]));
    changed.push(row);
    changes.push([`${id ?? ""} ${row.name}`.trim(), [old && side(0), current && side(1)]]);
  }
  return { changed, changes: Object.fromEntries(changes) };
}

function membersOf(row: AuditedRow | null): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(row?.shown ?? {}));
}

/** Members whose secrets are other ones now, where what is shown does not tell it. */
function secretsThatDiffer(
  before: AuditedRow | null,
  after: AuditedRow | null,
  told: ReadonlySet<string>,
): string[] {
  if (before === null || after === null) return [];
  return Object.entries(before.secrets ?? {}).filter(([name, old]) => {
    const current = after.secrets?.[name] ?? [];
    if (isDeepStrictEqual(old, current)) return false;
    return !told.has(name) || isDeepStrictEqual(old.map(mask), current.map(mask));
  }).map(([name]) => name);
}

/** A value as it is kept: a secret in it that no name gives away goes by its looks. */
function written(value: unknown): unknown {
  return shortened(valueWithoutSecrets(value));
}

function shortened(value: unknown): unknown {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined || text.length <= VALUE_LIMIT) return value;
  return `${text.slice(0, VALUE_LIMIT).toWellFormed()}… (${text.length} characters)`;
}
