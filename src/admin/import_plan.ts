/** Gathers what an import will write, beside what is stored. Whatever was gathered is written at once. @module */
import { keyHash } from "../access/key_text.ts";
import type { Association, AssociationFields } from "../store/associations.ts";
import type {
  AssociationWrite,
  AuthKeyWrite,
  Batch,
  ModelWrite,
  ProviderWrite,
  RowReference,
} from "../store/batch.ts";
import type { AuthKey } from "../store/auth_keys.ts";
import type { Config } from "../store/configs.ts";
import type { CompleteHealthConfig } from "../store/health.ts";
import type { Model, ModelFields } from "../store/models.ts";
import type { Provider, ProviderFields } from "../store/providers.ts";
import { MissingReference, NameTaken, type RoutingRows, type Store } from "../store/store.ts";
import { Fault } from "./envelope.ts";

/** What becomes of rows that exist. */
export type ImportMode = "skip" | "update";

/** What becomes of a row. */
export type ImportFate = "created" | "updated" | "skipped";

/** How many rows had which fate. */
export type ImportCounts = Record<ImportFate, number>;

/** An association with its ends as they will be. */
interface Ends {
  readonly model: RowReference;
  readonly provider: RowReference;
}

/** The plan of one import. */
export class ImportPlan {
  readonly #providers: ProviderWrite[] = [];
  readonly #models: ModelWrite[] = [];
  readonly #associations: AssociationWrite[] = [];
  readonly #authKeys: AuthKeyWrite[] = [];
  readonly #configs: Config[] = [];
  #healthConfig: CompleteHealthConfig | null = null;
  readonly #providerRefs = new Map<string, RowReference>();
  readonly #modelRefs = new Map<string, RowReference>();
  readonly #authKeyNames = new Set<string>();
  /** Hashes of the keys that are stored or to be written. */
  readonly #hashes: Set<string>;
  /** Stored associations that no imported one has met yet, by their ends and upstream model. */
  readonly #unmet: Map<string, Association[]>;
  readonly counts = {
    providers: { created: 0, updated: 0, skipped: 0 } as ImportCounts,
    models: { created: 0, updated: 0, skipped: 0 } as ImportCounts,
    associations: { created: 0, updated: 0, skipped: 0 } as ImportCounts,
    auth_keys: { created: 0, updated: 0, skipped: 0 } as ImportCounts,
    settings: { created: 0, updated: 0, skipped: 0 } as ImportCounts,
  };

