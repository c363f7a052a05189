/**
 * What the configuration knows: the keys of each provider and what each association calls. State of anything else is
 * dropped, so that what is set up anew inherits nothing.
 *
 * @module
 */
import { configSecrets } from "../access/config_secrets.ts";
import { isSecretName } from "../access/secrets.ts";
import { urlSecrets } from "../access/url_secrets.ts";
import { parseProviderConfig } from "../protocols/provider_config.ts";
import type { Provider } from "../store/providers.ts";
import type { RoutingRows } from "../store/store.ts";
import { KEYLESS } from "./routing_table.ts";

/** What the configuration knows. */
export interface LiveScope {
  readonly providers: ReadonlyMap<number, ProviderScope>;
  readonly associations: ReadonlyMap<number, AssociationScope>;
}

/** A provider that exists. */
export interface ProviderScope {
  /** State ids of its keys; `null` when its config cannot be read, so that nothing is known to be gone. */
  readonly keys: ReadonlySet<string> | null;
  /** What its vendor could quote in an error. */
  readonly secrets: readonly string[];
}

/** An association that exists. */
export interface AssociationScope {
  readonly providerId: number;
  /** What it calls: where and under which name. When that changes, what was known of it says nothing any more. */
  readonly called: string;
}

/** A configuration without anything. */
export const EMPTY_SCOPE: LiveScope = { providers: new Map(), associations: new Map() };

/** What the rows know. */
export function liveScope(rows: RoutingRows): LiveScope {
  const providers = new Map<number, ProviderScope>();
  const places = new Map<number, string>();
  for (const provider of rows.providers) {
    const { id, type, config, proxy } = provider;
    const parsed = parseProviderConfig(type, config);
    const keyIds = parsed.ok ? parsed.config.keys.map((key) => key.id) : [];
    const keys = (keyIds.length > 0 ? keyIds : [KEYLESS]).map((keyId) => keyStateId(id, keyId));
    providers.set(id, {
      keys: parsed.ok ? new Set(keys) : null,
      secrets: secretsOf(
        provider,
        rows.associations.filter(({ providerId }) => providerId === id)
          .flatMap(({ customerHeaders }) => Object.entries(customerHeaders ?? {})),
      ),
    });
    places.set(id, `${type} ${parsed.ok ? parsed.config.baseUrl : ""} ${proxy}`);
  }
  const associations = rows.associations.map(({ id, providerId, providerModel }) =>
    [id, { providerId, called: `${places.get(providerId)} ${providerModel}` }] as const
  );
  return { providers, associations: new Map(associations) };
}

/** The id of a key's state: the same secret under two providers has two states. */
export function keyStateId(providerId: number, keyId: string): string {
  return `${providerId}:${keyId}`;
}

/** The key's own id in the id of its state. */
export function keyIdOf(stateId: string): string {
  return stateId.slice(stateId.indexOf(":") + 1);
}

/**
 * Everything secret that goes to a provider: what its config and its proxy hold, and credentials among the headers of
 * its associations, with and without their scheme.
 */
export function secretsOf(
  { config, proxy }: Pick<Provider, "config" | "proxy">,
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
