/** The providers as the operator has set them up, and what has changed while the gateway ran. @module */
import { secretsOf, withoutSecrets } from "../access/scrub.ts";
import { buildRoutingTable, type RoutingTable } from "../gateway/routing_table.ts";
import type { Association } from "../store/associations.ts";
import type { Provider } from "../store/providers.ts";
import type { RoutingRows } from "../store/store.ts";

/** What a change of the rows means for checks. */
export interface BookChange {
  /** Providers that are there no more. */
  readonly gone: readonly number[];
  /** Providers whose calls are others than before. */
  readonly reconfigured: readonly number[];
  /** Providers that are switched off. */
  readonly off: readonly number[];
}

/**
 * A provider that was just added or changed is left alone for so long, ms: the operator is still at it, and a probe
 * now would not find the models that come next.
 */
export const SETTLE_MS = 30_000;
/** A vendor's error is kept up to so many characters. */
const ERROR_MAX = 500;

/** The book. */
export class ProviderBook {
  #providers: ReadonlyMap<number, Provider> = new Map();
  #associations: ReadonlyMap<number, readonly Association[]> = new Map();
  #table = buildRoutingTable({ providers: [], models: [], associations: [] });
  #isEmpty = true;
  /** Secrets by provider, read when first needed. */
  readonly #secrets = new Map<number, readonly string[]>();
  readonly #changedAt = new Map<number, number>();

  /** The routing table that the rows make. */
  get table(): RoutingTable {
    return this.#table;
  }

  /** All providers, oldest first. */
  get all(): Provider[] {
    return [...this.#providers.values()].toSorted((one, other) => one.id - other.id);
  }

  get(providerId: number): Provider | undefined {
    return this.#providers.get(providerId);
  }

  associationsOf(providerId: number): readonly Association[] {
    return this.#associations.get(providerId) ?? [];
  }

  /** Takes over new rows. The first ones were there when the gateway started, so none of them is a change. */
  adopt(rows: RoutingRows, table: RoutingTable, now: number): BookChange {
    const isStart = this.#isEmpty;
    this.#isEmpty = false;
    const before = this.#providers;
    [this.#providers, this.#associations] = byProvider(rows);
    this.#table = table;
    this.#secrets.clear();
    const gone = [...before.keys()].filter((id) => !this.#providers.has(id));
    for (const id of gone) this.#changedAt.delete(id);
    const reconfigured: number[] = [];
    const off: number[] = [];
    for (const [id, provider] of this.#providers) {
      const previous = before.get(id);
      if (!provider.enabled) off.push(id);
      if (isStart || (previous !== undefined && isSame(previous, provider))) continue;
      this.#changedAt.set(id, now);
      if (previous !== undefined) reconfigured.push(id);
    }
    return { gone, reconfigured, off };
  }

  /** Whether the operator has let go of a provider for {@link SETTLE_MS}. */
  isSettled(providerId: number, now: number): boolean {
    const at = this.#changedAt.get(providerId);
    // A time in the future counts as long ago: the wall clock was set back.
    return at === undefined || at > now || now - at >= SETTLE_MS;
  }

  /** What a vendor says, without what is secret about its provider. */
  scrub(provider: Provider, text: string): string {
    if (text === "") return text;
    let secrets = this.#secrets.get(provider.id);
    if (secrets === undefined) {
      const headers = this.associationsOf(provider.id)
        .flatMap(({ customerHeaders }) => Object.entries(customerHeaders ?? {}));
      secrets = secretsOf(provider, headers);
      this.#secrets.set(provider.id, secrets);
    }
    return withoutSecrets(text, secrets).slice(0, ERROR_MAX);
  }
}

/** Whether what a check of `before` has found out holds for `after`. */
export function isSame(before: Provider, after: Provider): boolean {
  return before.type === after.type && before.config === after.config && before.proxy === after.proxy &&
    (before.enabled || !after.enabled);
}

function byProvider(
  rows: RoutingRows,
): [ReadonlyMap<number, Provider>, ReadonlyMap<number, readonly Association[]>] {
  return [
    new Map(rows.providers.map((provider) => [provider.id, provider])),
    Map.groupBy(rows.associations, (association) => association.providerId),
  ];
}
