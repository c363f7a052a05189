/** Reads the rows of an exported configuration into the plan of an import. @module */
import { isDeepStrictEqual } from "node:util";
import { maskConfig, mergeConfig } from "../access/config_secrets.ts";
import { urlWithoutMasks, withoutMaskedMembers } from "../access/mask_removal.ts";
import { isMask, isSecretName } from "../access/secrets.ts";
import { mergeUrl } from "../access/url_secrets.ts";
import { CLEANUP_POLICY, readCleanupPolicy } from "../accounting/cleanup_policy.ts";
import { DEFAULT_HEALTH_CONFIG } from "../health/state.ts";
import { asString, scalarText } from "../protocols/json_access.ts";
import { isProviderType, parseProviderConfig } from "../protocols/provider_config.ts";
import type { UpstreamPolicy } from "../access/upstream_policy.ts";
import type { Config } from "../store/configs.ts";
import type { CompleteHealthConfig, StoredHealthConfig } from "../store/health.ts";
import type { Model } from "../store/models.ts";
import type { ProviderFields } from "../store/providers.ts";
import { authKeyNames, newAuthKeyFields } from "./auth_key_fields.ts";
import { associationCreate, associationNames, newAssociation } from "./association_fields.ts";
import { type Fields, rowFields, validFields } from "./body.ts";
import type { ConfigDocument, DocumentSecrets } from "./config_document.ts";
import { isReserved, mergedSetting, mustBeStorable } from "./configs.ts";
import { Fault } from "./envelope.ts";
import { changeOf, configNames, configUpdate } from "./health_config.ts";
import type { ImportPlan } from "./import_plan.ts";
import { mergedModel, modelCreate, modelNames, NEW_MODEL, STRATEGIES } from "./models.ts";
import {
  CONFIG_LIMIT,
  mergedProvider,
  NEW_PROVIDER,
  providerCreate,
  providerNames,
} from "./provider_fields.ts";

/** So many faults are told at once. */
const TOLD_FAULTS = 20;

/** Reads one document. */
export class DocumentReader {
  /** New providers whose keys did not come along. */
  readonly withoutKeys: string[] = [];
  readonly notes: string[] = [];
  readonly #faults: string[] = [];
  /** Names of the document's rows by their ids there. */
  readonly #providerNames = new Map<string, string>();
  readonly #modelNames = new Map<string, string>();

  /** @param secrets What the document's masks stand for; `null` = it does not say. */
  constructor(
    readonly plan: ImportPlan,
    readonly secrets: DocumentSecrets | null,
    readonly settings: readonly Config[],
    readonly health: StoredHealthConfig,
    readonly policy: UpstreamPolicy,
  ) {}

