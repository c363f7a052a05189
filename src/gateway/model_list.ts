/** Lists of the models that clients may ask for. @module */
import type { Protocol } from "../protocols/protocol.ts";
import type { RoutedModel, RoutingTable } from "./routing_table.ts";

/** Models with at least one association, switched on or not, to a provider of these protocols; by id. */
export function listedModels(table: RoutingTable, protocols: readonly Protocol[]): RoutedModel[] {
  return table.models.filter((model) => model.routes.some((route) => protocols.includes(route.protocol)));
}

/** The list in OpenAI's shape (https://platform.openai.com/docs/api-reference/models/list). */
export function openaiModelList(table: RoutingTable): Record<string, unknown> {
  return { object: "list", data: listedModels(table, ["openai", "openai-res"]).map(openaiModel) };
}

/** One model in OpenAI's shape. */
export function openaiModel(model: RoutedModel): Record<string, unknown> {
  return { id: model.name, object: "model", created: model.created, owned_by: "llmio" };
}
