/** Routes of providers. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { configSecrets } from "../access/config_secrets.ts";
import { mask } from "../access/secrets.ts";
import { urlSecrets } from "../access/url_secrets.ts";
import { parseProviderConfig } from "../protocols/provider_config.ts";
import type { Provider } from "../store/providers.ts";
import { NameTaken } from "../store/store.ts";
import { providerAudit } from "./audit_rows.ts";
import { changedFields, readFields, validFields } from "./body.ts";
import type { AdminContext, UpstreamModel } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import {
  mergedProvider,
  NEW_PROVIDER,
  providerCreate,
  providerNames,
  providerRow,
  providerSchema,
  providerUpdate,
} from "./provider_fields.ts";
import { TEMPLATES, withConfigFilledIn } from "./provider_templates.ts";
import { pathId, textQuery } from "./query.ts";
import { route } from "./route.ts";
import { switchNames, switchSchema, wantedState } from "./status_switch.ts";

const tag = "providers";

const templateSchema = z.object({ type: z.string(), template: z.string() });
const upstreamModelSchema = z.object({
  id: z.string(),
  object: z.string(),
  created: z.int(),
  owned_by: z.string(),
});

/** Registers the routes. */
export function providerRoutes(app: OpenAPIHono, context: AdminContext): void {
  readRoutes(app, context);
  writeRoutes(app, context);
}

function readRoutes(app: OpenAPIHono, { store, listModels }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/providers/template",
    tag,
    summary: "Configs to start from, one a type",
    data: z.array(templateSchema),
  }, (c) => success(c, TEMPLATES));

  route(app, {
    method: "get",
    path: "/providers",
    tag,
    summary: "All providers, newest first",
    query: z.object({ name: textQuery("Part of the name."), type: textQuery("The type.") }),
    data: z.array(providerSchema),
  }, async (c, { name, type }) => {
    const filter = { ...(name === undefined ? {} : { name }), ...(type === undefined ? {} : { type }) };
    return success(c, (await store.providers.list(filter)).map(providerRow));
  });

  route(app, {
    method: "get",
    path: "/providers/models/{id}",
    tag,
    summary: "The models that the provider itself lists now",
    data: z.array(upstreamModelSchema),
    faults: [404, 422, 502],
  }, async (c) => {
    const provider = found(await store.providers.get(pathId(c)));
    const parsed = parseProviderConfig(provider.type, provider.config);
    if (!parsed.ok) throw new Fault(422, `Failed to get models: ${parsed.reason}`);
    try {
      return success(c, (await listModels(provider)).map(upstreamModel));
    } catch (error) {
      throw new Fault(502, `Failed to get models: ${withoutSecrets(error, provider)}`);
    }
  });
}

function writeRoutes(app: OpenAPIHono, { store, writes, upstreamPolicy }: AdminContext): void {
  route(app, {
    method: "post",
    path: "/providers",
    tag,
    summary: "Add a provider",
    audit: providerAudit("provider.create", store),
    body: providerCreate,
    data: providerSchema,
    faults: [409],
  }, async (c) => {
    const sent = validFields(providerCreate, await readFields(c, providerNames));
    const fields = mergedProvider(NEW_PROVIDER, withConfigFilledIn(sent, null), upstreamPolicy);
    const created = await writes.run(async () => {
      const row = await unlessTaken(store.providers.create(fields));
      return sent.enabled ? row : found(await store.providers.setEnabled(row.id, false));
    });
    return success(c, providerRow(created));
  });

  route(app, {
    method: "put",
    path: "/providers/{id}",
    tag,
    summary: "Change a provider; a field left out keeps its value",
    audit: providerAudit("provider.update", store),
    body: providerUpdate,
    data: providerSchema,
    faults: [404, 409],
  }, async (c) => {
    const id = pathId(c);
    const fields = await readFields(c, providerNames);
    const updated = await writes.run(async () => {
      const stored = found(await store.providers.get(id));
      const sent = validFields(providerUpdate, changedFields(fields, providerRow(stored), providerNames));
      if (Object.keys(sent).length === 0) return stored;
      const merged = mergedProvider(stored, withConfigFilledIn(sent, stored), upstreamPolicy);
      const row = await unlessTaken(store.providers.update(id, merged));
      return found(sent.enabled === undefined ? row : await store.providers.setEnabled(id, sent.enabled));
    });
    return success(c, providerRow(updated));
  });

  route(app, {
    method: "patch",
    path: "/providers/{id}/status",
    tag,
    summary: "Switch a provider on or off",
    audit: providerAudit("provider.switch", store),
    body: switchSchema,
    data: providerSchema,
    faults: [404],
  }, async (c) => {
    const id = pathId(c);
    const enabled = wantedState(await readFields(c, switchNames));
    if (enabled === null) throw new Fault(400, "Invalid request body: status is required, true or false");
    return success(c, providerRow(found(await writes.run(() => store.providers.setEnabled(id, enabled)))));
  });

  route(app, {
    method: "delete",
    path: "/providers/{id}",
    tag,
    summary: "Delete a provider and its associations",
    audit: providerAudit("provider.delete", store),
    faults: [404],
  }, async (c) => {
    const id = pathId(c);
    const removed = await writes.run(() => store.providers.remove([id]));
    if (removed.length === 0) throw new Fault(404, "Provider not found");
    return success(c);
  });
}

function found<Row>(row: Row | null): Row {
  if (row === null) throw new Fault(404, "Provider not found");
  return row;
}

async function unlessTaken<Row>(writing: Promise<Row>): Promise<Row> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof NameTaken) throw new Fault(409, "Provider already exists");
    throw error;
  }
}

/** Only the documented members: what else a vendor lists is not ours to pass on. */
function upstreamModel({ id, object, created, owned_by }: UpstreamModel): UpstreamModel {
  return { id, object, created, owned_by };
}

/** A vendor's error text can repeat what was sent to it. */
function withoutSecrets(error: unknown, provider: Provider): string {
  const text = error instanceof Error ? error.message : String(error);
  const secrets = [...configSecrets(provider.config), ...urlSecrets(provider.proxy)]
    .filter(({ length }) => length >= 4); // a shorter one would be part of ordinary words
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, mask(secret)), text);
}
