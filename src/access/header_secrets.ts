/** Secrets among the headers that an operator sets on an association. @module */
import { isMask, isSecretName, mask, unknownMask, type Unmergeable } from "./secrets.ts";

/** Headers by name. */
export type HeaderMap = Readonly<Record<string, string>>;

/** The headers with masks in place of credentials. */
export function maskHeaders(headers: HeaderMap): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map((
      [name, value],
    ) => [name, isSecretName(name) && value !== "" ? mask(value) : value]),
  );
}

/**
 * Puts the stored credentials back where a mask was sent. The map replaces the stored one: a header that is left out
 * is removed.
 */
export function mergeHeaders(
  stored: HeaderMap,
  incoming: HeaderMap,
): { readonly ok: true; readonly headers: Record<string, string> } | Unmergeable {
  const known = new Map(Object.entries(stored).map(([name, value]) => [name.toLowerCase(), value]));
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(incoming)) {
    if (!isSecretName(name) || !isMask(value)) {
      headers.push([name, value]);
      continue;
    }
    const secret = known.get(name.toLowerCase());
    if (secret === undefined || mask(secret) !== value) {
      return unknownMask(`customer_headers.${name}`);
    }
    headers.push([name, secret]);
  }
  return { ok: true, headers: Object.fromEntries(headers) };
}
