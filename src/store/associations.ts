/** Associations: this model is served by that provider under this name (table `model_with_providers`). @module */

/** What an operator sets on an association. */
export interface AssociationFields {
  modelId: number;
  providerId: number;
  /** The model's name at the provider. */
  providerModel: string;
  toolCall: boolean;
  structuredOutput: boolean;
  image: boolean;
  /** The client's headers go to the provider. */
  withHeader: boolean;
  /** Headers set on every call. */
  customerHeaders: Record<string, string>;
  /** Fields set in every request body; keys are paths. */
  extraBody: Record<string, unknown>;
  /** Share of the traffic; 0 = only when nothing with weight is left. */
  weight: number;
  /** Prices per million tokens. */
  inputPrice: number;
  cacheReadPrice: number;
  outputPrice: number;
  currency: string;
}

/** Fields to replace; missing ones keep their value. */
export type AssociationPatch = Partial<AssociationFields>;

/** A live row of `model_with_providers`. Columns that older programs left NULL are `null` where that is shown. */
export interface Association extends
  Omit<
    AssociationFields,
    | "toolCall"
    | "structuredOutput"
    | "image"
    | "withHeader"
    | "customerHeaders"
    | "extraBody"
    | "inputPrice"
    | "cacheReadPrice"
    | "outputPrice"
  > {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  /** `null` = not capable. */
  toolCall: boolean | null;
  structuredOutput: boolean | null;
  image: boolean | null;
  /** `null` = no. */
  withHeader: boolean | null;
  /** The operator's switch (column `status`); `null` = on. */
  status: boolean | null;
  customerHeaders: Record<string, string> | null;
  extraBody: Record<string, unknown> | null;
  inputPrice: number | null;
  cacheReadPrice: number | null;
  outputPrice: number | null;
}
