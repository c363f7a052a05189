/** Keys of a provider: its pool, with what is known of each key. No answer ever holds a key itself. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { isMask, mask } from "../access/secrets.ts";
import { keyStatus, NEW_KEY } from "../failover/key_pool.ts";
import { secretsOf, withoutSecrets } from "../access/scrub.ts";
import { keyStateId } from "../gateway/key_state_id.ts";
import type { RoutingTable } from "../gateway/routing_table.ts";
import { keyId, parseProviderConfig, type ProviderKey } from "../protocols/provider_config.ts";
import type { Provider } from "../store/providers.ts";
import { NameTaken } from "../store/store.ts";
import type { AuditedRow } from "./audit_trail.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { must, wholeField } from "./fields.ts";
import { addKey, changeKey, removeKey } from "./key_pool_text.ts";
import { momentOf, momentSchema } from "./moment.ts";
import { pathId } from "./query.ts";
import { route } from "./route.ts";

const tag = "keys";

/** Longest name of a key, in characters. */
const NAME_LIMIT = 255;

const shape = {
  key: z.string(must("a string")).trim().min(1, "must not be empty")
    .refine((key) => !isMask(key), "is a mask; send the key itself")
    .refine(
      (key) => /^[\x20-\x7e\x80-\xff]*$/.test(key),
      "must not contain line breaks or characters outside of Latin-1: it is sent in a header",
    )
    .openapi({ description: "The credential. It can be written and never read." }),
  name: z.string(must("a string")).trim().max(NAME_LIMIT, `must not be longer than ${NAME_LIMIT} characters`)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), "must be one line of well-formed Unicode")
    .nullable().transform((name) => name ?? "")
    .openapi({ description: "Name for people, unique in the pool; empty = none." }),
  weight: wholeField(0, 1_000_000, "Share of the provider's traffic; 0 = only when no other key is usable."),
  enabled: z.boolean(must("true or false")).openapi({ description: "A key that is off is never sent." }),
};

const keyCreate = z.strictObject({
  ...shape,
  name: shape.name.default(""),
  weight: shape.weight.default(1),
  enabled: shape.enabled.default(true),
}).openapi("KeyCreate");
const keyCreateNames = fieldNames(keyCreate);

const keyUpdate = z.strictObject(shape).omit({ key: true }).partial().openapi("KeyUpdate");
const keyUpdateNames = fieldNames(keyUpdate);

const keySchema = z.object({
  id: z.string().openapi({ description: "Short hash of the key; it names the key in paths." }),
  name: z.string(),
  mask: z.string().openapi({ description: "The key's last four characters, if it is long enough." }),
  weight: z.int(),
  enabled: z.boolean(),
  status: z.enum(["usable", "trial", "cooling", "bad", "off"]).openapi({
    description:
      "off = switched off. trial = its pause is over; one request at a time tries it until one succeeds. " +
      "bad = the vendor refuses it.",
  }),
  cooling_until: momentSchema,
  bad_until: momentSchema,
  error_count: z.int().openapi({
    description: "Refusals, limits and used-up quotas since its last success.",
  }),
  last_error: z.string().nullable(),
  last_used_at: momentSchema,
  use_count: z.int(),
}).openapi("ProviderKey");

/** Registers the routes. */
export function keyRoutes(app: OpenAPIHono, context: AdminContext): void {
  readRoutes(app, context);
  poolRoutes(app, context);
}

function readRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, gateway } = context;

  route(app, {
    method: "get",
    path: "/providers/{id}/keys",
    tag,
    summary: "The keys of a provider in the order of its pool, masked, with their states",
    data: z.array(keySchema),
    faults: [404, 422],
  }, async (c) => {
    const pool = poolOf(await store.providers.get(pathId(c)));
    return success(c, pool.keys.map(({ id }) => keyRow(pool, id, context)));
  });

  route(app, {
    method: "post",
    path: "/providers/{id}/keys/{key}/reset",
    tag,
    summary: "Forget what is known of a key, so that it is usable at once",
    audit: {
      action: "provider.reset_key",
      row: async (id, c) => auditedKey(await store.providers.get(id), c, context),
    },
    body: z.strictObject({}),
    data: keySchema,
    faults: [404, 409, 422],
  }, async (c) => {
    const pool = poolOf(await store.providers.get(pathId(c)));
    const { id } = named(c, pool.keys);
    gateway.live.forgetKey(keyStateId(pool.provider.id, id));
    return success(c, keyRow(pool, id, context));
  });
}

function poolRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, writes } = context;
  const row = async (id: number) => auditedPool(await store.providers.get(id));

  /** Stores the config as edited, and answers the pool that it makes. `change` also says which key it is about. */
  const edit = (id: number, change: (pool: Pool) => { readonly config: string; readonly key: string }) =>
    writes.run(async () => {
      const { provider, keys } = poolOf(await store.providers.get(id));
      const { config, key } = change({ provider, keys });
      const edited = poolOf({ ...provider, config });
      if (config !== provider.config) await stored(store.providers.update(id, edited.provider));
      return { ...edited, key };
    });

  route(app, {
    method: "post",
    path: "/providers/{id}/keys",
    tag,
    summary: "Add a key to a provider's pool",
    audit: { action: "provider.add_key", row },
    body: keyCreate,
    data: keySchema,
    faults: [404, 409, 422],
  }, async (c) => {
    const entry = validFields(keyCreate, await readFields(c, keyCreateNames));
    const edited = await edit(pathId(c), ({ provider, keys }) => {
      const key = keyId(entry.key);
      if (keys.some((each) => each.id === key)) throw new Fault(409, "Key already exists");
      checkName(entry.name, key, keys);
      return { config: addKey(provider.config, entry), key };
    });
    return success(c, keyRow(edited, edited.key, context));
  });

  route(app, {
    method: "patch",
    path: "/providers/{id}/keys/{key}",
    tag,
    summary: "Change the name or the weight of a key, or switch it; a field left out keeps its value",
    audit: { action: "provider.update_key", row },
    body: keyUpdate,
    data: keySchema,
    faults: [404, 409, 422],
  }, async (c) => {
    const { name, weight, enabled } = validFields(keyUpdate, await readFields(c, keyUpdateNames));
    const change = {
      ...(name === undefined ? {} : { name }),
      ...(weight === undefined ? {} : { weight }),
      ...(enabled === undefined ? {} : { enabled }),
    };
    const edited = await edit(pathId(c), ({ provider, keys }) => {
      const { id: key, secret, ...current } = named(c, keys);
      checkName(name ?? "", key, keys);
      return { config: changeKey(provider.config, { key: secret, ...current }, change), key };
    });
    return success(c, keyRow(edited, edited.key, context));
  });

  route(app, {
    method: "delete",
    path: "/providers/{id}/keys/{key}",
    tag,
    summary: "Remove a key from a provider's pool",
    audit: { action: "provider.remove_key", row },
    faults: [404, 409, 422],
  }, async (c) => {
    await edit(pathId(c), ({ provider, keys }) => {
      const { id: key, secret } = named(c, keys);
      return { config: removeKey(provider.config, secret), key };
    });
    return success(c);
  });
}

/** A provider and its keys. */
interface Pool {
  readonly provider: Provider;
  readonly keys: readonly ProviderKey[];
}

/** @throws {Fault} when there is no such provider, or its config cannot be read. */
function poolOf(provider: Provider | null): Pool {
  if (provider === null) throw new Fault(404, "Provider not found");
  const parsed = parseProviderConfig(provider.type, provider.config);
  if (parsed.ok) return { provider, keys: parsed.config.keys };
  throw new Fault(422, `The provider's config cannot be used: ${parsed.reason}`);
}

async function stored(updating: Promise<Provider | null>): Promise<void> {
  try {
    if (await updating === null) throw new Fault(404, "Provider not found");
  } catch (error) {
    // Old programs let two providers have one name.
    if (error instanceof NameTaken) {
      throw new Fault(409, "Another provider has the same name; rename it first");
    }
    throw error;
  }
}

/** The key that `:key` of the path means. */
function named(c: Context, keys: readonly ProviderKey[]): ProviderKey {
  const text = c.req.param("key") ?? "";
  const byId = keys.find((key) => key.id === text);
  if (byId !== undefined) return byId;
  const [first, ...others] = text === "" ? [] : keys.filter((key) => key.name === text);
  if (first === undefined) throw new Fault(404, "Key not found; name it by its id or its name");
  if (others.length > 0) throw new Fault(409, "Several keys have this name; name the key by its id");
  return first;
}

/** A name that two keys have names neither. */
function checkName(name: string, key: string, keys: readonly ProviderKey[]): void {
  if (name !== "" && keys.some((each) => each.name === name && each.id !== key)) {
    throw new Fault(409, "Another key of this provider has this name");
  }
}

/** The pool as the audit log compares it. A key's id is a hash of it, so that no two keys look alike. */
function auditedPool(row: Provider | null): AuditedRow {
  const { provider, keys } = poolOf(row);
  return {
    name: provider.name,
    shown: { keys: keys.map(({ secret, ...key }) => ({ ...key, mask: mask(secret) })) },
  };
}

/** A key with its state as the audit log compares it. */
function auditedKey(row: Provider | null, c: Context, context: AdminContext): AuditedRow {
  const pool = poolOf(row);
  const { id, name } = named(c, pool.keys);
  return { name: `${pool.provider.name}, key ${name || id}`, shown: keyRow(pool, id, context) };
}

/** A key of a pool as it is shown. */
function keyRow(
  { provider, keys }: Pool,
  id: string,
  { gateway, now }: AdminContext,
): z.output<typeof keySchema> {
  const key = keys.find((each) => each.id === id);
  if (key === undefined) throw new Fault(404, "Key not found");
  const state = gateway.live.key(keyStateId(provider.id, id)) ?? NEW_KEY;
  const at = now();
  return {
    id,
    name: key.name,
    mask: mask(key.secret),
    weight: key.weight,
    enabled: key.enabled,
    status: key.enabled ? keyStatus(state, at) : "off",
    cooling_until: future(state.cooldown?.until, at),
    bad_until: future(state.badUntil, at),
    error_count: state.errorCount,
    last_error: state.lastError === null ? null : scrubbed(state.lastError, provider, gateway.table()),
    last_used_at: momentOf(state.lastUsedAt),
    use_count: state.useCount,
  };
}

/** Of each row that was read, so that a pool of many keys asks for them once. */
const secretsOfRow = new WeakMap<Provider, string[]>();

/** Vendors quote what was sent to them. */
function scrubbed(text: string, provider: Provider, table: RoutingTable): string {
  const secrets = secretsOfRow.get(provider) ?? secretsAround(provider, table);
  secretsOfRow.set(provider, secrets);
  return withoutSecrets(text, secrets);
}

function secretsAround(provider: Provider, table: RoutingTable): string[] {
  const headers = table.models.flatMap(({ routes }) => routes)
    .filter(({ providerId }) => providerId === provider.id)
    .flatMap(({ associationId }) => table.target(associationId)?.customerHeaders ?? []);
  return secretsOf(provider, headers);
}

/** A deadline that is still to come. */
function future(until: number | null | undefined, now: number): string | null {
  return typeof until === "number" && until > now ? momentOf(until) : null;
}