  constructor(readonly stored: RoutingRows, readonly mode: ImportMode) {
    // Of two rows with one name, which only old programs made, the older one counts; rows come newest first.
    for (const { name, id } of stored.providers) this.#providerRefs.set(name, { id });
    for (const { name, id } of stored.models) this.#modelRefs.set(name, { id });
    this.#hashes = new Set(stored.authKeys?.map(keyHash));
    this.#unmet = Map.groupBy(
      stored.associations,
      (row) => tripleOf({ model: { id: row.modelId }, provider: { id: row.providerId } }, row.providerModel),
    );
  }

  /** The row of this name, stored or to be written; `null` = there is none. */
  providerNamed(name: string): RowReference | null {
    return this.#providerRefs.get(name) ?? null;
  }

  /** The same of models. */
  modelNamed(name: string): RowReference | null {
    return this.#modelRefs.get(name) ?? null;
  }

  /** Adds a provider. `make` is called only if it is to be written: with the stored row, or with `null`. */
  addProvider(
    name: string,
    make: (stored: Provider | null) => { readonly fields: ProviderFields; readonly enabled: boolean },
  ): ImportFate {
    const known = this.#providerRefs.get(name);
    const fate = this.#fate(known);
    if (fate !== "skipped") {
      const stored = known === undefined
        ? null
        : this.stored.providers.find(({ id }) => isId(known, id)) ?? null;
      const { fields, enabled } = make(stored);
      this.#providerRefs.set(name, { write: this.#providers.length });
      this.#providers.push({ id: stored?.id ?? null, fields, enabled });
    }
    this.counts.providers[fate]++;
    return fate;
  }

  /** Adds a model. */
  addModel(
    name: string,
    make: (stored: Model | null) => { readonly fields: ModelFields; readonly displayOrder: number | null },
  ): ImportFate {
    const known = this.#modelRefs.get(name);
    const fate = this.#fate(known);
    if (fate !== "skipped") {
      const stored = known === undefined
        ? null
        : this.stored.models.find(({ id }) => isId(known, id)) ?? null;
      const { fields, displayOrder } = make(stored);
      this.#modelRefs.set(name, { write: this.#models.length });
      this.#models.push({ id: stored?.id ?? null, fields, displayOrder });
    }
    this.counts.models[fate]++;
    return fate;
  }

  /**
   * Adds an association. One pair may have several of them, so an imported one is taken for a stored one of the same
   * ends and upstream model only as often as there are stored ones.
   */
  addAssociation(
    ends: Ends,
    providerModel: string,
    make: (
      stored: Association | null,
    ) => {
      readonly fields: Omit<AssociationFields, "modelId" | "providerId">;
      readonly enabled: boolean;
    },
  ): ImportFate {
    const stored = this.#unmet.get(tripleOf(this.#asStored(ends), providerModel))?.shift() ?? null;
    const fate = stored === null ? "created" : this.mode === "update" ? "updated" : "skipped";
    if (fate !== "skipped") this.#associations.push({ id: stored?.id ?? null, ...ends, ...make(stored) });
    this.counts.associations[fate]++;
    return fate;
  }

  /** Adds an auth key. `make` answers `null` where there is no key to create it with. */
  addAuthKey(name: string, make: (stored: AuthKey | null) => Omit<AuthKeyWrite, "id"> | null): void {
    const stored = this.stored.authKeys?.find((key) => key.name === name) ?? null;
    const isRepeated = this.#authKeyNames.has(name);
    this.#authKeyNames.add(name);
    const wanted = isRepeated || (stored !== null && this.mode === "skip")
      ? "skipped"
      : stored === null
      ? "created"
      : "updated";
    const write = wanted === "skipped" ? null : make(stored);
    if (write !== null) this.#authKeys.push({ id: stored?.id ?? null, ...write });
    this.counts.auth_keys[write === null ? "skipped" : wanted]++;
  }

  /** Takes the hash of a new key. @returns whether it was free: one key under two names would have the rights of either */
  takeHash(hash: string): boolean {
    const isFree = !this.#hashes.has(hash);
    this.#hashes.add(hash);
    return isFree;
  }

  /** Adds a setting. @param isSet somebody has set it here */
  addConfig(key: string, isSet: boolean, make: () => string): void {
    if (this.#settingFate(isSet) !== "skipped") this.#configs.push({ key, value: make() });
  }

  /** Adds the settings of the health check. @param isSet somebody has set them here */
  addHealthConfig(isSet: boolean, config: CompleteHealthConfig): void {
    if (this.#settingFate(isSet) !== "skipped") this.#healthConfig = config;
  }

  #settingFate(isSet: boolean): ImportFate {
    const fate = !isSet ? "created" : this.mode === "update" ? "updated" : "skipped";
    this.counts.settings[fate]++;
    return fate;
  }

  /** Writes it, all or nothing. @throws {Fault} */
  async write(store: Pick<Store, "apply">): Promise<void> {
    try {
      await store.apply(this.batch());
    } catch (error) {
      // Two stored rows of one name, which only old programs made, or a row that somebody has just removed.
      if (error instanceof NameTaken) throw new Fault(409, `Nothing was imported: ${error.message}`);
      if (error instanceof MissingReference) throw new Fault(422, `Nothing was imported: ${error.message}`);
      throw error;
    }
  }

  /** What is to be written. */
  batch(): Batch {
    return {
      providers: this.#providers,
      models: this.#models,
      associations: this.#associations,
      authKeys: this.#authKeys,
      configs: this.#configs,
      healthConfig: this.#healthConfig,
    };
  }

  #fate(known: RowReference | undefined): ImportFate {
    if (known === undefined) return "created";
    return this.mode === "update" && "id" in known ? "updated" : "skipped";
  }

  /** Ends that are rows to be replaced, as those rows. */
  #asStored({ model, provider }: Ends): Ends {
    return { model: asStored(model, this.#models), provider: asStored(provider, this.#providers) };
  }
}

function isId(reference: RowReference, id: number): boolean {
  return "id" in reference && reference.id === id;
}

function asStored(reference: RowReference, writes: readonly { readonly id: number | null }[]): RowReference {
  if ("id" in reference) return reference;
  const id = writes[reference.write]?.id ?? null;
  return id === null ? reference : { id };
}

function tripleOf({ model, provider }: Ends, providerModel: string): string {
  return JSON.stringify([model, provider, providerModel]);
}
