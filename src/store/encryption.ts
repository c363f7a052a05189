/** Which stored texts hold providers' credentials, and the form in which each is kept when it is encrypted. @module */
import { type Derivation, isSealed, type Vault } from "../access/vault.ts";
import { jsonObject } from "./columns.ts";

/** How the credentials of a file are encrypted: its one row of table `encryption`. */
export interface Encryption extends Derivation {
  /** A known text, sealed: tells a wrong secret from a right one. See `encryption_probe.ts`. */
  readonly probe: string;
}

/** Where credentials stand. */
export type PlaceName = "config" | "proxy" | "headers" | "countTokens";

/** A column with credentials in it. */
export interface Place {
  /** What is sealed together with a text, so that it opens in no other column. */
  readonly context: string;
  /** Whether a text holds nothing, and stays as it is. */
  isBlank(text: string): boolean;
  /** The sealed text within a stored one; `null` = what is stored is plain. */
  sealedIn(stored: string): string | null;
  /** A sealed text as it is stored. */
  stored(sealed: string): string;
}

/** Keys of the settings whose values are encrypted. */
export const SEALED_CONFIGS: ReadonlySet<string> = new Set(["anthropic_count_tokens"]);

/** No header has such a name, so nothing else looks like sealed headers. */
const SEALED_HEADERS = "enc:v1";

const TEXT: Omit<Place, "context"> = {
  isBlank: (text) => text === "",
  sealedIn: (stored) => isSealed(stored) ? stored : null,
  stored: (sealed) => sealed,
};

/** All places. */
export const PLACES: Readonly<Record<PlaceName, Place>> = {
  config: { ...TEXT, context: "providers.config" },
  proxy: { ...TEXT, context: "providers.proxy" },
  headers: {
    context: "model_with_providers.customer_headers",
    isBlank: (text) => /^\s*(\{\s*\}|null)?\s*$/.test(text),
    // The column stays a JSON object, as the old programs and this one's own reader expect of it.
    sealedIn: (stored) => {
      if (!stored.includes(SEALED_HEADERS)) return null;
      const [[name, value] = [], ...others] = Object.entries(jsonObject(stored) ?? {});
      const isOurs = name === SEALED_HEADERS && others.length === 0;
      return isOurs && typeof value === "string" && isSealed(value) ? value : null;
    },
    stored: (sealed) => JSON.stringify({ [SEALED_HEADERS]: sealed }),
  },
  countTokens: { ...TEXT, context: "configs.anthropic_count_tokens" },
};

/** A plain text as it is stored. */
export async function sealText(vault: Vault, place: Place, text: string): Promise<string> {
  return place.isBlank(text) ? text : place.stored(await vault.seal(text, place.context));
}

/** A stored text in plain, which it may be already; `null` = it is sealed and does not open. */
export async function openText(vault: Vault, place: Place, stored: string): Promise<string | null> {
  const sealed = place.sealedIn(stored);
  return sealed === null ? stored : await vault.open(sealed, place.context);
}

/** Whether a stored text is encrypted, or holds nothing that could be. */
export function isProtected(place: Place, stored: string): boolean {
  return place.isBlank(stored) || place.sealedIn(stored) !== null;
}
