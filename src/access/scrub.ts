/** Takes secrets out of texts from outside before they are stored, logged or sent. @module */
import { configSecrets } from "./config_secrets.ts";
import { isSecretName } from "./secrets.ts";
import { urlSecrets } from "./url_secrets.ts";

/**
 * Everything secret that goes to a provider: what its config and its proxy hold, and credentials among the headers of
 * its associations, with and without their scheme.
 */
export function secretsOf(
  { config, proxy }: { readonly config: string; readonly proxy: string },
  headers: Iterable<readonly [name: string, value: string]>,
): string[] {
  const inHeaders = [...headers].filter(([name]) => isSecretName(name))
    .flatMap(([, value]) => [value, value.split(/\s+/).at(-1) ?? ""]);
  return [...configSecrets(config), ...urlSecrets(proxy), ...inHeaders];
}

/** A shorter secret would be part of ordinary words. */
const SECRET_FROM = 4;
/** As much of a secret at the end of a text that was cut off is taken for one. */
const CUT_SECRET_FROM = 6;

/** A text from outside with `****` in place of each secret, also of one that the end of the text cuts off. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  // The longest first: one may be a part of another.
  const ordered = secrets.filter(({ length }) => length >= SECRET_FROM).sort((a, b) => b.length - a.length);
  let clean = text;
  for (const secret of ordered) clean = clean.replaceAll(secret, "****");
  for (const secret of ordered) {
    for (let length = secret.length - 1; length >= CUT_SECRET_FROM; length--) {
      if (!clean.endsWith(secret.slice(0, length))) continue;
      clean = `${clean.slice(0, -length)}****`;
      break;
    }
  }
  return clean;
}
