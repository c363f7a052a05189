/** Models: the public names that clients ask for. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Model, ModelFields } from "../store/models.ts";
import { NameTaken, type Store } from "../store/store.ts";
import type { Audit, AuditedRow } from "./audit_trail.ts";
import { changedFields, fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { flagField, must, nameField, textField, wholeField } from "./fields.ts";
import { pageData, pageRequest, pageSchema, pagingQuery, pathId, textQuery } from "./query.ts";
import { route } from "./route.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const tag = "models";

/** Balancing strategies (DESIGN.md, section 5). */
export const STRATEGIES = [
  "lottery",
  "rotor",
  "round_robin",
  "least_used",
  "least_busy",
  "fastest",
  "sticky",
] as const;

/**
 * A model of which only the name is known. The figures are those that the web UI fills in; with 0 attempts, which is
 * what llmio takes for a missing figure, a model never answers.
 */
export const NEW_MODEL: ModelFields = {
  name: "",
  remark: "",
  maxRetry: 10,
  timeOutSeconds: 60,
  firstTokenTimeoutSeconds: 0,
  strategy: "lottery",
  breaker: false,
};

const shape = {
  name: nameField("Public name that clients ask for; unique."),
  remark: textField("Note for people."),
  max_retry: wholeField(1, 1000, "Attempts in total, the first one included."),
  time_out: wholeField(0, 86_400, "Seconds that an attempt may take until its answer begins; 0 = no limit."),
  first_token_timeout: wholeField(
    0,
    86_400,
    "Seconds that a stream may take until its first output; 0 = as long as time_out allows.",
  ),
  strategy: z.enum([...STRATEGIES, ""], must(`one of ${STRATEGIES.join(", ")}`)).nullable()
    .transform((strategy) => strategy || "lottery").openapi({
      description: "Balancing strategy; empty = lottery.",
    }),
  breaker: flagField("Circuit breaker on."),
};

/** Body of `POST /api/models`. */
export const modelCreate = z.strictObject({
  ...shape,
  remark: shape.remark.default(""),
  max_retry: shape.max_retry.default(NEW_MODEL.maxRetry),
  time_out: shape.time_out.default(NEW_MODEL.timeOutSeconds),
  first_token_timeout: shape.first_token_timeout.default(NEW_MODEL.firstTokenTimeoutSeconds),
  strategy: shape.strategy.default("lottery"),
  breaker: shape.breaker.default(false),
}).openapi("ModelCreate");

/** Body of `PUT /api/models/:id`; a field left out keeps its value. */
export const modelUpdate = z.strictObject(shape).partial().openapi("ModelUpdate");
/** Members of both bodies. The display order is set for all models at once, by `PATCH /api/models/order`. */
export const modelNames = fieldNames(modelUpdate, {}, ["DisplayOrder"]);

const modelSchema = z.object({
  ...rowHeadShape,
  Name: z.string(),
  Remark: z.string(),
  MaxRetry: z.int(),
  TimeOut: z.int().openapi({ description: "Seconds." }),
  Strategy: z.string(),
  Breaker: z.boolean(),
  DisplayOrder: z.int().openapi({ description: "Larger is shown first." }),
  FirstTokenTimeout: z.int().openapi({ description: "Seconds." }),
}).openapi("Model");

const orderEntry = must("an array of whole numbers");
const orderBody = z.strictObject({
  model_ids: z.array(z.int(orderEntry), orderEntry).optional().openapi({
    description: "First = shown first.",
  }),
}).openapi("ModelOrder");
const orderNames = fieldNames(orderBody);

const listQuery = z.object({
  ...pagingQuery,
  search: z.string().trim().optional().openapi({ description: "Part of the name." }),
  strategy: textQuery("The strategy.").refine(
    (text) => text === undefined || (STRATEGIES as readonly string[]).includes(text),
    "invalid strategy filter",
  ),
});

/** Registers the routes. */
export function modelRoutes(app: OpenAPIHono, context: AdminContext): void {
  readRoutes(app, context);
  writeRoutes(app, context);
  orderRoute(app, context);
}

function readRoutes(app: OpenAPIHono, { store }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/models",
    tag,
    summary: "A page of models, newest first; without any parameter all of them as an array, oldest first",
    query: listQuery,
    data: z.union([pageSchema(modelSchema), z.array(modelSchema)]),
  }, async (c, query) => {
    // The fork's clients send no parameter and expect an array; upstream's always send one and expect a page.
    const isPaged = Object.keys(listQuery.shape).some((name) => c.req.query(name) !== undefined);
    if (!isPaged) return success(c, (await store.models.list()).reverse().map(modelRow));
    const { search, strategy } = query;
    const filter = { ...(search ? { search } : {}), ...(strategy === undefined ? {} : { strategy }) };
    const request = pageRequest(query);
    return success(c, pageData(await store.models.page(filter, request), request, modelRow));
  });

  route(app, {
    method: "get",
    path: "/models/select",
    tag,
    summary: "All models, newest first",
    data: z.array(modelSchema),
  }, async (c) => success(c, (await store.models.list()).map(modelRow)));
}

