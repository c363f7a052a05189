/**
 * Secrets inside a provider's `config` text: masked when it is read, put back when it is written.
 *
 * Reads show masks, so what a client sends back holds masks too. The rules of writing (DESIGN.md, section 10):
 * - a mask means the stored secret; one that matches no stored secret is refused, never stored;
 * - a secret member that is left out keeps its stored value, `""` or null removes it;
 * - but a non-empty `api_keys` states the whole pool, so a stored `api_key` that is left out beside it goes.
 *
 * @module
 */
import {
  appendMembers,
  applyEdits,
  type JsonMember,
  type JsonNode,
  type JsonObjectNode,
  parseJsonObject,
  type TextEdit,
} from "./json_text.ts";
import { resolvePool } from "./pool_masks.ts";
import { isMask, isSecretName, MASK, mask, type Merged, unknownMask, type Unmergeable } from "./secrets.ts";
import { maskUrl, mergeUrl, urlSecrets } from "./url_secrets.ts";

/** Shown for a stored config that cannot be read: where its secrets stand is unknown. */
export const UNREADABLE_CONFIG = '{"error":"the stored config is not a JSON object and is not shown"}';

/** A value of the config that a read does not show as it is. */
interface Hidden {
  /** Dotted path from the top, as messages name it. */
  readonly path: string;
  /** Name of its entry in a key pool; `""` = none. */
  readonly entry: string;
  readonly node: Scalar;
  /** Whether the whole value is a secret, not a URL with one inside. */
  readonly whole: boolean;
}

type Scalar = Extract<JsonNode, { kind: "scalar" }>;

/** The text as a read shows it: secrets masked, everything else byte for byte. */
export function maskConfig(text: string): string {
  if (text.trim() === "") return text;
  const object = parseJsonObject(text);
  if (object === null) return UNREADABLE_CONFIG;
  const edits = Array.from(hidden(object), ({ node, whole }): TextEdit => ({
    start: node.start,
    end: node.end,
    text: JSON.stringify(whole ? maskScalar(node) : maskUrl(String(node.value))),
  }));
  return applyEdits(text, edits);
}

/** Every secret of a config, so that a text from outside can be cleaned of them. */
export function configSecrets(text: string): string[] {
  const object = parseJsonObject(text);
  if (object === null) return [];
  return Array.from(hidden(object)).flatMap(({ node, whole }) =>
    whole ? [String(node.value)] : urlSecrets(String(node.value))
  );
}

/** The text to store when `incoming` is written over `stored`. Its own text is kept but for the secrets put back. */
export function mergeConfig(stored: string, incoming: string): Merged {
  if (incoming === maskConfig(stored)) return { ok: true, text: stored };
  const object = parseJsonObject(incoming);
  if (object === null) return { ok: false, reason: "config must be a JSON object, as text" };
  const storedObject = parseJsonObject(stored);
  const known = storedObject === null ? [] : Array.from(hidden(storedObject));
  const edits = restoreMasks(object, known, stored);
  if (!Array.isArray(edits)) return edits;
  const kept = storedObject === null ? [] : leftOut(storedObject, object).map(({ name, value }) => ({
    name,
    json: stored.slice(value.start, value.end),
  }));
  return { ok: true, text: applyEdits(incoming, [...edits, appendMembers(object, kept)]) };
}

function restoreMasks(object: JsonObjectNode, known: Hidden[], stored: string): TextEdit[] | Unmergeable {
  const edits: TextEdit[] = [];
  const put = (node: JsonNode, text: string) => edits.push({ start: node.start, end: node.end, text });
  const poolMasks: Hidden[] = [];
  for (const value of hidden(object)) {
    const typed = String(value.node.value);
    const same = known.findLast(({ path }) => path === value.path);
    if (!value.whole) {
      const merged = mergeUrl(same === undefined ? "" : String(same.node.value), typed, value.path);
      if (!merged.ok) return merged;
      put(value.node, JSON.stringify(merged.text));
    } else if (isMask(typed)) {
      if (inPool(value)) poolMasks.push(value);
      else {
        const match = matches(same, typed) ? same : onlyMatch(value, known, typed);
        if (match === undefined) return unknownMask(value.path);
        put(value.node, stored.slice(match.node.start, match.node.end));
      }
    }
  }
  const pool = resolvePool(
    poolMasks.map(asPoolKey),
    known.filter(inPool).map(asPoolKey),
    known.filter(isApiKey).map(asPoolKey),
  );
  if (!pool.ok) return pool;
  poolMasks.forEach(({ node }, index) => put(node, JSON.stringify(pool.secrets[index])));
  return edits;
}

/** The one pool key that an `api_key` mask can mean, for a config that goes from a pool back to a single key. */
function onlyMatch(value: Hidden, known: Hidden[], typed: string): Hidden | undefined {
  if (!isApiKey(value)) return undefined;
  const candidates = known.filter((one) => inPool(one) && matches(one, typed));
  return new Set(candidates.map(({ node }) => node.value)).size === 1 ? candidates[0] : undefined;
}

/** Stored secret members that the incoming object leaves out and thereby keeps. */
function leftOut(stored: JsonObjectNode, incoming: JsonObjectNode): JsonMember[] {
  const sent = new Set(incoming.members.map(({ name }) => name));
  const statesPool = incoming.members.some(({ name, value }) =>
    name === "api_keys" && value.kind === "array" && value.items.length > 0
  );
  return stored.members.filter(({ name }) =>
    isSecretName(name) && !sent.has(name) && !(statesPool && name === "api_key")
  );
}

/** Every value of the config that holds a secret, in the order of the text. */
function* hidden(node: JsonNode, path = "", secret = false, entry = ""): Generator<Hidden> {
  if (node.kind === "scalar") {
    if (node.value === null || node.value === "" || typeof node.value === "boolean") return;
    if (secret) yield { path, entry, node, whole: true };
    else if (typeof node.value === "string" && urlSecrets(node.value).length > 0) {
      yield { path, entry, node, whole: false };
    }
  } else if (node.kind === "array") {
    for (const [index, item] of node.items.entries()) {
      // An entry of a key pool is an object with plain members beside its key.
      const isEntry = path === "api_keys" && item.kind === "object";
      yield* hidden(item, `${path}[${index}]`, secret && !isEntry, isEntry ? entryName(item) : "");
    }
  } else {
    for (const { name, value } of node.members) {
      yield* hidden(value, path === "" ? name : `${path}.${name}`, secret || isSecretName(name), entry);
    }
  }
}

function entryName(entry: JsonObjectNode): string {
  const name = entry.members.findLast((member) => member.name === "name")?.value;
  return name?.kind === "scalar" && typeof name.value === "string" ? name.value : "";
}

function maskScalar(node: Scalar): string {
  return typeof node.value === "string" ? mask(node.value) : MASK;
}

function matches(stored: Hidden | undefined, typed: string): boolean {
  return stored !== undefined && stored.whole && maskScalar(stored.node) === typed;
}

function inPool({ path, whole }: Hidden): boolean {
  return whole && path.startsWith("api_keys[");
}

function isApiKey({ path }: Hidden): boolean {
  return path === "api_key";
}

function asPoolKey({ path, entry, node }: Hidden): { where: string; name: string; text: string } {
  return { where: path, name: entry, text: String(node.value) };
}
