/**
 * The admin token: one secret that opens `/api` and, as a client's credential, every model.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";

/** Says whether a credential is the admin token. */
export interface AdminToken {
  /** Compares digests in constant time: neither the length nor the first wrong character shows in the time taken. */
  matches(credential: string): boolean;
}

/** What the `Authorization` header holds. */
export type Bearer = { readonly ok: true; readonly credential: string } | {
  readonly ok: false;
  readonly message: string;
};

/**
 * The check for a configured token; `null` when it is not set. Blanks around it do not count (a token file ends with
 * a line break, and no header can carry them), so a token of nothing but blanks is not set.
 */
export function adminToken(configured: string | null | undefined): AdminToken | null {
  const token = configured?.trim() ?? "";
  if (token === "") return null;
  const digests = wireForms(token).map(digest);
  /** Forms of the token that clients have sent; hashing them again for each request would cost more than routing it. */
  const accepted = new Set<string>();
  return {
    matches(credential) {
      // A set looks a string up by a seeded hash of all of it, so this tells nothing of how near a wrong one comes.
      if (accepted.has(credential)) return true;
      const candidate = digest(credential);
      let found = false;
      for (const expected of digests) found = timingSafeEqual(candidate, expected) || found;
      if (found) accepted.add(credential);
      return found;
    },
  };
}

/**
 * Reads `Authorization: Bearer …`. The scheme's case does not matter (RFC 9110, section 11.1). Several header lines
 * arrive here joined by commas and are refused: a proxy before us may have believed another one.
 *
 * @param header The header's value; `null` when the request has none.
 */
export function parseBearer(header: string | null): Bearer {
  const value = withoutBlanks(header ?? "");
  if (value === "") return { ok: false, message: "Authorization header is missing" };
  const credential = /^bearer[ \t]+(.+)$/i.exec(value)?.[1];
  if (credential === undefined || /,[ \t]*(?:bearer|basic|digest)\b/i.test(credential)) {
    return { ok: false, message: "Invalid authorization header" };
  }
  return { ok: true, credential };
}

/**
 * A header value without the blanks around it (RFC 9110, section 5.5). `trim()` would take more: the last byte of a
 * token in UTF-8 may look like a no-break space.
 */
export function withoutBlanks(value: string): string {
  const isBlank = (at: number) => value[at] === " " || value[at] === "\t";
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(start)) start++;
  while (start < end && isBlank(end - 1)) end--;
  return value.slice(start, end);
}

/**
 * The strings that the token can arrive as. HTTP carries bytes and `Headers` reads each as one character, so a token
 * beyond ASCII that was typed in UTF-8 looks different in a header than in the settings.
 */
function wireForms(token: string): string[] {
  const asHeader = Array.from(new TextEncoder().encode(token), (byte) => String.fromCharCode(byte)).join("");
  return asHeader === token ? [token] : [token, asHeader];
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
