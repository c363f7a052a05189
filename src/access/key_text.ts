/** The texts of keys: how they are made, what is kept of them and what is shown. @module */
import { createHash } from "node:crypto";
import type { AuthKey } from "../store/auth_keys.ts";
import { secretText } from "./random_text.ts";
import { mask } from "./secrets.ts";

/** What every key of a client begins with. */
export const AUTH_KEY_PREFIX = "sk-llmio-";

const AUTH_KEY_LENGTH = 36;

/** A new key for a client: `sk-llmio-` and 36 characters, as llmio makes them. */
export function newAuthKey(): string {
  return newSecretText(AUTH_KEY_PREFIX, AUTH_KEY_LENGTH);
}

/** A new secret that nobody can guess: the prefix, and so many random characters of `0-9a-zA-Z`. */
export function newSecretText(prefix: string, length: number): string {
  return prefix + secretText(length);
}

/** SHA-256 in hex. It needs no salt and no slow hash: a secret this long cannot be found by trying. */
export function hashKey(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The hash of a stored key, also of one that an old program has stored plain; `""` = there is none. */
export function keyHash({ hash, key }: Pick<AuthKey, "hash" | "key">): string {
  return hash === "" && key !== "" ? hashKey(key) : hash;
}

/**
 * What is shown of a key: its prefix and the mask of the rest, `sk-llmio-****abcd`. A text without the prefix, which
 * only an old file can hold, is masked as a whole; of a short one nothing is shown.
 */
export function keyMask(text: string, prefix: string = AUTH_KEY_PREFIX): string {
  if (text === "") return "";
  return text.startsWith(prefix) ? prefix + mask(text.slice(prefix.length)) : mask(text);
}