function writeRoutes(app: OpenAPIHono, { store, writes }: AdminContext): void {
  route(app, {
    method: "post",
    path: "/models",
    tag,
    summary: "Add a model",
    audit: modelAudit("model.create", store),
    body: modelCreate,
    data: modelSchema,
    faults: [409],
  }, async (c) => {
    const fields = mergedModel(NEW_MODEL, validFields(modelCreate, await readFields(c, modelNames)));
    const created = await writes.run(() => unlessTaken(fields.name, store.models.create(fields)));
    return success(c, modelRow(created));
  });

  route(app, {
    method: "put",
    path: "/models/{id}",
    tag,
    summary: "Change a model; a field left out keeps its value",
    audit: modelAudit("model.update", store),
    body: modelUpdate,
    data: modelSchema,
    faults: [404, 409],
  }, async (c) => {
    const id = pathId(c);
    const fields = await readFields(c, modelNames);
    const updated = await writes.run(async () => {
      const stored = found(await store.models.get(id));
      const sent = validFields(modelUpdate, changedFields(fields, modelRow(stored), modelNames));
      if (Object.keys(sent).length === 0) return stored;
      const next = mergedModel(stored, sent);
      return found(await unlessTaken(next.name, store.models.update(id, next)));
    });
    return success(c, modelRow(updated));
  });

  route(app, {
    method: "delete",
    path: "/models/{id}",
    tag,
    summary: "Delete a model and its associations",
    audit: modelAudit("model.delete", store),
    faults: [404],
  }, async (c) => {
    const id = pathId(c);
    const removed = await writes.run(() => store.models.remove([id]));
    if (removed.length === 0) throw new Fault(404, "Model not found");
    return success(c);
  });
}

function orderRoute(app: OpenAPIHono, { store, writes }: AdminContext): void {
  route(app, {
    method: "patch",
    path: "/models/order",
    tag,
    summary: "Set the order in which models are shown",
    audit: { action: "model.reorder", row: async () => orderOf(await store.models.list()) },
    body: orderBody,
    data: z.object({ updated: z.int() }),
  }, async (c) => {
    const { model_ids: ids = [] } = validFields(orderBody, await readFields(c, orderNames));
    refuseBadOrder(ids);
    const { updated, missing } = await writes.run(() => store.models.reorder(ids));
    if (missing.length > 0) throw new Fault(400, "model_ids contains non-existing model");
    return success(c, { updated });
  });
}

/** The audit of something that is done to one model. */
function modelAudit(action: `model.${string}`, { models }: Pick<Store, "models">): Audit {
  return {
    action,
    row: async (id) => {
      const model = await models.get(id);
      return model && auditedModel(model);
    },
  };
}

/** A model as the audit log compares it. */
export function auditedModel(model: Model): AuditedRow {
  return { id: String(model.id), name: model.name, shown: modelRow(model) };
}

/** The order of all models as the audit log compares it. */
function orderOf(models: readonly Model[]): AuditedRow {
  const names = models.toSorted((one, other) => other.displayOrder - one.displayOrder).map(({ name }) =>
    name
  );
  return { id: "", name: "", shown: { Order: names } };
}

function refuseBadOrder(ids: readonly number[]): void {
  if (ids.length === 0) throw new Fault(400, "model_ids cannot be empty");
  const seen = new Set<number>();
  for (const id of ids) {
    if (id <= 0) throw new Fault(400, `model_ids contains invalid value ${id}`);
    if (seen.has(id)) throw new Fault(400, `duplicated model_id: ${id}`);
    seen.add(id);
  }
}

/** A model as llmio's clients read it. */
export function modelRow(model: Model): z.output<typeof modelSchema> {
  return {
    ...rowHead(model),
    Name: model.name,
    Remark: model.remark,
    MaxRetry: model.maxRetry,
    TimeOut: model.timeOutSeconds,
    Strategy: model.strategy,
    Breaker: model.breaker,
    DisplayOrder: model.displayOrder,
    FirstTokenTimeout: model.firstTokenTimeoutSeconds,
  };
}

/** The fields to store when what was sent is written over what is stored. */
export function mergedModel(stored: ModelFields, sent: z.output<typeof modelUpdate>): ModelFields {
  return {
    name: sent.name ?? stored.name,
    remark: sent.remark ?? stored.remark,
    maxRetry: sent.max_retry ?? stored.maxRetry,
    timeOutSeconds: sent.time_out ?? stored.timeOutSeconds,
    firstTokenTimeoutSeconds: sent.first_token_timeout ?? stored.firstTokenTimeoutSeconds,
    strategy: sent.strategy ?? stored.strategy,
    breaker: sent.breaker ?? stored.breaker,
  };
}

function found(model: Model | null): Model {
  if (model === null) throw new Fault(404, "Model not found");
  return model;
}

async function unlessTaken<Row>(name: string, writing: Promise<Row>): Promise<Row> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof NameTaken) throw new Fault(409, `Model: ${name} already exists`);
    throw error;
  }
}
