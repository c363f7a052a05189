/**
 * The failover state: what is known of keys and associations at this moment (tables `provider_keys` and
 * `association_states`). The gateway works with it in memory; here it survives a restart.
 *
 * @module
 */
import type { KeyState } from "../failover/key_pool.ts";
import type { AssociationState } from "../failover/state.ts";

/** A row of `provider_keys`. */
export interface StoredKey extends Omit<KeyState, "trials"> {
  readonly providerId: number;
  /** The key's hash; its secret is never here. */
  readonly keyId: string;
}

/** A row of `association_states`. */
export interface StoredAssociation extends Omit<AssociationState, "inFlight" | "trials"> {
  readonly associationId: number;
  readonly providerId: number;
}

/** Everything that is stored. */
export interface StoredState {
  /** The day that `usedToday` belongs to, `2026-05-20`; `""` = nothing was counted yet. */
  readonly day: string;
  readonly keys: readonly StoredKey[];
  readonly associations: readonly StoredAssociation[];
}

/** What has changed: rows to write and rows to drop. */
export interface StateChange extends StoredState {
  readonly goneKeys: readonly Pick<StoredKey, "providerId" | "keyId">[];
  readonly goneAssociations: readonly number[];
}
