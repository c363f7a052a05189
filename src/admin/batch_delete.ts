/** Deletes many providers or models at once, in one transaction. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { auditedProvider } from "./audit_rows.ts";
import type { Audit } from "./audit_trail.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { idField, must } from "./fields.ts";
import { auditedModel } from "./models.ts";
import { route } from "./route.ts";

/** Most ids in one request. */
const MAX_IDS = 10_000;

const ids = must(`an array of 1 to ${MAX_IDS} ids`);
const deleteBody = z.strictObject({
  ids: z.array(idField("The row's id."), ids).min(1, ids).max(MAX_IDS, ids).openapi({
    description: "Ids of the rows; one that no row has is told back.",
  }),
}).openapi("BatchDelete");
const deleteNames = fieldNames(deleteBody);

const deletedSchema = z.object({
  deleted_count: z.int(),
  deleted_ids: z.array(z.int()),
  missing_ids: z.array(z.int()).openapi({ description: "Ids that no row has; nothing was done about them." }),
}).openapi("BatchDeleted");

/** Registers the routes. */
export function batchDeleteRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { providers, models } = context.store;
  batchDelete(app, context, {
    resource: "providers",
    noun: "Provider",
    audit: {
      action: "provider.delete",
      rows: async () => (await providers.list({})).map(auditedProvider),
    },
  });
  batchDelete(app, context, {
    resource: "models",
    noun: "Model",
    audit: { action: "model.delete", rows: async () => (await models.list()).map(auditedModel) },
  });
}

/** What is deleted. */
interface Deleted {
  readonly resource: "providers" | "models";
  readonly noun: string;
  readonly audit: Audit;
}

function batchDelete(
  app: OpenAPIHono,
  { store, writes }: AdminContext,
  { resource, noun, audit }: Deleted,
): void {
  route(app, {
    method: "post",
    path: `/${resource}/batch-delete`,
    tag: resource,
    summary: `Delete ${resource} and their associations, all in one transaction`,
    body: deleteBody,
    data: deletedSchema,
    faults: [404],
    audit,
  }, async (c) => {
    const { ids } = validFields(deleteBody, await readFields(c, deleteNames));
    const deleted = await writes.run(() => store[resource].remove(ids));
    const missing = [...new Set(ids).difference(new Set(deleted))];
    // As of a single deletion; only where something was deleted are the others a mere remark.
    if (deleted.length === 0) throw new Fault(404, `${noun} not found: ${missing.slice(0, 20).join(", ")}`);
    return success(c, { deleted_count: deleted.length, deleted_ids: deleted, missing_ids: missing });
  });
}