  /** @throws {Fault} that names the rows that cannot be imported; then nothing may be */
  read(document: ConfigDocument): void {
    this.#each("providers", document.providers, (row) => this.#provider(row));
    this.#each("models", document.models, (row) => this.#model(row));
    this.#each("model_providers", document.model_providers, (row) => this.#association(row));
    this.#each("auth_keys", document.auth_keys, (row) => this.#authKey(row));
    this.#each("configs", document.configs, (row) => this.#setting(row));
    const { health_config: healthConfig } = document;
    if (healthConfig !== undefined && healthConfig !== null) {
      this.#each("health_config", [healthConfig], (row) => this.#health(row));
    }
    if (this.#faults.length === 0) return;
    const more = this.#faults.length > TOLD_FAULTS ? `; and ${this.#faults.length - TOLD_FAULTS} more` : "";
    throw new Fault(400, `Nothing was imported. ${this.#faults.slice(0, TOLD_FAULTS).join("; ")}${more}`);
  }

  #each<Row extends object>(part: string, rows: readonly Row[] | undefined, read: (row: Row) => void): void {
    for (const [index, row] of (rows ?? []).entries()) {
      // What was deleted there is not brought back to life here.
      if (memberOf(row, "DeletedAt")) continue;
      try {
        read(row);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        const name = memberOf(row, "Name") ?? memberOf(row, "key");
        const called = typeof name === "string" ? ` (${name.slice(0, 100)})` : "";
        this.#faults.push(
          `${part}[${index}]${called}: ${error.message.replace(/^Invalid request body: /, "")}`,
        );
      }
    }
  }

  #provider(row: object): void {
    const fields = new Map(rowFields(row, providerNames));
    const name = nameIn(fields);
    const id = idOf(row);
    if (id !== "") this.#providerNames.set(id, name);
    this.plan.addProvider(name, (stored) => {
      const base = { ...(stored ?? NEW_PROVIDER), ...this.#sealedProvider(id) };
      const hadMasks = restoreProvider(fields, base);
      if (fields.get("enabled") === null) fields.delete("enabled");
      const sent = validFields(providerCreate, fields);
      const merged = mergedProvider(base, sent, this.policy);
      if (hadMasks && stored === null && isKeyless(merged)) this.withoutKeys.push(name);
      return { fields: merged, enabled: fields.has("enabled") ? sent.enabled : stored?.enabled ?? true };
    });
  }

  #sealedProvider(id: string): Partial<ProviderFields> {
    const sealed = ofRow(this.secrets?.providers, id);
    return sealed === undefined
      ? {}
      : { config: sealed.Config, console: sealed.Console, proxy: sealed.Proxy };
  }

  #model(row: object): void {
    const fields = new Map(rowFields(row, modelNames));
    const name = nameIn(fields);
    const id = idOf(row);
    if (id !== "") this.#modelNames.set(id, name);
    this.plan.addModel(name, (stored) => {
      // Older programs store what they route by as something else: no attempts as one, strange strategies as lottery.
      if (fields.get("max_retry") === 0) fields.set("max_retry", 1);
      if (!(STRATEGIES as readonly unknown[]).includes(fields.get("strategy"))) {
        fields.set("strategy", "lottery");
      }
      const order = memberOf(row, "DisplayOrder");
      return {
        fields: mergedModel(stored ?? NEW_MODEL, validFields(modelCreate, fields)),
        displayOrder: this.#keepsOrder(order, stored) ? order : null,
      };
    });
  }

  /** Among other models the numbers of the document would say nothing. */
  #keepsOrder(order: unknown, stored: Model | null): order is number {
    return Number.isSafeInteger(order) && (stored !== null || this.plan.stored.models.length === 0);
  }

  #association(row: object): void {
    const fields = new Map(rowFields(row, associationNames));
    const model = this.plan.modelNamed(this.#modelNames.get(scalarText(fields.get("model_id"))) ?? "");
    const provider = this.plan.providerNamed(
      this.#providerNames.get(scalarText(fields.get("provider_id"))) ?? "",
    );
    const providerModel = scalarText(fields.get("provider_name")).trim();
    if (model === null || provider === null) {
      this.plan.counts.associations.skipped++;
      this.notes.push(
        `The association with ${providerModel.slice(0, 100)} was skipped: one of its ends is unknown`,
      );
      return;
    }
    // Filled in when the rows are written.
    fields.set("model_id", 1).set("provider_id", 1);
    if (fields.get("status") === null) fields.delete("status");
    const sealed = ofRow(this.secrets?.model_providers, idOf(row));
    this.plan.addAssociation({ model, provider }, providerModel, (stored) => {
      this.#restoreHeaders(fields, sealed ?? stored?.customerHeaders ?? {}, providerModel);
      const sent = validFields(associationCreate, fields);
      const { modelId: _, providerId: __, ...rest } = newAssociation(sent);
      return { fields: rest, enabled: sent.status };
    });
  }

  /** Puts the credentials behind masks back, and drops those that nobody knows. */
  #restoreHeaders(fields: Map<string, unknown>, known: Readonly<Record<string, string>>, name: string): void {
    const headers = fields.get("customer_headers");
    if (typeof headers !== "object" || headers === null) return;
    const secrets = new Map(Object.entries(known).map(([header, value]) => [header.toLowerCase(), value]));
    const restored = Object.entries(headers).flatMap(([header, value]): [string, unknown][] => {
      if (typeof value !== "string" || !isSecretName(header) || !isMask(value)) return [[header, value]];
      const secret = secrets.get(header.toLowerCase());
      if (secret !== undefined) return [[header, secret]];
      this.notes.push(
        `The header ${header} of the association with ${name} did not come along: it is a secret`,
      );
      return [];
    });
    fields.set("customer_headers", Object.fromEntries(restored));
  }

  #authKey(row: object): void {
    const fields = new Map(rowFields(row, authKeyNames));
    const name = nameIn(fields);
    const sealed = ofRow(this.secrets?.auth_keys, idOf(row));
    const hash = sealed?.Hash ?? asString(memberOf(row, "Hash"));
    // With older programs no switch at all is off.
    for (const flag of ["status", "allow_all"]) if (fields.get(flag) === null) fields.set(flag, false);
    this.plan.addAuthKey(name, (stored) => {
      const { providers, ...rest } = newAuthKeyFields(fields);
      const known = providers?.flatMap((id) =>
        this.plan.providerNamed(this.#providerNames.get(String(id)) ?? "") ?? []
      );
      if (known?.length === 0) {
        this.notes.push(
          `The auth key ${name} was skipped: its providers are unknown, and it may use no others`,
        );
        return null;
      }
      if (stored === null && !/^[0-9a-f]{64}$/.test(hash)) {
        this.notes.push(`The auth key ${name} did not come along: make a new one`);
        return null;
      }
      if (stored === null && !this.plan.takeHash(hash)) {
        this.notes.push(`The auth key ${name} was skipped: the same key is there under another name`);
        return null;
      }
      return {
        fields: rest,
        providers: known ?? null,
        secret: { hash, mask: asString(memberOf(row, "Key")) },
      };
    });
  }

  #setting({ key, value }: { readonly key: string; readonly value: string }): void {
    if (isReserved(key)) throw new Fault(400, "no setting can have this name");
    const before = this.settings.find((each) => each.key === key)?.value ?? "";
    this.plan.addConfig(key, isSetting(key, before), () => {
      mustBeStorable(value);
      const known = ofRow(this.secrets?.configs, key) ?? before;
      const fits = mergeConfig(known, value).ok;
      const text = fits ? value : withoutMaskedMembers(value);
      if (text !== value && before === "") {
        this.notes.push(`The secrets of the setting ${key} did not come along`);
      }
      return mergedSetting(key, known, text);
    });
  }

  #health(row: object): void {
    const change = changeOf(validFields(configUpdate, rowFields(row, configNames)));
    const isSet = !isDeepStrictEqual(this.health.config, UNSET_HEALTH);
    this.plan.addHealthConfig(isSet, { ...this.health.config, ...change });
  }
}

