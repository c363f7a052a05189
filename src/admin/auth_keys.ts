/**
 * Auth keys: the credentials of clients.
 *
 * A key is shown once, by the answer that makes it; every other one shows a mask.
 *
 * @module
 */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { hashKey, keyHash, keyMask, newAuthKey } from "../access/key_text.ts";
import type { AuthKey } from "../store/auth_keys.ts";
import { MissingReference, NameTaken, type Store } from "../store/store.ts";
import { authKeyAudit } from "./audit_rows.ts";
import {
  authKeyCreate,
  authKeyNames,
  authKeyPatch,
  authKeyRow,
  authKeySchema,
  authKeyUpdate,
  newAuthKeyFields,
} from "./auth_key_fields.ts";
import { SpentBook } from "./auth_key_spent.ts";
import { changedFields, type FieldNames, fieldNames, type Fields, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { must } from "./fields.ts";
import { pageData, pageRequest, pageSchema, pagingQuery, pathId } from "./query.ts";
import { route } from "./route.ts";
import { switchNames, switchSchema, wantedState } from "./status_switch.ts";

const tag = "auth keys";

/** How long the key before a rotation is taken when nobody says. */
const OVERLAP_HOURS = 24;
/** 30 days. */
const MAX_OVERLAP_HOURS = 720;
const HOUR_MS = 3_600_000;

/** What the list of names ends with: uses by the admin token are logged under this id. */
const ADMIN = { id: 0, name: "admin" };

const listQuery = z.object({
  ...pagingQuery,
  search: trimmed("Part of the name or of the mask."),
  status: choice(["active", "inactive"], "Invalid status filter").openapi({
    description: "Whether the key is switched on.",
  }),
  allow_all: choice(["true", "false"], "Invalid allow_all filter").openapi({
    description: "Whether it may use every model.",
  }),
  tag: trimmed("A tag that it has."),
});

const overlap = must(`a number from 0 to ${MAX_OVERLAP_HOURS}`);
const rotateBody = z.strictObject({
  overlap_hours: z.number(overlap).min(0, overlap).max(MAX_OVERLAP_HOURS, overlap).default(OVERLAP_HOURS)
    .openapi({ description: "For so long the old key is taken too; 0 = not at all." }),
}).openapi("AuthKeyRotate");
const rotateNames = fieldNames(rotateBody);

const emptyBody = z.strictObject({});
const emptyNames = fieldNames(emptyBody);

/** What the routes share. */
interface Tools extends AdminContext {
  readonly book: SpentBook;
}

/** Registers the routes. */
export function authKeyRoutes(app: OpenAPIHono, context: AdminContext): void {
  const tools: Tools = { ...context, book: new SpentBook(context) };
  readRoutes(app, tools);
  createRoute(app, tools);
  changeRoutes(app, tools);
  switchRoute(app, tools);
  rotateRoute(app, tools);
  resetRoute(app, tools);
}

function readRoutes(app: OpenAPIHono, { store, book, now }: Tools): void {
  route(app, {
    method: "get",
    path: "/auth-keys",
    tag,
    summary: "A page of auth keys, newest first",
    query: listQuery,
    data: pageSchema(authKeySchema),
  }, async (c, query) => {
    const request = pageRequest(query);
    const page = await store.authKeys.page(filterOf(query), request);
    const spent = await book.read();
    return success(c, pageData(page, request, (key) => authKeyRow(key, spent(key), now())));
  });

  route(
    app,
    {
      method: "get",
      path: "/auth-keys/list",
      tag,
      summary: "Ids and names of all auth keys, oldest first; the last one, with id 0, is the admin token",
      data: z.array(z.object({ id: z.int(), name: z.string() })),
    },
    async (c) => success(c, [...(await store.authKeys.list()).map(({ id, name }) => ({ id, name })), ADMIN]),
  );

  route(app, {
    method: "get",
    path: "/auth-keys/{id}",
    tag,
    summary: "An auth key",
    data: authKeySchema,
    faults: [404],
  }, async (c) => success(c, await shown(found(await store.authKeys.get(keyId(c))), { book, now })));
}

function createRoute(app: OpenAPIHono, tools: Tools): void {
  const { store, writes } = tools;
  route(app, {
    method: "post",
    path: "/auth-keys",
    tag,
    summary: "Make an auth key; it is shown in this answer only",
    audit: authKeyAudit("auth_key.create", tools.store),
    body: authKeyCreate,
    data: authKeySchema,
    faults: [409, 422],
  }, async (c) => {
    const fields = newAuthKeyFields(await readFields(c, authKeyNames));
    const key = newAuthKey();
    const secret = { hash: hashKey(key), mask: keyMask(key) };
    const created = await writes.run(() => unlessRefused(fields.name, store.authKeys.create(fields, secret)));
    return success(c, { ...await shown(created, tools), Key: key });
  });
}

function changeRoutes(app: OpenAPIHono, tools: Tools): void {
  const { store, writes } = tools;
  route(app, {
    method: "put",
    path: "/auth-keys/{id}",
    tag,
    summary:
      "Change an auth key; a field left out keeps its value, but for expires_at (never) and io_log (off)",
    audit: authKeyAudit("auth_key.update", tools.store),
    body: authKeyUpdate,
    data: authKeySchema,
    faults: [404, 409, 422],
  }, async (c) => {
    const id = keyId(c);
    const sent = await readFields(c, authKeyNames);
    const updated = await writes.run(async () => {
      const stored = found(await store.authKeys.get(id));
      const changed = changedFields(sent, await shown(stored, tools), authKeyNames);
      const patch = authKeyPatch(stored, changed, sent);
      if (Object.keys(patch).length === 0) return stored;
      return found(await unlessRefused(patch.name ?? stored.name, store.authKeys.update(id, patch)));
    });
    return success(c, await shown(updated, tools));
  });

  route(app, {
    method: "delete",
    path: "/auth-keys/{id}",
    tag,
    summary: "Delete an auth key",
    audit: authKeyAudit("auth_key.delete", tools.store),
    data: z.object({ id: z.int() }),
    faults: [404],
  }, async (c) => {
    const id = keyId(c);
    if (!await writes.run(() => store.authKeys.remove(id))) found(null);
    // llmio's word for it.
    return c.json({ code: 200, message: "Deleted", data: { id } }, 200);
  });
}

function switchRoute(app: OpenAPIHono, tools: Tools): void {
  const { store, writes } = tools;
  route(app, {
    method: "patch",
    path: "/auth-keys/{id}/status",
    tag,
    summary: "Switch an auth key on or off; without a body, the other way than it is",
    audit: authKeyAudit("auth_key.switch", tools.store),
    body: switchSchema,
    data: authKeySchema,
    faults: [404],
  }, async (c) => {
    const id = keyId(c);
    const wanted = wantedState(await fieldsIfAny(c, switchNames));
    const switched = await writes.run(async () => {
      const stored = found(await store.authKeys.get(id));
      return found(await store.authKeys.update(id, { status: wanted ?? stored.status !== true }));
    });
    return success(c, await shown(switched, tools));
  });
}

function rotateRoute(app: OpenAPIHono, tools: Tools): void {
  const { store, writes, now } = tools;
  route(app, {
    method: "post",
    path: "/auth-keys/{id}/rotate",
    tag,
    summary: "Put a new key in the place of a key; it is shown in this answer only",
    audit: authKeyAudit("auth_key.rotate", tools.store),
    body: rotateBody,
    data: authKeySchema,
    faults: [404],
  }, async (c) => {
    const id = keyId(c);
    const { overlap_hours: hours } = validFields(rotateBody, await fieldsIfAny(c, rotateNames));
    const key = newAuthKey();
    const rotated = await writes.run(async () => {
      const stored = found(await store.authKeys.get(id));
      const previousHash = hours === 0 ? "" : keyHash(stored);
      const previousUntilMs = previousHash === "" ? 0 : Math.round(now() + hours * HOUR_MS);
      const secret = { hash: hashKey(key), mask: keyMask(key), previousHash, previousUntilMs };
      return found(await store.authKeys.rotate(id, secret));
    });
    return success(c, { ...await shown(rotated, tools), Key: key });
  });
}

function resetRoute(app: OpenAPIHono, tools: Tools): void {
  const { store, writes, book } = tools;
  route(app, {
    method: "post",
    path: "/auth-keys/{id}/reset-budget",
    tag,
    summary: "Begin the budgets of an auth key anew: what it has spent so far no longer counts",
    audit: authKeyAudit("auth_key.reset_budget", tools.store),
    body: emptyBody,
    data: authKeySchema,
    faults: [404],
  }, async (c) => {
    const id = keyId(c);
    validFields(emptyBody, await fieldsIfAny(c, emptyNames));
    const reset = await writes.run(async () =>
      found(await store.authKeys.resetBudget(id, await book.baseline(id)))
    );
    return success(c, await shown(reset, tools));
  });
}

/** A key as the API shows it. */
async function shown(key: AuthKey, { book, now }: Pick<Tools, "book" | "now">) {
  const spent = await book.read(key.id);
  return authKeyRow(key, spent(key), now());
}

function filterOf(query: z.output<typeof listQuery>): Parameters<Store["authKeys"]["page"]>[0] {
  return {
    ...(query.search === undefined ? {} : { search: query.search }),
    ...(query.status === undefined ? {} : { active: query.status === "active" }),
    ...(query.allow_all === undefined ? {} : { allowAll: query.allow_all === "true" }),
    ...(query.tag === undefined ? {} : { tag: query.tag }),
  };
}

/** The fields of a body that need not be there. */
async function fieldsIfAny(c: Context, names: FieldNames): Promise<Fields> {
  return (await c.req.text()).trim() === "" ? new Map() : await readFields(c, names);
}

/** The `:id` of the path, refused as llmio refuses it. */
function keyId(c: Context): number {
  try {
    return pathId(c);
  } catch (error) {
    if (error instanceof Fault) throw new Fault(400, "Invalid ID");
    throw error;
  }
}

function found(key: AuthKey | null): AuthKey {
  if (key === null) throw new Fault(404, "Auth key not found");
  return key;
}

async function unlessRefused<Row>(name: string, writing: Promise<Row>): Promise<Row> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof NameTaken) throw new Fault(409, `Auth key: ${name} already exists`);
    if (error instanceof MissingReference) throw new Fault(422, `Invalid request body: ${error.message}`);
    throw error;
  }
}

/** An optional text parameter without the blanks around it; empty is the same as absent. */
function trimmed(description: string) {
  return z.string().trim().optional().transform((text) => text === "" ? undefined : text)
    .openapi({ description });
}

/** An optional parameter with few values; empty is the same as absent. */
function choice<const Value extends string>(values: readonly Value[], message: string) {
  return z.string().trim().optional().transform((text, check): Value | undefined => {
    const value = values.find((each) => each === text);
    if (value === undefined && text !== undefined && text !== "") {
      check.addIssue({ code: "custom", message });
    }
    return value;
  });
}
