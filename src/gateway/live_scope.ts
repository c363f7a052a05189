/**
 * What the configuration knows: the keys of each provider and what each association calls. State of anything else is
 * dropped, so that what is set up anew inherits nothing.
 *
 * @module
 */
import { secretsOf } from "../access/scrub.ts";
import { parseProviderConfig } from "../protocols/provider_config.ts";
import type { RoutingRows } from "../store/store.ts";
import { KEYLESS, keyStateId } from "./key_state_id.ts";
import { withoutAlias } from "./model_alias.ts";

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
  const names = new Map(rows.providers.map((provider) => [provider.id, provider]));
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
    [id, {
      providerId,
      called: `${places.get(providerId)} ${withoutAlias(names.get(providerId) ?? {}, providerModel)}`,
    }] as const
  );
  return { providers, associations: new Map(associations) };
}
