/** Associations as the admin API shows and takes them. @module */
import { z } from "@hono/zod-openapi";
import { maskHeaders, mergeHeaders } from "../access/header_secrets.ts";
import type { Association, AssociationFields, AssociationPatch } from "../store/associations.ts";
import { fieldNames } from "./body.ts";
import { Fault } from "./envelope.ts";
import { flagField, idField, must, nameField, priceField, wholeField } from "./fields.ts";
import { extraBodyFault, headerFault, report } from "./overrides.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

/** Largest weight. Sums of weights stay exact far beyond any number of associations. */
const MAX_WEIGHT = 1_000_000;

const CURRENCIES = ["CNY", "USD", ""] as const;

const shape = {
  model_id: idField("The model that is served."),
  provider_name: nameField("The model's name at the provider (not the provider's name)."),
  provider_id: idField("The provider that serves it."),
  tool_call: flagField("Can call tools."),
  structured_output: flagField("Can answer by a JSON schema."),
  image: flagField("Can read images."),
  with_header: flagField("The client's headers go to the provider."),
  customer_headers: z.record(z.string(), z.string(must("a string")), must("an object of strings"))
    .superRefine(report(headerFault)).nullable().transform((headers) => headers ?? {})
    .openapi({
      description: "Headers set on every call. Reads show credentials masked; a mask sent back keeps them.",
    }),
  extra_body: z.record(z.string(), z.unknown(), must("an object")).superRefine(report(extraBodyFault))
    .nullable()
    .transform((fields) => fields ?? {})
    .openapi({
      description: "Fields set in every request body; keys are paths such as `a.b`.",
      type: ["object", "null"],
    }),
  weight: wholeField(0, MAX_WEIGHT, "Share of the traffic; 0 = only when nothing with weight is left."),
  input_price: priceField("Per million fresh input tokens."),
  cache_read_price: priceField("Per million input tokens read from a cache."),
  output_price: priceField("Per million output tokens."),
  currency: z.enum(CURRENCIES, must("CNY or USD")).nullable().transform((currency) => currency ?? "")
    .openapi({ description: "Currency of the prices." }),
  status: z.boolean(must("true or false")).openapi({ description: "The operator's switch." }),
};

/** Body of `POST /api/model-providers`. */
export const associationCreate = z.strictObject({
  ...shape,
  tool_call: shape.tool_call.default(false),
  structured_output: shape.structured_output.default(false),
  image: shape.image.default(false),
  with_header: shape.with_header.default(false),
  customer_headers: shape.customer_headers.default({}),
  extra_body: shape.extra_body.default({}),
  weight: shape.weight.default(1),
  input_price: shape.input_price.default(0),
  cache_read_price: shape.cache_read_price.default(0),
  output_price: shape.output_price.default(0),
  currency: shape.currency.default("CNY"),
  status: shape.status.default(true),
}).openapi("AssociationCreate");

/** Body of `PUT /api/model-providers/:id`; a field left out keeps its value. */
export const associationUpdate = z.strictObject(shape).partial().openapi("AssociationUpdate");

/** Members of both bodies. llmio calls the upstream model `provider_name` in bodies and `ProviderModel` in rows. */
export const associationNames = fieldNames(associationUpdate, {
  provider_model: "provider_name",
  enabled: "status",
});

const nullableFlag = z.boolean().nullable();
const nullablePrice = z.number().nullable();

/** Schema of {@linkcode associationRow}. */
export const associationSchema = z.object({
  ...rowHeadShape,
  ModelID: z.int(),
  ProviderModel: z.string(),
  ProviderID: z.int(),
  ToolCall: nullableFlag,
  StructuredOutput: nullableFlag,
  Image: nullableFlag,
  WithHeader: nullableFlag,
  Status: nullableFlag.openapi({ description: "The operator's switch; null = on." }),
  CustomerHeaders: z.record(z.string(), z.string()).nullable(),
  ExtraBody: z.record(z.string(), z.unknown()).nullable(),
  Weight: z.int(),
  InputPrice: nullablePrice,
  CacheReadPrice: nullablePrice,
  OutputPrice: nullablePrice,
  Currency: z.string(),
}).openapi("Association");

/** An association as llmio's clients read it, without its credentials. */
export function associationRow(association: Association): z.output<typeof associationSchema> {
  const { customerHeaders } = association;
  return {
    ...rowHead(association),
    ModelID: association.modelId,
    ProviderModel: association.providerModel,
    ProviderID: association.providerId,
    ToolCall: association.toolCall,
    StructuredOutput: association.structuredOutput,
    Image: association.image,
    WithHeader: association.withHeader,
    Status: association.status,
    CustomerHeaders: customerHeaders === null ? null : maskHeaders(customerHeaders),
    ExtraBody: association.extraBody,
    Weight: association.weight,
    InputPrice: association.inputPrice,
    CacheReadPrice: association.cacheReadPrice,
    OutputPrice: association.outputPrice,
    Currency: association.currency,
  };
}

/** The fields of a new association. @throws {Fault} when a header holds a mask. */
export function newAssociation(sent: z.output<typeof associationCreate>): AssociationFields {
  return {
    modelId: sent.model_id,
    providerId: sent.provider_id,
    providerModel: sent.provider_name,
    toolCall: sent.tool_call,
    structuredOutput: sent.structured_output,
    image: sent.image,
    withHeader: sent.with_header,
    customerHeaders: mergedHeaders({}, sent.customer_headers),
    extraBody: sent.extra_body,
    weight: sent.weight,
    inputPrice: sent.input_price,
    cacheReadPrice: sent.cache_read_price,
    outputPrice: sent.output_price,
    currency: sent.currency,
  };
}

/** The fields to replace. @throws {Fault} when a header holds a mask that matches no stored credential. */
export function associationPatch(
  stored: Association,
  sent: z.output<typeof associationUpdate>,
): AssociationPatch {
  const patch = {
    modelId: sent.model_id,
    providerId: sent.provider_id,
    providerModel: sent.provider_name,
    toolCall: sent.tool_call,
    structuredOutput: sent.structured_output,
    image: sent.image,
    withHeader: sent.with_header,
    customerHeaders: sent.customer_headers &&
      mergedHeaders(stored.customerHeaders ?? {}, sent.customer_headers),
    extraBody: sent.extra_body,
    weight: sent.weight,
    inputPrice: sent.input_price,
    cacheReadPrice: sent.cache_read_price,
    outputPrice: sent.output_price,
    currency: sent.currency,
  };
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function mergedHeaders(stored: Record<string, string>, sent: Record<string, string>): Record<string, string> {
  const merged = mergeHeaders(stored, sent);
  if (!merged.ok) throw new Fault(400, `Invalid request body: ${merged.reason}`);
  return merged.headers;
}
