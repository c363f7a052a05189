/**
 * The meaning of a provider's `config`: JSON text in the table, typed values here.
 *
 * The text is written by people, forms and older programs, so reading it never throws; what is wrong comes back as a
 * reason. The text itself stays the truth: members that nothing here knows are kept, by this module in `extra` and
 * by the admin API in the text.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { normaliseBaseUrl } from "./base_url.ts";

/** Provider types, which are the wire protocols that can be chosen. */
export const PROVIDER_TYPES = ["openai", "openai-res", "anthropic", "gemini"] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];

/** How the next key of a pool is chosen. */
export const KEY_POLICIES = ["round_robin", "random", "least_used"] as const;
export type KeyPolicy = (typeof KEY_POLICIES)[number];

/** The `anthropic-version` that is sent when the config names none. */
export const DEFAULT_ANTHROPIC_VERSION = "2023-06-01";

/** One credential of a provider. */
export interface ProviderKey {
  /** Short hash of the secret: the key's state survives edits of the config, and can be stored and shown. */
  readonly id: string;
  /** The operator's name for it; `""` = none. */
  readonly name: string;
  /** Share of the provider's traffic; 0 = only when no other key is usable. @default {1} */
  readonly weight: number;
  /** The operator's switch: a key that is off is never sent. @default {true} */
  readonly enabled: boolean;
  /** Never shown, logged or stored anywhere else. */
  readonly secret: string;
}

/** A provider's `config`, understood. */
export interface ProviderConfig {
  /** Normalised: no trailing slash, version segment present. */
  readonly baseUrl: string;
  /** The key pool: `api_key` first, then `api_keys`, each secret once. Empty = calls carry no credential. */
  readonly keys: readonly ProviderKey[];
  /** @default {"round_robin"} */
  readonly keyPolicy: KeyPolicy;
  /** Value of `anthropic-version`, for the protocol that has it. @default {"2023-06-01"} for anthropic, else {""} */
  readonly version: string;
  /** Value of `anthropic-beta` that is always sent; `""` = none. */
  readonly beta: string;
  /** Upstream model that health probes call; `""` = let the gateway choose. */
  readonly checkModel: string;
  /** Members that nothing here knows, as parsed. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** A config, or why the text is none. The reason never contains a value of the text. */
export type ProviderConfigResult = { readonly ok: true; readonly config: ProviderConfig } | {
  readonly ok: false;
  readonly reason: string;
};

const KNOWN: ReadonlySet<string> = new Set([
  "base_url",
  "api_key",
  "api_keys",
  "key_policy",
  "version",
  "beta",
  "check_model",
]);

/** Raised inside this module only. */
class Unusable extends Error {}

/** Reads a provider's `config`. Never throws. */
export function parseProviderConfig(type: string, text: string): ProviderConfigResult {
  try {
    return { ok: true, config: read(type, text) };
  } catch (error) {
    if (error instanceof Unusable) return { ok: false, reason: error.message };
    throw error;
  }
}

/** Why a provider cannot be called whose {@linkcode keysOn} are `null`. */
export const ALL_KEYS_OFF = "all of its keys are switched off; switch one on or add another one";

/**
 * The keys that may be sent; none where calls carry no credential. `null` = there are keys, and all of them are off:
 * then there is nothing to call the provider with.
 */
export function keysOn({ keys }: Pick<ProviderConfig, "keys">): readonly ProviderKey[] | null {
  const on = keys.filter(({ enabled }) => enabled);
  return on.length === 0 && keys.length > 0 ? null : on;
}

/** The id of a secret: the first 16 hex digits of its SHA-256. */
export function keyId(secret: string): string {
  return createHash("sha256").update(secret).digest("hex").slice(0, 16);
}

/** Whether rows of this type can be routed to. */
export function isProviderType(type: string): type is ProviderType {
  return (PROVIDER_TYPES as readonly string[]).includes(type);
}

function read(type: string, text: string): ProviderConfig {
  if (!isProviderType(type)) {
    throw new Unusable(`the provider type is unknown; known are ${PROVIDER_TYPES.join(", ")}`);
  }
  const members = parseObject(text);
  const baseUrl = normaliseBaseUrl(type, string(members, "base_url"));
  if (!baseUrl.ok) throw new Unusable(baseUrl.reason);
  const version = headerValue(members, "version");
  return {
    baseUrl: baseUrl.url,
    keys: keyPool(members),
    keyPolicy: keyPolicy(members),
    version: type === "anthropic" ? version || DEFAULT_ANTHROPIC_VERSION : version,
    beta: headerValue(members, "beta"),
    checkModel: string(members, "check_model").trim(),
    extra: Object.fromEntries(Object.entries(members).filter(([name]) => !KNOWN.has(name))),
  };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unusable(
      'config is not valid JSON; it must be an object such as {"base_url":"…","api_key":"…"}',
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Unusable('config must be a JSON object such as {"base_url":"…","api_key":"…"}');
  }
  return value as Record<string, unknown>;
}

/** A text member; missing and null are `""`. */
function string(members: Record<string, unknown>, name: string): string {
  const value = Object.hasOwn(members, name) ? members[name] : null;
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw new Unusable(`${name} must be a string`);
  return value;
}

/** A text member that is sent as a header's value. */
function headerValue(members: Record<string, unknown>, name: string): string {
  return checkedHeaderValue(string(members, name).trim(), name);
}

/** A value that `Headers` takes and that cannot begin a second header line. */
function checkedHeaderValue(value: string, where: string): string {
  if (!/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value)) {
    throw new Unusable(
      `${where} contains a character that cannot be sent in a header (line break, or not Latin-1)`,
    );
  }
  return value;
}

