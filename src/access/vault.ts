/**
 * Encrypts texts with a key that is derived from a secret. A sealed text is `enc:v1:` and, in base64url, a random
 * nonce of 12 bytes, the ciphertext and its tag of 16 bytes (AES-256-GCM). It opens only with the same secret and in
 * the context in which it was sealed, and not at all once any of its characters has changed.
 *
 * @module
 */

/** How a key is derived from a secret. None of it is secret, and all of it is needed again. */
export interface Derivation {
  /** Of the derivation and of the form of sealed texts. */
  readonly version: number;
  /** Base64 of random bytes: the same secret gives another key in another file. */
  readonly salt: string;
  /** Rounds of PBKDF2: what a guess at the secret costs. */
  readonly iterations: number;
}

/** A derivation that nobody here can follow. The message says why, as the end of a sentence. */
export class UnknownDerivation extends Error {
  override readonly name = "UnknownDerivation";
}

const VERSION = 1;
const PREFIX = "enc:v1:";
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** What OWASP's password storage cheat sheet asks for; some 150 ms. */
const ITERATIONS = 600_000;
/** More would keep a start waiting for seconds, and no version of this program has written it. */
const MAX_ITERATIONS = 10_000_000;

/** A way to derive a key that nobody has used before. */
export function newDerivation(): Derivation {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES)).toBase64();
  return { version: VERSION, salt, iterations: ITERATIONS };
}

/** A secret that nobody can guess: 32 random bytes in base64url. */
export function newSecret(): string {
  return toBase64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** Whether a text has the form of a sealed one. Whether it opens is another question. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Seals and opens texts. */
export class Vault {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /**
   * Derives the key (PBKDF2 with SHA-256). This is slow on purpose; it runs on another thread.
   *
   * @throws {UnknownDerivation}
   * @example
   * ```ts
   * const vault = await Vault.derive("correct horse battery staple", newDerivation());
   * const sealed = await vault.seal("sk-1", "providers.config");
   * await vault.open(sealed, "providers.config"); // sk-1
   * ```
   */
  static async derive(secret: string, derivation: Derivation): Promise<Vault> {
    const { iterations } = derivation;
    const salt = usableSalt(derivation);
    const base = await crypto.subtle.importKey("raw", encode(secret), "PBKDF2", false, ["deriveKey"]);
    const key = await crypto.subtle.deriveKey(
      { name: "PBKDF2", hash: "SHA-256", salt, iterations },
      base,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
    return new Vault(key);
  }

  /**
   * Encrypts a text, whatever it looks like; each time differently.
   *
   * @param context What the text is, such as its column: it opens nowhere else.
   */
  async seal(text: string, context: string): Promise<string> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = new Uint8Array(
      await crypto.subtle.encrypt(algorithm(nonce, context), this.#key, encode(text)),
    );
    const bytes = new Uint8Array(NONCE_BYTES + sealed.length);
    bytes.set(nonce);
    bytes.set(sealed, NONCE_BYTES);
    return PREFIX + toBase64url(bytes);
  }

  /** The text; `null` = it was not sealed with this secret in this context, or has been changed since. */
  async open(sealed: string, context: string): Promise<string | null> {
    const bytes = bytesOf(sealed);
    if (bytes === null) return null;
    try {
      const text = await crypto.subtle.decrypt(
        algorithm(bytes.subarray(0, NONCE_BYTES), context),
        this.#key,
        bytes.subarray(NONCE_BYTES),
      );
      // A leading byte order mark is part of the text.
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(text);
    } catch {
      return null;
    }
  }
}

function usableSalt({ version, salt, iterations }: Derivation): Uint8Array<ArrayBuffer> {
  if (version !== VERSION) {
    throw new UnknownDerivation(
      `in a form that this version does not know (${version}; it knows ${VERSION})`,
    );
  }
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS) {
    throw new UnknownDerivation(`with an impossible number of iterations (${iterations})`);
  }
  try {
    return Uint8Array.fromBase64(salt);
  } catch {
    throw new UnknownDerivation("with a salt that is not base64");
  }
}

function algorithm(nonce: Uint8Array<ArrayBuffer>, context: string): AesGcmParams {
  return { name: "AES-GCM", iv: nonce, additionalData: encode(context), tagLength: TAG_BYTES * 8 };
}

/** Nonce, ciphertext and tag; `null` when the text is not in the very form that sealing gives it. */
function bytesOf(sealed: string): Uint8Array<ArrayBuffer> | null {
  if (!isSealed(sealed)) return null;
  const text = sealed.slice(PREFIX.length);
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    // The last character can have bits that say nothing, and white space is skipped: nothing may be changed unnoticed.
    const isCanonical = toBase64url(bytes) === text;
    return isCanonical && bytes.length >= NONCE_BYTES + TAG_BYTES ? bytes : null;
  } catch {
    return null;
  }
}

function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
