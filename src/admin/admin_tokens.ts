/** Named tokens of the admin API. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { getLogger } from "@logtape/logtape";
import { AdminTokens, RESERVED_NAMES } from "../access/admin_tokens.ts";
import { hashKey, keyMask, newSecretText } from "../access/key_text.ts";
import type { AdminTokenChange, StoredAdminToken } from "../store/admin_tokens.ts";
import { NameTaken, type Store } from "../store/store.ts";
import type { Audit } from "./audit_trail.ts";
import { changedFields, fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { must, nameField } from "./fields.ts";
import { momentOf, momentSchema } from "./moment.ts";
import { pathId } from "./query.ts";
import { route } from "./route.ts";

const tag = "access";

const PREFIX = "llmio-admin-";
/** Characters after the prefix: 214 bits. */
const LENGTH = 36;

const shape = {
  name: nameField("What the token is for; unique. It is the actor in the audit log.").refine(
    (name) => !RESERVED_NAMES.includes(name.toLowerCase()),
    `must not be one of ${RESERVED_NAMES.join(", ")}`,
  ),
  scope: z.enum(["read", "write"], must('"read" or "write"')).openapi({
    description: "read = look at everything that shows no secret; write = change things too.",
  }),
  expires_at: z.iso.datetime({ offset: true, ...must("a time as in RFC 3339, or null") }).nullable()
    .openapi({ description: "From then on the token is refused; null = never." }),
};

const tokenCreate = z.strictObject({ ...shape, expires_at: shape.expires_at.default(null) })
  .openapi("AdminTokenCreate");
const tokenUpdate = z.strictObject(shape).partial().openapi("AdminTokenUpdate");
const tokenNames = fieldNames(tokenUpdate, {}, ["Mask", "LastUsedAt", "Token"]);

const tokenSchema = z.object({
  ID: z.int(),
  Name: z.string(),
  Mask: z.string().openapi({ description: "The prefix and the token's last four characters." }),
  Scope: shape.scope,
  CreatedAt: z.iso.datetime(),
  ExpiresAt: momentSchema,
  LastUsedAt: momentSchema.openapi({ description: "To the minute." }),
}).openapi("AdminToken");

const createdSchema = tokenSchema.extend({
  Token: z.string().openapi({ description: "The token itself. It is shown this once and kept nowhere." }),
}).openapi("AdminTokenCreated");

/** The named tokens of a store, in force. */
export async function loadAdminTokens(
  store: Pick<Store, "adminTokens">,
  now: () => number,
): Promise<AdminTokens> {
  const log = getLogger(["llmio", "admin"]);
  const tokens = new AdminTokens({
    now,
    onUse: (id, atMs) =>
      void store.adminTokens.used(id, atMs).catch((error) =>
        log.warn("The use of an admin token could not be noted: {error}", { error })
      ),
  });
  tokens.use(await store.adminTokens.list());
  return tokens;
}

/** Registers the routes. */
export function adminTokenRoutes(app: OpenAPIHono, context: AdminContext): void {
  readRoutes(app, context);
  createRoute(app, context);
  changeRoutes(app, context);
}

function readRoutes(app: OpenAPIHono, { store }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/admin-tokens",
    tag,
    summary: "The named tokens of the admin API, newest first",
    data: z.array(tokenSchema),
  }, async (c) => success(c, (await store.adminTokens.list()).map(tokenRow)));

  route(app, {
    method: "get",
    path: "/admin-tokens/{id}",
    tag,
    summary: "A named token of the admin API",
    data: tokenSchema,
    faults: [404],
  }, async (c) => success(c, tokenRow(found(await store.adminTokens.get(pathId(c))))));
}

function createRoute(app: OpenAPIHono, context: AdminContext): void {
  const { store, now } = context;
  route(app, {
    method: "post",
    path: "/admin-tokens",
    tag,
    summary: "Make a named token of the admin API; it is shown in this answer only",
    body: tokenCreate,
    data: createdSchema,
    faults: [409],
    audit: audited("create", store),
  }, async (c) => {
    const { name, scope, expires_at } = validFields(tokenCreate, await readFields(c, tokenNames));
    const token = newSecretText(PREFIX, LENGTH);
    const created = await unlessTaken(store.adminTokens.create({
      name,
      scope,
      expiresAtMs: expiryMs(expires_at, now()),
      hash: hashKey(token),
      mask: keyMask(token, PREFIX),
    }));
    await putInForce(context);
    return success(c, { ...tokenRow(created), Token: token });
  });
}

function changeRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, now } = context;

  route(app, {
    method: "patch",
    path: "/admin-tokens/{id}",
    tag,
    summary: "Change a named token; a field left out keeps its value",
    body: tokenUpdate,
    data: tokenSchema,
    faults: [404, 409],
    audit: audited("update", store),
  }, async (c) => {
    const id = pathId(c);
    const fields = await readFields(c, tokenNames);
    const stored = found(await store.adminTokens.get(id));
    const sent = validFields(tokenUpdate, changedFields(fields, tokenRow(stored), tokenNames));
    const change: AdminTokenChange = {
      name: sent.name ?? stored.name,
      scope: sent.scope ?? stored.scope,
      expiresAtMs: sent.expires_at === undefined ? stored.expiresAtMs : expiryMs(sent.expires_at, now()),
    };
    const updated = found(await unlessTaken(store.adminTokens.update(id, change)));
    await putInForce(context);
    return success(c, tokenRow(updated));
  });

  route(app, {
    method: "delete",
    path: "/admin-tokens/{id}",
    tag,
    summary: "Delete a named token; every token may delete itself",
    faults: [404],
    own: ({ tokenId }, c) => tokenId !== null && String(tokenId) === c.req.param("id"),
    audit: audited("delete", store),
  }, async (c) => {
    if (!await store.adminTokens.remove(pathId(c))) found(null);
    await putInForce(context);
    return success(c);
  });
}

/** Changes are made one at a time (see `Audit.row`), so the last one to be read is the last one that was stored. */
async function putInForce({ store, adminTokens }: AdminContext): Promise<void> {
  adminTokens.use(await store.adminTokens.list());
}

function audited(verb: "create" | "update" | "delete", store: Store): Audit {
  return {
    action: `admin_token.${verb}`,
    row: async (id) => {
      const token = await store.adminTokens.get(id);
      if (token === null) return null;
      const { LastUsedAt: _, ...shown } = tokenRow(token);
      return { name: token.name, shown };
    },
  };
}

function tokenRow(token: StoredAdminToken): z.output<typeof tokenSchema> {
  return {
    ID: token.id,
    Name: token.name,
    Mask: token.mask,
    Scope: token.scope,
    CreatedAt: new Date(token.createdAtMs).toISOString(),
    ExpiresAt: momentOf(token.expiresAtMs),
    LastUsedAt: momentOf(token.lastUsedAtMs),
  };
}

function expiryMs(expiresAt: string | null, now: number): number | null {
  if (expiresAt === null) return null;
  const at = Date.parse(expiresAt);
  if (at > now) return at;
  throw new Fault(400, "Invalid request body: expires_at must be a time to come");
}

function found(token: StoredAdminToken | null): StoredAdminToken {
  if (token === null) throw new Fault(404, "Admin token not found");
  return token;
}

async function unlessTaken<Row>(writing: Promise<Row>): Promise<Row> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof NameTaken) throw new Fault(409, "An admin token of this name exists already");
    throw error;
  }
}
