/** Imports an exported configuration: one of ours, of llmio enhanced, or rows of llmio. All of it or nothing. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { openText } from "../access/sealed_text.ts";
import { configurationRows } from "./audit_configuration.ts";
import { readObject } from "./body.ts";
import {
  type ConfigDocument,
  configDocument,
  type DocumentSecrets,
  documentSecrets,
  PASSPHRASE_HEADER,
} from "./config_document.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { DocumentReader } from "./import_document.ts";
import { ImportPlan } from "./import_plan.ts";
import { route } from "./route.ts";

/** Largest document taken, in bytes. */
export const DOCUMENT_LIMIT_BYTES = 10 * 1024 * 1024;

const MODES = ["skip", "update"] as const;
const importQuery = z.object({
  mode: z.enum(MODES, `mode must be one of ${MODES.join(", ")}`).default("skip").openapi({
    description: "What becomes of rows whose names exist: skip keeps them, update replaces their fields.",
  }),
  secrets: z.enum(["none"], "secrets must be none, or left out").optional().openapi({
    description: "none: leave the encrypted secrets of the document aside.",
  }),
});

const counts = z.object({ created: z.int(), updated: z.int(), skipped: z.int() });
const importSchema = z.object({
  imported_count: z.int().openapi({ description: "Rows created or updated." }),
  message: z.string(),
  providers: counts,
  models: counts,
  associations: counts,
  auth_keys: counts,
  settings: counts,
  providers_without_keys: z.array(z.string()).openapi({
    description: "New providers whose keys the document does not hold; they have none now.",
  }),
  notes: z.array(z.string()).openapi({ description: "What else did not come along." }),
}).openapi("ConfigImport");

/** Registers the route. It goes before those of `/config/:key`. */
export function configImportRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, writes, health, upstreamPolicy } = context;
  route(app, {
    method: "post",
    path: "/config/import",
    tag: "settings",
    summary: "Import an exported configuration in one transaction",
    query: importQuery,
    body: configDocument,
    bodyLimitBytes: DOCUMENT_LIMIT_BYTES,
    data: importSchema,
    faults: [409, 422],
    audit: { action: "config.import", rows: () => configurationRows(context), note: auditNote },
  }, async (c, { mode, secrets }) => {
    const document = readDocument(await readObject(c));
    const known = secrets === "none" ? null : await openSecrets(c, document);
    const outcome = await writes.run(async () => {
      const plan = new ImportPlan(await store.routing(), mode);
      const reader = new DocumentReader(
        plan,
        known,
        await store.configs.list(),
        health.config,
        upstreamPolicy,
      );
      reader.read(document);
      await plan.write(store);
      // The service has read its settings before; now it reads them again.
      if (plan.batch().healthConfig !== null) await health.setConfig({});
      return { counts: plan.counts, withoutKeys: reader.withoutKeys, notes: reader.notes };
    });
    return success(c, importData(outcome));
  });
}

function importData(
  { counts, withoutKeys, notes }: {
    readonly counts: ImportPlan["counts"];
    readonly withoutKeys: readonly string[];
    readonly notes: readonly string[];
  },
): z.output<typeof importSchema> {
  const { providers, models, associations, auth_keys, settings } = counts;
  const written = [providers, models, associations].reduce(
    (sum, each) => sum + each.created + each.updated,
    0,
  );
  const skipped = [providers, models, associations].reduce((sum, each) => sum + each.skipped, 0);
  const keyless = withoutKeys.length === 0 ? "" : `; without keys: ${withoutKeys.join(", ")}`;
  return {
    imported_count: written,
    message: `Imported ${written} rows, skipped ${skipped}${keyless}`,
    providers,
    models,
    associations,
    auth_keys,
    settings,
    providers_without_keys: [...withoutKeys],
    notes: [...notes],
  };
}

function auditNote(data: Readonly<Record<string, unknown>>) {
  return { imported: [null, data.message] as const };
}

function readDocument(value: object): ConfigDocument {
  const result = configDocument.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new Fault(400, `Invalid request body: ${issue?.path.map(String).join(".")} ${issue?.message}`);
  }
  const { providers, models, model_providers: associations } = result.data;
  if (providers === undefined && models === undefined && associations === undefined) {
    throw new Fault(
      400,
      "Invalid request body: it is no export; one has providers, models and model_providers",
    );
  }
  return result.data;
}

/** The secrets that came sealed; `null` = none did. */
async function openSecrets(
  c: Context,
  { sealed_secrets: sealed }: ConfigDocument,
): Promise<DocumentSecrets | null> {
  if (sealed === undefined || sealed === null) return null;
  const passphrase = c.req.header(PASSPHRASE_HEADER) ?? "";
  if (passphrase === "") {
    throw new Fault(
      400,
      `The document's secrets are encrypted: send their passphrase in the header ${PASSPHRASE_HEADER}, ` +
        'or leave them aside by giving the parameter "secrets" the value "none"',
    );
  }
  const text = await openText(sealed, passphrase);
  if (text === null) throw new Fault(422, "The passphrase does not open the document's secrets");
  const opened = documentSecrets.safeParse(parsed(text));
  if (opened.success) return opened.data;
  throw new Fault(
    422,
    "The passphrase opens the document's secrets, but they are not in a form that is known here",
  );
}

/** A JSON value; `undefined` when the text is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
