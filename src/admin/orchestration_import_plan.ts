/** Turns what OrchestrationApi exports into the plan of an import. @module */
import { hashKey, keyMask } from "../access/key_text.ts";
import type { UpstreamPolicy } from "../access/upstream_policy.ts";
import type { Association, AssociationFields } from "../store/associations.ts";
import type { AuthKey, AuthKeyFields } from "../store/auth_keys.ts";
import type { RowReference } from "../store/batch.ts";
import { associationCreate, newAssociation } from "./association_fields.ts";
import { newAuthKeyFields } from "./auth_key_fields.ts";
import { validFields } from "./body.ts";
import { Fault } from "./envelope.ts";
import type { ImportFate, ImportPlan } from "./import_plan.ts";
import { mergedModel, modelCreate, NEW_MODEL } from "./models.ts";
import type { LooseRow, OrchestrationExport } from "./orchestration_import_document.ts";
import { type ImportedGroup, readGroup } from "./orchestration_import_group.ts";
import { mergedProvider, NEW_PROVIDER, providerUpdate } from "./provider_fields.ts";

/** What became of a group or of a key, in words. */
export interface ImportReport {
  readonly name: string;
  readonly fate: ImportFate;
  readonly messages: string[];
}

/** Keys shorter than this would be found by trying. */
const SHORTEST_KEY = 16;
const MAX_ATTEMPTS = 1000;
const MAX_TIME_OUT_SECONDS = 86_400;

/** Plans one import. */
export class OrchestrationPlanner {
  readonly groups: ImportReport[] = [];
  readonly proxyKeys: ImportReport[] = [];
  readonly #faults: string[] = [];
  /** Rows by the ids and names of their groups. */
  readonly #providers = new Map<string, RowReference>();

  constructor(readonly plan: ImportPlan, readonly policy: UpstreamPolicy) {}

