/**
 * Masks: what a read shows in place of a secret, and how a mask that comes back is told from a new secret.
 *
 * @module
 */

/** A text in which masks were replaced by the stored secrets, or why that cannot be done. */
export type Merged = { readonly ok: true; readonly text: string } | Unmergeable;

/** Why masks could not be replaced. */
export interface Unmergeable {
  readonly ok: false;
  readonly reason: string;
}

/** The fixed part of a mask; it does not tell the secret's length. */
export const MASK = "****";

/** Shorter secrets show nothing: four characters would be too much of them. */
const SHOWS_LAST_FOUR_FROM = 12;

/** What older programs wrote in place of a key. It is no key, so it must never become one. */
const REDACTED = "***REDACTED***";

/** Words that make a name mean a secret wherever they stand in it. */
const SECRET_WORDS: ReadonlySet<string> = new Set([
  ...["secret", "secrets", "password", "passwd", "passphrase", "apikey", "apikeys", "authorization"],
  ...["credential", "credentials", "cookie", "cookies"],
]);

/** Words that make a name mean a secret when they end it. */
const SECRET_ENDINGS: ReadonlySet<string> = new Set([
  ...["key", "keys", "token", "auth", "bearer", "pwd", "signature", "sig"],
]);

/** Names that end like a secret and are none. */
const NO_SECRETS: ReadonlySet<string> = new Set(["idempotency-key", "public-key"]);

/** The mask of a secret: {@linkcode MASK}, and its last four characters when it is long enough. */
export function mask(secret: string): string {
  const characters = Array.from(secret);
  return characters.length >= SHOWS_LAST_FOUR_FROM ? MASK + characters.slice(-4).join("") : MASK;
}

/** Whether a text is a mask and no secret. */
export function isMask(text: string): boolean {
  return /^\*{4}(?:.{4})?$/su.test(text) || text === REDACTED;
}

/**
 * Whether a member, header or query parameter of this name holds a secret.
 *
 * @example
 * ```ts
 * isSecretName("X-Api-Key"); // true
 * isSecretName("key_policy"); // false
 * ```
 */
export function isSecretName(name: string): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase().split(/[^a-z0-9]+/).filter(Boolean);
  if (NO_SECRETS.has(words.join("-"))) return false;
  if (words.some((word) => SECRET_WORDS.has(word)) || SECRET_ENDINGS.has(words.at(-1) ?? "")) return true;
  return /apikey|secretkey|privatekey|(?:access|auth|refresh|session)tokens?/.test(words.join(""));
}

/** The refusal of a mask that stands for nothing. */
export function unknownMask(where: string): Unmergeable {
  return {
    ok: false,
    reason:
      `${where} is a mask that matches no stored secret; send the secret itself, or leave the field out ` +
      "to keep the stored one",
  };
}
