/** Tries out a provider's config before it is stored, or one that is. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { secretsOf, withoutSecrets } from "../access/scrub.ts";
import { parseProviderConfig } from "../protocols/provider_config.ts";
import type { Provider } from "../store/providers.ts";
import type { Store } from "../store/store.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { idField } from "./fields.ts";
import { mergedProvider, NEW_PROVIDER, providerUpdate } from "./provider_fields.ts";
import { withConfigFilledIn } from "./provider_templates.ts";
import { route } from "./route.ts";

/** Longest wait for the provider, milliseconds. */
const LIMIT_MS = 10_000;

const validateBody = providerUpdate.extend({
  id: idField("A stored provider: fields left out are its own, and masks mean its secrets.").optional(),
}).openapi("ProviderValidate");

/** Here, other than in bodies that write a row, the id says something. */
const validateNames = ((names) => ({ ...names, ignored: names.ignored.difference(new Set(["id"])) }))(
  fieldNames(validateBody),
);

const validationSchema = z.object({
  valid: z.boolean(),
  error_message: z.string().optional(),
  models: z.array(z.string()).optional().openapi({ description: "Ids of the models that it lists." }),
  response_time_ms: z.int(),
}).openapi("ProviderValidation");

/** Registers the route. */
export function providerValidationRoutes(app: OpenAPIHono, context: AdminContext): void {
  route(app, {
    method: "post",
    path: "/providers/validate",
    tag: "providers",
    summary: "Ask a provider for its models, without storing anything; that it fails is an answer, too",
    body: validateBody,
    data: validationSchema,
    faults: [404],
    // No mere reading: stored keys go to whatever URL is sent beside them.
    audit: { action: "provider.validate", note: ({ valid }) => ({ valid: [null, valid] }) },
  }, async (c) => {
    const { id, ...sent } = validFields(validateBody, await readFields(c, validateNames));
    const stored = await storedProvider(context.store, id, sent.name ?? "");
    for (const name of ["type", "config"] as const) {
      if (stored === null && sent[name] === undefined) {
        throw new Fault(400, `Invalid request body: ${name} is required`);
      }
    }
    return success(c, await validate(stored, sent, context));
  });
}

/** The row that masks and missing fields refer to: the one that is named by its id, else one of the same name. */
async function storedProvider(store: Store, id: number | undefined, name: string): Promise<Provider | null> {
  if (id !== undefined) {
    const row = await store.providers.get(id);
    if (row === null) throw new Fault(404, "Provider not found");
    return row;
  }
  if (name === "") return null;
  return (await store.providers.list({ name })).find((row) => row.name === name) ?? null;
}

async function validate(
  stored: Provider | null,
  sent: z.output<typeof providerUpdate>,
  { listModels, upstreamPolicy }: AdminContext,
): Promise<z.output<typeof validationSchema>> {
  let provider: Provider;
  try {
    const fields = mergedProvider(stored ?? NEW_PROVIDER, withConfigFilledIn(sent, stored), upstreamPolicy);
    const parsed = parseProviderConfig(fields.type, fields.config);
    if (!parsed.ok) return { valid: false, error_message: parsed.reason, response_time_ms: 0 };
    provider = { ...UNSAVED, ...fields };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // It may quote what was sent in a wrong field.
    const error_message = withoutSecrets(error.message.replace(/^Invalid request body: /, ""));
    return { valid: false, error_message, response_time_ms: 0 };
  }
  const startedAt = performance.now();
  const took = () => Math.round(performance.now() - startedAt);
  try {
    const models = (await listModels(provider, LIMIT_MS)).map(({ id }) => id);
    return { valid: true, ...(models.length > 0 && { models }), response_time_ms: took() };
  } catch (error) {
    const reason = withoutSecrets(
      error instanceof Error ? error.message : String(error),
      secretsOf(provider, []),
    );
    return { valid: false, error_message: `Failed to fetch models: ${reason}`, response_time_ms: took() };
  }
}

/** What a row has beside its fields, for one that there is not. */
const UNSAVED = { id: 0, createdAt: "", updatedAt: "", enabled: true };
