/** Lists of the models that clients may ask for. @module */
import type { ClientKey } from "../access/client_keys.ts";
import type { Protocol } from "../protocols/protocol.ts";
import { maySee } from "./key_permit.ts";
import type { RoutedModel, RoutingTable } from "./routing_table.ts";

/**
 * Models with at least one association, switched on or not, to a provider of these protocols; by id.
 *
 * @param key shows what this key may use; `null` = everything
 */
export function listedModels(
  table: RoutingTable,
  protocols: readonly Protocol[],
  key: ClientKey | null,
): RoutedModel[] {
  return table.models.filter(({ name, routes }) => {
    const fit = routes.filter(({ protocol }) => protocols.includes(protocol));
    return fit.length > 0 && maySee(key, { name, routes: fit });
  });
}

/** The list in OpenAI's shape (https://platform.openai.com/docs/api-reference/models/list). */
export function openaiModelList(table: RoutingTable, key: ClientKey | null): Record<string, unknown> {
  return { object: "list", data: listedModels(table, ["openai", "openai-res"], key).map(openaiModel) };
}

/** One model in OpenAI's shape. */
export function openaiModel(model: RoutedModel): Record<string, unknown> {
  return { id: model.name, object: "model", created: model.created, owned_by: "llmio" };
}

/**
 * The list in Anthropic's shape (https://docs.claude.com/en/api/models-list). There is always one page of it, whatever
 * page a client asks for.
 */
export function anthropicModelList(table: RoutingTable, key: ClientKey | null): Record<string, unknown> {
  const data = listedModels(table, ["anthropic"], key).map(anthropicModel);
  return { data, first_id: data.at(0)?.id ?? null, has_more: false, last_id: data.at(-1)?.id ?? null };
}

/** The list in Gemini's shape (https://ai.google.dev/api/models#method:-models.list), as llmio gives it. */
export function geminiModelList(table: RoutingTable, key: ClientKey | null): Record<string, unknown> {
  return { models: listedModels(table, ["gemini"], key).map(geminiModel) };
}

/** One model in Gemini's shape. */
export function geminiModel({ name }: RoutedModel): Record<string, unknown> {
  return {
    name: `models/${name}`,
    displayName: name,
    supportedGenerationMethods: ["generateContent", "streamGenerateContent"],
  };
}

/** One model in Anthropic's shape. */
export function anthropicModel(model: RoutedModel): { readonly id: string } & Record<string, unknown> {
  const created_at = new Date(model.created * 1000).toISOString().replace(".000Z", "Z");
  return { type: "model", id: model.name, display_name: model.name, created_at };
}
