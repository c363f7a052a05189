/**
 * A store whose credentials are encrypted in the file: it seals what is written and opens what is read, on the serving
 * side, so that the rest of the program sees plain texts and the database workers never do.
 *
 * What does not open (somebody has changed the file, say) takes nothing else down. It is named in a warning and left out
 * of routing; lists show it as it is stored; and written back as it was read, it stays what it is.
 *
 * @module
 */
import type { Vault } from "../access/vault.ts";
import type { Association } from "./associations.ts";
import type { Batch } from "./batch.ts";
import { jsonStrings } from "./columns.ts";
import type { Config } from "./configs.ts";
import { openText, type Place, PLACES, SEALED_CONFIGS, sealText } from "./encryption.ts";
import type { Provider, ProviderFields } from "./providers.ts";
import type { RoutingRows, Store } from "./store.ts";

type Headers = Record<string, string>;

/**
 * Wraps a store.
 *
 * @param warn Takes a line for the operator's log for each row that routing has to do without.
 */
export function encryptedStore(store: Store, vault: Vault, warn: (line: string) => void): Store {
  const rows = new SealedRows(store, vault);
  return {
    ...store,
    providers: {
      ...store.providers,
      list: async (filter) => await Promise.all((await store.providers.list(filter)).map(rows.provider)),
      get: async (id) => await rows.maybe(rows.provider, store.providers.get(id)),
      create: async (fields) => await rows.provider(await store.providers.create(await rows.sealed(fields))),
      update: async (id, fields) =>
        await rows.maybe(rows.provider, store.providers.update(id, await rows.sealed(fields, id))),
      setEnabled: async (id, enabled) =>
        await rows.maybe(rows.provider, store.providers.setEnabled(id, enabled)),
    },
    associations: {
      ...store.associations,
      ofModel: async (modelId) =>
        await Promise.all((await store.associations.ofModel(modelId)).map(rows.association)),
      get: async (id) => await rows.maybe(rows.association, store.associations.get(id)),
      create: async (fields) =>
        await rows.association(await store.associations.create(await rows.sealedHeaders(fields))),
      update: async (id, patch) =>
        await rows.maybe(
          rows.association,
          store.associations.update(id, await rows.sealedHeaders(patch, id)),
        ),
      setEnabled: async (id, enabled) =>
        await rows.maybe(rows.association, store.associations.setEnabled(id, enabled)),
    },
    configs: {
      ...store.configs,
      list: async () => await Promise.all((await store.configs.list()).map(rows.config)),
      get: async (key) => await rows.maybe(rows.config, store.configs.get(key)),
      set: async (key, value) => {
        await store.configs.set(key, (await rows.sealedConfig({ key, value })).value);
        return { key, value };
      },
    },
    routing: async () => await rows.routing(await store.routing(), warn),
    apply: async (batch) => await store.apply(await rows.batch(batch)),
  };
}

/** Rows on their way in and out. */
class SealedRows {
  constructor(readonly store: Store, readonly vault: Vault) {}

  /** A row as it is read: opened where it opens. */
  readonly provider = async (row: Provider): Promise<Provider> => ({
    ...row,
    config: await this.#open("config", row.config) ?? row.config,
    proxy: await this.#open("proxy", row.proxy) ?? row.proxy,
  });

  readonly association = async (row: Association): Promise<Association> => {
    const opened = await this.#openHeaders(row);
    return opened === DAMAGED ? row : { ...row, customerHeaders: opened };
  };

  readonly config = async ({ key, value }: Config): Promise<Config> => ({
    key,
    value: SEALED_CONFIGS.has(key) ? await this.#open("countTokens", value) ?? value : value,
  });

  async maybe<Row>(open: (row: Row) => Promise<Row>, row: Promise<Row | null>): Promise<Row | null> {
    const found = await row;
    return found === null ? null : await open(found);
  }

