/** What a probe of a provider calls: which model, with which keys. @module */
import { keyDeadline, type KeyStatus, keyStatus } from "../failover/key_pool.ts";
import { KEYLESS, keyStateId } from "../gateway/key_state_id.ts";
import type { LiveState } from "../gateway/live_state.ts";

import type { RoutingTable, Target } from "../gateway/routing_table.ts";
import {
  ALL_KEYS_OFF,
  isProviderType,
  keysOn,
  parseProviderConfig,
  type ProviderConfig,
  type ProviderKey,
  type ProviderType,
} from "../protocols/provider_config.ts";
import type { Association } from "../store/associations.ts";
import type { Provider } from "../store/providers.ts";

/** An upstream model that a probe can call. */
export interface ProbeModel {
  /** Its name at the provider. */
  readonly name: string;
  /** How it is called by requests; `null` = it is only named by the provider's `check_model`. */
  readonly target: Target | null;
}

/** A credential of the provider. */
export interface ProbeKey {
  /** Its id in the live state. */
  readonly id: string;
  readonly secret: string;
  readonly status: KeyStatus;
}

/** What a probe calls. */
export interface ProbePlan {
  readonly provider: Provider;
  readonly protocol: ProviderType;
  readonly config: ProviderConfig;
  /** The best one first. Empty = the provider's model list is asked for. */
  readonly models: readonly ProbeModel[];
  /** All associations of the provider. */
  readonly associationIds: readonly number[];
  /** The one to use first. */
  readonly keys: readonly [ProbeKey, ...ProbeKey[]];
}

/** What plans are made from. */
export interface PlanInput {
  readonly provider: Provider;
  /** Those of the provider. */
  readonly associations: readonly Association[];
  readonly table: RoutingTable;
  readonly live: LiveState;
  /** Epoch ms. */
  readonly now: number;
}

/** A plan, or why the provider cannot be called at all. */
export type PlanResult =
  | { readonly ok: true; readonly plan: ProbePlan }
  | { readonly ok: false; readonly reason: string };

/** A second model is called when the first is not there; a longer search would cost more than it tells. */
const MAX_MODELS = 2;

/** Plans a probe. */
export function planProbe(input: PlanInput): PlanResult {
  const { provider } = input;
  const parsed = parseProviderConfig(provider.type, provider.config);
  if (!parsed.ok) return parsed;
  if (!isProviderType(provider.type)) return { ok: false, reason: "the provider type is unknown" };
  const { config } = parsed;
  const keys = keysOn(config);
  if (keys === null) return { ok: false, reason: ALL_KEYS_OFF };
  return {
    ok: true,
    plan: {
      provider,
      protocol: provider.type,
      config,
      models: planModels(config.checkModel, input),
      associationIds: input.associations.map(({ id }) => id),
      keys: planKeys(keys, input),
    },
  };
}

/** Whether every key rests because the vendor asked for it. A check that nobody waits for can wait, too. */
export function isResting(plan: ProbePlan): boolean {
  return plan.keys[0].status === "cooling";
}

function planModels(checkModel: string, { associations, table, live, now }: PlanInput): ProbeModel[] {
  const known = associations.flatMap((association) => {
    const target = table.target(association.id);
    return target === undefined || association.status === false ? [] : [target];
  });
  if (checkModel !== "") {
    const target = known.find(({ providerModel }) => providerModel === checkModel) ?? null;
    return [{ name: checkModel, target }];
  }
  const cools = ({ associationId }: Target) =>
    (live.association(associationId)?.cooldown?.until ?? 0) > now ? 1 : 0;
  return known.toSorted((one, other) =>
    cools(one) - cools(other) || price(one) - price(other) || one.associationId - other.associationId
  ).slice(0, MAX_MODELS).map((target) => ({ name: target.providerModel, target }));
}

function price({ inputPrice, outputPrice }: Target): number {
  return inputPrice + outputPrice;
}

/** Usable keys first, in the order of the pool; a refused one before one that rests; of those the soonest first. */
function planKeys(
  keys: readonly ProviderKey[],
  { provider, live, now }: PlanInput,
): [ProbeKey, ...ProbeKey[]] {
  const planned = (keyId: string, secret: string): ProbeKey => {
    const id = keyStateId(provider.id, keyId);
    return { id, secret, status: keyStatus(live.key(id), now) };
  };
  const [first = planned(KEYLESS, ""), ...rest] = keys
    .map(({ id, secret }) => planned(id, secret))
    .toSorted((one, other) => RANK[one.status] - RANK[other.status] || deadline(one) - deadline(other));
  return [first, ...rest];

  function deadline({ id, status }: ProbeKey): number {
    return status === "usable" ? 0 : keyDeadline(live.key(id));
  }
}

const RANK: Readonly<Record<KeyStatus, number>> = { usable: 0, trial: 1, bad: 2, cooling: 3 };
