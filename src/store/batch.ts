/** Many changes of the configuration that come into force together or not at all. @module */
import type { AssociationFields } from "./associations.ts";
import type { AuthKeyFields } from "./auth_keys.ts";
import type { Config } from "./configs.ts";
import type { CompleteHealthConfig } from "./health.ts";
import type { ModelFields } from "./models.ts";
import type { ProviderFields } from "./providers.ts";

/** A provider to create or, with an id, to replace. */
export interface ProviderWrite {
  /** The live row to replace; `null` = create one. */
  readonly id: number | null;
  readonly fields: ProviderFields;
  /** The operator's switch. */
  readonly enabled: boolean;
}

/** A model to create or, with an id, to replace. */
export interface ModelWrite {
  readonly id: number | null;
  readonly fields: ModelFields;
  /** `null` = as it is; of a new one: the highest so far plus one. */
  readonly displayOrder: number | null;
}

/** Another row: one that is live already, or the n-th (from 0) that this batch writes. */
export type RowReference = { readonly id: number } | { readonly write: number };

/** An association to create or, with an id, to replace. */
export interface AssociationWrite {
  readonly id: number | null;
  readonly model: RowReference;
  readonly provider: RowReference;
  readonly fields: Omit<AssociationFields, "modelId" | "providerId">;
  readonly enabled: boolean;
}

/** An auth key to create or, with an id, to change. */
export interface AuthKeyWrite {
  readonly id: number | null;
  readonly fields: Omit<AuthKeyFields, "providers">;
  /** `null` = all. */
  readonly providers: readonly RowReference[] | null;
  /** The key of one to create. */
  readonly secret: { readonly hash: string; readonly mask: string };
}

/** The changes, written in this order. */
export interface Batch {
  readonly providers: readonly ProviderWrite[];
  readonly models: readonly ModelWrite[];
  readonly associations: readonly AssociationWrite[];
  readonly authKeys: readonly AuthKeyWrite[];
  readonly configs: readonly Config[];
  /** `null` = stays as it is. */
  readonly healthConfig: CompleteHealthConfig | null;
}

/** Ids of the written rows, in the order of the batch. */
export interface BatchResult {
  readonly providers: readonly number[];
  readonly models: readonly number[];
  readonly associations: readonly number[];
}