  /** @throws {Fault} that names what cannot be imported; then nothing may be */
  read({ groups, proxyKeys }: OrchestrationExport): void {
    const written: { readonly group: ImportedGroup; readonly provider: RowReference }[] = [];
    for (const [index, row] of groups.entries()) {
      this.#attempt(`groups[${index}]`, row, "group_name", () => {
        const group = readGroup(row);
        const provider = this.#provider(group);
        if (provider !== null) written.push({ group, provider });
      });
    }
    const byModel = Map.groupBy(
      written.flatMap(({ group }) => group.models.map((model) => ({ model, group }))),
      ({ model }) => model,
    );
    for (const [name, served] of byModel) {
      this.#attempt(
        `model ${JSON.stringify(name.slice(0, 100))}`,
        null,
        "",
        () => this.#model(name, served.map(({ group }) => group)),
      );
    }
    for (const { group, provider } of written) {
      this.#attempt(`group ${group.name}`, null, "", () => this.#associations(group, provider));
    }
    for (const [index, row] of proxyKeys.entries()) {
      this.#attempt(`proxy_keys[${index}]`, row, "key_name", () => this.#proxyKey(row));
    }
    if (this.#faults.length > 0) {
      throw new Fault(400, `Nothing was imported. ${this.#faults.slice(0, 20).join("; ")}`);
    }
  }

  #attempt(where: string, row: LooseRow | null, nameMember: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const called = row !== null && row.has(nameMember) ? ` (${shortName(row, nameMember)})` : "";
      this.#faults.push(`${where}${called}: ${error.message.replace(/^Invalid request body: /, "")}`);
    }
  }

  /** @returns `null` when it is skipped */
  #provider(group: ImportedGroup): RowReference | null {
    const { name, messages } = group;
    const fate = this.plan.addProvider(name, (stored) => {
      const sent = validFields(providerUpdate, group.provider);
      return { fields: mergedProvider(stored ?? NEW_PROVIDER, sent, this.policy), enabled: group.enabled };
    });
    const reference = this.plan.providerNamed(name);
    if (reference !== null) { for (const key of [group.id, name]) this.#providers.set(key, reference); }
    const skipped = ["a provider of this name exists: it was left as it is (mode=update replaces it)"];
    this.groups.push({ name, fate, messages: fate === "skipped" ? skipped : [...messages] });
    return fate === "skipped" ? null : reference;
  }

  /** A model that exists stays as it is in any mode: groups say nothing of it. */
  #model(name: string, groups: readonly ImportedGroup[]): void {
    if (this.plan.modelNamed(name) !== null) {
      this.plan.counts.models.skipped++;
      return;
    }
    const attempts = groups.reduce((sum, group) => sum + group.attempts, 0);
    const timeOut = Math.max(...groups.map(({ timeOutSeconds }) => timeOutSeconds)) ||
      NEW_MODEL.timeOutSeconds;
    const sent = validFields(
      modelCreate,
      new Map<string, unknown>([
        ["name", name],
        ["max_retry", Math.min(attempts, MAX_ATTEMPTS)],
        ["time_out", Math.min(timeOut, MAX_TIME_OUT_SECONDS)],
      ]),
    );
    this.plan.addModel(name, () => ({ fields: mergedModel(NEW_MODEL, sent), displayOrder: null }));
  }

  /** Both ends of an alias keep its name, so that a change of the provider's aliases acts on it. */
  #associations(group: ImportedGroup, provider: RowReference): void {
    for (const name of group.models) {
      const model = this.plan.modelNamed(name);
      if (model === null) continue;
      this.plan.addAssociation({ model, provider }, name, (stored) => {
        const { modelId: _, providerId: __, ...fields } = newAssociation(validFields(
          associationCreate,
          new Map<string, unknown>([
            // Filled in when the rows are written.
            ...[["model_id", 1], ["provider_id", 1]] as const,
            ["provider_name", name],
            // Groups are asked for everything.
            ...["tool_call", "structured_output", "image"].map((each) => [each, true] as const),
            ["customer_headers", group.headers],
          ]),
        ));
        return stored === null
          ? { fields, enabled: true }
          : { fields: keptFields(stored, fields), enabled: stored.status ?? true };
      });
    }
  }

  #proxyKey(row: LooseRow): void {
    const name = row.text("key_name");
    if (name === "") throw new Fault(400, "key_name is required");
    const messages: string[] = [];
    let fate: ImportFate = "skipped";
    const secret = row.text("key_value");
    const rpm = row.whole("rpm_limit", 0);
    this.plan.addAuthKey(name, (stored) => {
      const { providers: _, ...fields } = newAuthKeyFields(
        new Map<string, unknown>([
          ["name", name],
          ["status", row.flag(row.has("is_active") ? "is_active" : "enabled", true)],
          ["allow_all", true],
          ["requests_per_minute", rpm > 0 ? rpm : null],
        ]),
      );
      const allowed = row.texts("allowed_groups");
      const providers = allowed.flatMap((group) => this.#providers.get(group) ?? []);
      const fault = this.#keyFault(
        stored === null ? secret : null,
        allowed.length > 0 && providers.length === 0,
      );
      if (fault !== null) {
        messages.push(fault);
        return null;
      }
      if (providers.length < allowed.length) {
        messages.push("some of its allowed_groups are unknown and were left out");
      }
      if (stored !== null && secret !== "" && hashKey(secret) !== (stored.hash || hashKey(stored.key))) {
        messages.push("key_value does not come along: the key that it has here goes on");
      }
      fate = stored === null ? "created" : "updated";
      return {
        fields: stored === null ? fields : keptKeyFields(stored, fields),
        providers: allowed.length === 0 ? null : providers,
        secret: { hash: hashKey(secret), mask: keyMask(secret) },
      };
    });
    if (fate === "skipped" && messages.length === 0) {
      messages.push("a key of this name exists: it was left as it is");
    }
    if (fate !== "skipped" && !["", "failover"].includes(row.text("group_balance_policy").toLowerCase())) {
      messages.push(
        "group_balance_policy does not come along: priorities of providers and strategies of models decide",
      );
    }
    this.proxyKeys.push({ name, fate, messages });
  }

  /** Why a key cannot be taken over. @param secret of one that would be new, else `null` */
  #keyFault(secret: string | null, isShutOut: boolean): string | null {
    if (isShutOut) return "it was skipped: none of its allowed_groups is known, and it may use no others";
    if (secret === null) return null;
    if (secret.length < SHORTEST_KEY) {
      return `it was skipped: key_value must have at least ${SHORTEST_KEY} characters`;
    }
    return this.plan.takeHash(hashKey(secret))
      ? null
      : "it was skipped: the same key exists under another name";
  }
}

/** What an association that exists keeps: all but the headers, of which the group speaks. */
function keptFields(
  { toolCall, structuredOutput, image, withHeader, extraBody, ...stored }: Association,
  fields: Omit<AssociationFields, "modelId" | "providerId">,
): Omit<AssociationFields, "modelId" | "providerId"> {
  return {
    ...fields,
    toolCall: toolCall ?? false,
    structuredOutput: structuredOutput ?? false,
    image: image ?? false,
    withHeader: withHeader ?? false,
    extraBody: extraBody ?? {},
    weight: stored.weight,
    inputPrice: stored.inputPrice ?? 0,
    cacheReadPrice: stored.cacheReadPrice ?? 0,
    outputPrice: stored.outputPrice ?? 0,
    currency: stored.currency,
  };
}

/** What a key that exists keeps: its models, its end, its budgets and all else that those there do not have. */
function keptKeyFields(
  { providers: _, ...stored }: AuthKey,
  { status, requestsPerMinute }: Pick<AuthKeyFields, "status" | "requestsPerMinute">,
): Omit<AuthKeyFields, "providers"> {
  return { ...stored, status, requestsPerMinute };
}

function shortName(row: LooseRow, member: string): string {
  try {
    return row.text(member).slice(0, 100);
  } catch (error) {
    if (error instanceof Fault) return "?";
    throw error;
  }
}