/** Whether a setting is more than what every new database begins with. */
function isSetting(key: string, value: string): boolean {
  if (value === "") return false;
  return key !== CLEANUP_POLICY || !isDeepStrictEqual(readCleanupPolicy(value), readCleanupPolicy(""));
}

const UNSET_HEALTH: CompleteHealthConfig = { ...DEFAULT_HEALTH_CONFIG, skipIfRecentSuccess: true };

/**
 * Makes a provider's texts such that they can be merged over `base`: masks stay where they stand for one of its
 * secrets. Where they stand for nothing that is known here, they go.
 *
 * @returns whether any went
 */
function restoreProvider(fields: Map<string, unknown>, base: ProviderFields): boolean {
  let dropped = false;
  const config = fields.get("config");
  // A longer one is refused when it is validated, and nobody has to read it before that.
  if (typeof config === "string" && config.length <= CONFIG_LIMIT) {
    const own = unredacted(config);
    const fits = own === maskConfig(base.config) || mergeConfig(base.config, own).ok;
    const kept = fits ? own : withoutMaskedMembers(own);
    dropped ||= kept !== own;
    fields.set("config", kept);
  }
  for (const name of ["console", "proxy"] as const) {
    const url = fields.get(name);
    if (typeof url !== "string" || mergeUrl(base[name], url, name).ok) continue;
    fields.set(name, base[name] === "" ? urlWithoutMasks(url) : base[name]);
    dropped = true;
  }
  return dropped;
}

/** llmio enhanced writes a mark over the key and leaves the key itself beside it. */
function unredacted(config: string): string {
  let members: unknown;
  try {
    members = JSON.parse(config);
  } catch {
    return config;
  }
  if (typeof members !== "object" || members === null || !("original_api_key" in members)) return config;
  const { original_api_key: original, ...rest } = members as Record<string, unknown>;
  const isMarked = typeof rest.api_key === "string" && isMask(rest.api_key);
  if (!isMarked || typeof original !== "string") return config;
  return JSON.stringify({ ...rest, api_key: original });
}

function isKeyless({ type, config }: ProviderFields): boolean {
  const parsed = isProviderType(type) ? parseProviderConfig(type, config) : null;
  return parsed !== null && parsed.ok && parsed.config.keys.length === 0;
}

/** The name of a row; without one it is refused when it is read. */
function nameIn(fields: Fields): string {
  const name = fields.get("name");
  if (typeof name !== "string" || name.trim() === "") throw new Fault(400, "name is required");
  return name.trim();
}

function memberOf(row: object, name: string): unknown {
  return (row as Record<string, unknown>)[name];
}

/** The id that a row has in its document; `""` = none that is one. */
function idOf(row: object): string {
  return scalarText(memberOf(row, "ID"));
}

/** What a document's secrets hold of a row, and nothing that every object has. */
function ofRow<Value>(secrets: Readonly<Record<string, Value>> | undefined, id: string): Value | undefined {
  return secrets !== undefined && Object.hasOwn(secrets, id) ? secrets[id] : undefined;
}
