/**
 * Which names may stand in a label.
 *
 * A client can ask for any model, and a model's name is whatever was typed; so only names that an operator has given
 * become labels, at most {@link MAX_NAMES} of a kind. All others share one. Providers are told apart by their id: a
 * provider that is renamed goes on counting under its new name. What looks like a secret in a name is not in its label.
 *
 * @module
 */
import { withoutSecrets } from "../access/scrub.ts";

/** Names of one kind that have a label of their own. */
export const MAX_NAMES = 200;
/** The label of all others. */
export const OTHER = "other";
/** Stands for the id of a provider that has no label of its own. */
export const OTHER_ID = -1;

/** A provider or model as it is stored. */
export interface Named {
  readonly id: number;
  readonly name: string;
}

/** The names that exist. */
export class MetricLabels {
  #providers: ReadonlyMap<number, string> = new Map();
  #others: ReadonlySet<number> = new Set();
  /** Each with its label. */
  #models: ReadonlyMap<string, string> = new Map();
  #modelLabels: ReadonlySet<string> = new Set();

  /** Takes the rows that exist now. The oldest ones have labels of their own. */
  use(providers: readonly Named[], models: readonly Named[]): void {
    const byAge = providers.toSorted((one, other) => one.id - other.id);
    this.#providers = distinctNames(byAge.slice(0, MAX_NAMES));
    this.#others = new Set(byAge.slice(MAX_NAMES).map(({ id }) => id));
    const names = models.toSorted((one, other) => one.id - other.id).map(({ name }) => name);
    const labelled = [...new Set(names)].slice(0, MAX_NAMES);
    this.#models = new Map(labelled.map((name) => [name, withoutSecrets(name)]));
    this.#modelLabels = new Set(this.#models.values());
  }

  /** The ids of all providers. */
  get providerIds(): readonly number[] {
    return [...this.#providers.keys(), ...this.#others];
  }

  /** The id to count a provider under; `null` when it does not exist. */
  providerKey(id: number): number | null {
    if (this.#providers.has(id)) return id;
    return this.#others.has(id) ? OTHER_ID : null;
  }

  /** What stands for a key of {@link providerKey}; `null` when there is no such provider any more. */
  provider(key: number): string | null {
    if (key === OTHER_ID) return OTHER;
    return this.#providers.get(key) ?? null;
  }

  /** What stands for a model that a client asks for. */
  model(name: string): string {
    return this.#models.get(name) ?? OTHER;
  }

  /** Whether a label of {@link model} still stands for something. */
  hasModel(label: string): boolean {
    return label === OTHER || this.#modelLabels.has(label);
  }
}

/** Two series with the same labels would spoil the whole scrape, and old databases may hold one name twice. */
function distinctNames(providers: readonly Named[]): Map<number, string> {
  const taken = new Set([OTHER]);
  const labels = new Map<number, string>();
  for (const { id, name } of providers) {
    let label = withoutSecrets(name);
    while (taken.has(label)) label += ` #${id}`;
    taken.add(label);
    labels.set(id, label);
  }
  return labels;
}