  /** Fields as they are stored. @param id The row that they go into; without it a new one. */
  async sealed(fields: ProviderFields, id: number | null = null): Promise<ProviderFields> {
    const before = id === null ? null : await this.store.providers.get(id);
    return {
      ...fields,
      config: await this.#seal(PLACES.config, fields.config, before?.config),
      proxy: await this.#seal(PLACES.proxy, fields.proxy, before?.proxy),
    };
  }

  /** The same of headers, where there are any among the fields. */
  async sealedHeaders<Fields extends { customerHeaders?: Headers }>(
    fields: Fields,
    id: number | null = null,
  ): Promise<Fields> {
    if (fields.customerHeaders === undefined) return fields;
    const before = id === null ? null : await this.store.associations.get(id);
    const stored = await this.#seal(
      PLACES.headers,
      JSON.stringify(fields.customerHeaders),
      before === null ? undefined : JSON.stringify(before.customerHeaders),
    );
    return { ...fields, customerHeaders: jsonStrings(stored) ?? {} };
  }

  async sealedConfig({ key, value }: Config): Promise<Config> {
    if (!SEALED_CONFIGS.has(key)) return { key, value };
    const before = await this.store.configs.get(key);
    return { key, value: await this.#seal(PLACES.countTokens, value, before?.value) };
  }

  async batch(batch: Batch): Promise<Batch> {
    return {
      ...batch,
      providers: await Promise.all(
        batch.providers.map(async (write) => ({
          ...write,
          fields: await this.sealed(write.fields, write.id),
        })),
      ),
      associations: await Promise.all(
        batch.associations.map(async (write) => ({
          ...write,
          fields: await this.sealedHeaders(write.fields, write.id),
        })),
      ),
      configs: await Promise.all(batch.configs.map((config) => this.sealedConfig(config))),
    };
  }

  /** What can be routed by. A provider that cannot be opened keeps its row, without anything to call it by. */
  async routing(rows: RoutingRows, warn: (line: string) => void): Promise<RoutingRows> {
    const providers = await Promise.all(rows.providers.map(async (row) => {
      const [config, proxy] = await Promise.all([
        this.#open("config", row.config),
        this.#open("proxy", row.proxy),
      ]);
      if (config !== null && proxy !== null) return { ...row, config, proxy };
      const what = config === null ? "config" : "proxy";
      warn(leftOut(`provider "${row.name}" (id ${row.id})`, `its ${what}`));
      return { ...row, config: "", proxy: "" };
    }));
    const associations = await Promise.all(rows.associations.map(async (row) => {
      const opened = await this.#openHeaders(row);
      if (opened !== DAMAGED) return [{ ...row, customerHeaders: opened }];
      warn(leftOut(`association ${row.id} (${row.providerModel})`, "its headers"));
      return [];
    }));
    const countTokens = await this.#open("countTokens", rows.countTokens ?? "");
    if (countTokens === null) warn(leftOut("the setting anthropic_count_tokens", "its value"));
    return { ...rows, providers, associations: associations.flat(), countTokens: countTokens ?? "" };
  }

  #open(place: keyof typeof PLACES, stored: string): Promise<string | null> {
    return openText(this.vault, PLACES[place], stored);
  }

  async #openHeaders({ customerHeaders }: Association): Promise<Headers | null | typeof DAMAGED> {
    if (customerHeaders === null) return null;
    const stored = JSON.stringify(customerHeaders);
    if (PLACES.headers.sealedIn(stored) === null) return customerHeaders;
    const opened = await this.#open("headers", stored);
    return opened === null ? DAMAGED : jsonStrings(opened);
  }

  /** @param before What the row holds now, as it is stored. */
  async #seal(place: Place, text: string, before: string | undefined): Promise<string> {
    // Nobody can know a sealed text but from reading one that did not open: it may open again with another secret.
    if (text === before && place.sealedIn(text) !== null) return text;
    return await sealText(this.vault, place, text);
  }
}

/** Headers that do not open. */
const DAMAGED = Symbol("damaged");

function leftOut(row: string, what: string): string {
  return `${row} is left out of routing: ${what} in the database cannot be decrypted; enter it again`;
}