function keyPolicy(members: Record<string, unknown>): KeyPolicy {
  const value = string(members, "key_policy");
  if (value === "") return "round_robin";
  const policy = KEY_POLICIES.find((known) => known === value);
  if (policy === undefined) throw new Unusable(`key_policy must be one of ${KEY_POLICIES.join(", ")}`);
  return policy;
}

/** All keys, each secret once: a repeated one would get twice its share. */
function keyPool(members: Record<string, unknown>): ProviderKey[] {
  const pool = new Map<string, ProviderKey>();
  const single = checkedHeaderValue(string(members, "api_key").trim(), "api_key");
  const many = Object.hasOwn(members, "api_keys") ? members.api_keys ?? [] : [];
  if (!Array.isArray(many)) throw new Unusable("api_keys must be an array of keys");
  const entries = [{ key: single }, ...many.map(poolEntry)];
  for (const { key: secret, name = "", weight = 1, enabled = true } of entries) {
    if (secret === "" || pool.has(secret)) continue;
    pool.set(secret, { id: keyId(secret), name, weight, enabled, secret });
  }
  return [...pool.values()];
}

/** A key as it is written in `api_keys`. */
interface WrittenKey {
  readonly key: string;
  readonly name?: string;
  readonly weight?: number;
  readonly enabled?: boolean;
}

function poolEntry(entry: unknown, index: number): WrittenKey {
  const where = `api_keys[${index}]`;
  if (typeof entry === "string") return { key: checkedHeaderValue(entry.trim(), where) };
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw new Unusable(`${where} must be a string or an object {"key", "name", "weight", "enabled"}`);
  }
  const { key, name, weight, enabled } = entry as Record<string, unknown>;
  if (typeof key !== "string") throw new Unusable(`${where}.key must be a string`);
  if (name !== undefined && name !== null && typeof name !== "string") {
    throw new Unusable(`${where}.name must be a string`);
  }
  if (weight !== undefined && weight !== null && !isWeight(weight)) {
    throw new Unusable(`${where}.weight must be a whole number from 0 to ${MAX_WEIGHT}`);
  }
  if (enabled !== undefined && enabled !== null && typeof enabled !== "boolean") {
    throw new Unusable(`${where}.enabled must be true or false`);
  }
  return {
    key: checkedHeaderValue(key.trim(), `${where}.key`),
    name: name ?? "",
    weight: isWeight(weight) ? weight : 1,
    enabled: enabled ?? true,
  };
}

/** Largest weight of a key. */
const MAX_WEIGHT = 1_000_000;

function isWeight(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_WEIGHT;
}
