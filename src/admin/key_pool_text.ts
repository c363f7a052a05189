/**
 * Edits of the key pool inside a provider's `config` text. Everything else of the text stays as it was typed.
 *
 * A provider has one key as `api_key`, several as `api_keys`, or both; the pool is `api_key` first, then `api_keys`,
 * each secret once. A single plain key stands in `api_key`, where older programs look for it.
 *
 * @module
 */
import {
  appendMembers,
  applyEdits,
  type JsonNode,
  type JsonObjectNode,
  parseJsonObject,
  type TextEdit,
} from "../access/json_text.ts";

/** A key as it is written into a pool. */
export interface PoolEntry {
  readonly key: string;
  /** `""` = none. */
  readonly name: string;
  readonly weight: number;
  readonly enabled: boolean;
}

/** What is changed of a key; what is left out stays. */
export type PoolEntryChange = Partial<Pick<PoolEntry, "name" | "weight" | "enabled">>;

type JsonArrayNode = Extract<JsonNode, { kind: "array" }>;
type Span = Pick<JsonNode, "start" | "end">;

/** The text with one key more, at the end of the pool. */
export function addKey(text: string, entry: PoolEntry): string {
  const object = objectOf(text);
  const pool = poolOf(object);
  const isFirst = textOf(last(object, "api_key")) === "" && (pool?.items.length ?? 0) === 0;
  if (isFirst && isPlain(entry)) return setMember(text, "api_key", JSON.stringify(entry.key));
  return insertEntry(text, entry, "end");
}

/** The text with another name, weight or switch of a key that is in the pool. */
export function changeKey(text: string, entry: PoolEntry, change: PoolEntryChange): string {
  const object = objectOf(text);
  const changed = { ...entry, ...change };
  if (textOf(last(object, "api_key")) === entry.key) {
    if (isPlain(changed)) return text;
    // `api_key` has room for the secret alone.
    return insertEntry(removeKey(text, entry.key), changed, "start");
  }
  const item = poolOf(object)?.items.find((each) => secretOf(each) === entry.key);
  if (item === undefined) return text;
  if (item.kind !== "object") return replace(text, item, entryJson(changed));
  let own = text.slice(item.start, item.end);
  if (change.name !== undefined) own = setMember(own, "name", JSON.stringify(change.name));
  if (change.weight !== undefined) own = setMember(own, "weight", String(change.weight));
  if (change.enabled !== undefined) own = setMember(own, "enabled", String(change.enabled));
  return replace(text, item, own);
}

/** The text without the key with this secret, wherever it stands. */
export function removeKey(text: string, secret: string): string {
  const isSingle = textOf(last(objectOf(text), "api_key")) === secret;
  return dropFromArray(isSingle ? dropMembers(text, "api_key") : text, secret);
}

function insertEntry(text: string, entry: PoolEntry, where: "start" | "end"): string {
  const object = objectOf(text);
  const pool = poolOf(object);
  const json = entryJson(entry);
  if (pool === null) return setMember(text, "api_keys", `[${json}]`);
  const comma = pool.items.length > 0 ? "," : "";
  const end = pool.items.at(-1)?.end ?? pool.start + 1;
  const at = where === "start" ? pool.start + 1 : end;
  return replace(text, { start: at, end: at }, where === "start" ? json + comma : comma + json);
}

/** A plain key as text, as people write it; else an object with what it has. */
function entryJson(entry: PoolEntry): string {
  if (isPlain(entry)) return JSON.stringify(entry.key);
  const { key, name, weight, enabled } = entry;
  return JSON.stringify({
    key,
    ...(name === "" ? {} : { name }),
    ...(weight === 1 ? {} : { weight }),
    ...(enabled ? {} : { enabled }),
  });
}

function isPlain({ name, weight, enabled }: PoolEntry): boolean {
  return name === "" && weight === 1 && enabled;
}

/** Removes the items that hold the secret. */
function dropFromArray(text: string, secret: string): string {
  const pool = poolOf(objectOf(text));
  if (pool === null) return text;
  const isGone = pool.items.map((item) => secretOf(item) === secret);
  return applyEdits(text, removals(pool.items, isGone, { start: pool.start + 1, end: pool.end - 1 }));
}

/** Removes every member of this name: a hidden one must not come forward. */
function dropMembers(text: string, name: string): string {
  const object = objectOf(text);
  let from = object.start + 1;
  const spans = object.members.map(({ value }): Span => {
    const start = text.indexOf('"', from);
    from = value.end;
    return { start, end: value.end };
  });
  const isGone = object.members.map((member) => member.name === name);
  return applyEdits(text, removals(spans, isGone, { start: object.start + 1, end: object.end - 1 }));
}

/** The edits that remove some of the parts of a list, each with the comma that belongs to it. */
function removals(parts: readonly Span[], isGone: readonly boolean[], inside: Span): TextEdit[] {
  const firstKept = isGone.indexOf(false);
  if (firstKept < 0) return parts.length === 0 ? [] : [{ ...inside, text: "" }];
  const edits: TextEdit[] = [];
  for (const [index, { start, end }] of parts.entries()) {
    if (!isGone[index]) continue;
    const before = parts[index - 1];
    const after = parts[index + 1];
    if (index > firstKept && before !== undefined) edits.push({ start: before.end, end, text: "" });
    else if (after !== undefined) edits.push({ start, end: after.start, text: "" });
  }
  return edits;
}

/** Gives every member of this name this JSON, or adds one. */
function setMember(text: string, name: string, json: string): string {
  const object = objectOf(text);
  const edits = object.members.filter((member) => member.name === name)
    .map(({ value }): TextEdit => ({ start: value.start, end: value.end, text: json }));
  return applyEdits(text, edits.length > 0 ? edits : [appendMembers(object, [{ name, json }])]);
}

function replace(text: string, { start, end }: Span, by: string): string {
  return applyEdits(text, [{ start, end, text: by }]);
}

/** The list of keys that counts; `null` when there is none. */
function poolOf(object: JsonObjectNode): JsonArrayNode | null {
  const node = last(object, "api_keys");
  return node?.kind === "array" ? node : null;
}

function secretOf(item: JsonNode): string {
  return textOf(item.kind === "object" ? last(item, "key") : item);
}

function textOf(node: JsonNode | undefined): string {
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value.trim() : "";
}

/** Of members with the same name the last one counts. */
function last(object: JsonObjectNode, name: string): JsonNode | undefined {
  return object.members.findLast((member) => member.name === name)?.value;
}

function objectOf(text: string): JsonObjectNode {
  const object = parseJsonObject(text);
  if (object === null) throw new Error("the config is not a JSON object");
  return object;
}
