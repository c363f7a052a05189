/** Routes of associations, which llmio calls model-providers. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { withoutAlias } from "../gateway/model_alias.ts";
import type { Association } from "../store/associations.ts";
import { MissingReference } from "../store/store.ts";
import {
  associationCreate,
  associationNames,
  associationPatch,
  associationRow,
  associationSchema,
  associationUpdate,
  newAssociation,
} from "./association_fields.ts";
import { associationAudit } from "./audit_rows.ts";
import { changedFields, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { pathId, requiredIdQuery } from "./query.ts";
import { route } from "./route.ts";
import { switchNames, switchSchema, wantedState } from "./status_switch.ts";

const tag = "associations";

const STATUS_QUERY_MISSING = "provider_id, model_name and provider_model query parameters are required";
const requiredText = (description: string) =>
  z.string(STATUS_QUERY_MISSING).min(1, STATUS_QUERY_MISSING).openapi({ description });

const ofModelQuery = z.object({
  model_id: requiredIdQuery(
    "model_id query parameter is required",
    "Invalid model_id format",
    "The model's id.",
  ),
});

const statusQuery = z.object({
  provider_id: requiredIdQuery(STATUS_QUERY_MISSING, "Invalid provider_id format", "The provider's id."),
  model_name: requiredText("The model's public name."),
  provider_model: requiredText("The model's name at the provider."),
});

/** Registers the routes. */
export function associationRoutes(app: OpenAPIHono, context: AdminContext): void {
  readRoutes(app, context);
  writeRoutes(app, context);
  statusRoute(app, context);
}

function readRoutes(app: OpenAPIHono, { store }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/model-providers",
    tag,
    summary: "The associations of a model, oldest first",
    query: ofModelQuery,
    data: z.array(associationSchema),
  }, async (c, query) => success(c, (await store.associations.ofModel(query.model_id)).map(associationRow)));

  route(app, {
    method: "get",
    path: "/model-providers/status",
    tag,
    summary: "Outcomes of the latest ten finished attempts, oldest first; true = success",
    query: statusQuery,
    data: z.array(z.boolean()),
    faults: [404],
  }, async (c, query) => {
    const provider = await store.providers.get(query.provider_id);
    if (provider === null) throw new Fault(404, "Provider not found");
    const of = {
      providerName: provider.name,
      providerModel: withoutAlias(provider, query.provider_model),
      modelName: query.model_name,
    };
    return success(c, await store.logs.latestOutcomes(of));
  });
}

function writeRoutes(app: OpenAPIHono, { store, writes }: AdminContext): void {
  route(app, {
    method: "post",
    path: "/model-providers",
    tag,
    summary: "Let a provider serve a model",
    audit: associationAudit("association.create", store),
    body: associationCreate,
    data: associationSchema,
    faults: [422],
  }, async (c) => {
    const sent = validFields(associationCreate, await readFields(c, associationNames));
    const fields = newAssociation(sent);
    const created = await writes.run(async () => {
      const row = await ifReferencesExist(store.associations.create(fields));
      return sent.status ? row : found(await store.associations.setEnabled(row.id, false));
    });
    return success(c, associationRow(created));
  });

  route(app, {
    method: "put",
    path: "/model-providers/{id}",
    tag,
    summary: "Change an association; a field left out keeps its value",
    audit: associationAudit("association.update", store),
    body: associationUpdate,
    data: associationSchema,
    faults: [404, 422],
  }, async (c) => {
    const id = pathId(c);
    const fields = await readFields(c, associationNames);
    const updated = await writes.run(async () => {
      const stored = found(await store.associations.get(id));
      const sent = validFields(
        associationUpdate,
        changedFields(fields, associationRow(stored), associationNames),
      );
      if (Object.keys(sent).length === 0) return stored;
      const row = await ifReferencesExist(store.associations.update(id, associationPatch(stored, sent)));
      return found(sent.status === undefined ? row : await store.associations.setEnabled(id, sent.status));
    });
    return success(c, associationRow(updated));
  });

  route(app, {
    method: "delete",
    path: "/model-providers/{id}",
    tag,
    summary: "Delete an association",
    audit: associationAudit("association.delete", store),
    faults: [404],
  }, async (c) => {
    const id = pathId(c);
    if (!await writes.run(() => store.associations.remove(id))) found(null);
    return success(c);
  });
}

function statusRoute(app: OpenAPIHono, { store, writes }: AdminContext): void {
  route(app, {
    method: "patch",
    path: "/model-providers/{id}/status",
    tag,
    summary: "Switch an association on or off",
    audit: associationAudit("association.switch", store),
    body: switchSchema,
    data: associationSchema,
    faults: [404],
  }, async (c) => {
    const id = pathId(c);
    // llmio takes a missing status for false here, and scripts may lean on it.
    const enabled = wantedState(await readFields(c, switchNames)) ?? false;
    return success(
      c,
      associationRow(found(await writes.run(() => store.associations.setEnabled(id, enabled)))),
    );
  });
}

function found(association: Association | null): Association {
  if (association === null) throw new Fault(404, "Model-provider association not found");
  return association;
}

async function ifReferencesExist<Row>(writing: Promise<Row>): Promise<Row> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof MissingReference) throw new Fault(422, `Invalid request body: ${error.message}`);
    throw error;
  }
}
