/** The file that a configuration is exported to and imported from. @module */
import { z } from "@hono/zod-openapi";
import type { SealedText } from "../access/sealed_text.ts";

/** The header that carries the passphrase of sealed secrets; a URL would be kept in logs. */
export const PASSPHRASE_HEADER = "x-llmio-passphrase";

/** The secrets of a document, by the ids that its rows have and by the names of its settings. */
export const documentSecrets = z.object({
  providers: z.record(z.string(), z.object({ Config: z.string(), Console: z.string(), Proxy: z.string() })),
  model_providers: z.record(z.string(), z.record(z.string(), z.string())),
  configs: z.record(z.string(), z.string()),
  /** Of a key only its hash is known, which is enough to go on taking it. */
  auth_keys: z.record(z.string(), z.object({ Hash: z.string(), Key: z.string() })),
});

/** Such secrets, read. */
export type DocumentSecrets = z.output<typeof documentSecrets>;

/** Its version, which is the fork's: its importer reads the three arrays that it knows. */
export const DOCUMENT_VERSION = "1.0";

const rows = (what: string) => z.array(z.looseObject({})).openapi({ description: what });

const sealed: z.ZodType<SealedText> = z.object({
  derivation: z.object({ version: z.int(), salt: z.string(), iterations: z.int() }),
  text: z.string(),
});

/** Schema of a document. Of the fork's files only the three arrays are used. */
export const configDocument = z.looseObject({
  providers: rows("Rows of providers.").optional(),
  models: rows("Rows of models.").optional(),
  model_providers: rows("Rows of associations; their ends are ids of rows in this document.").optional(),
  auth_keys: rows("Rows of auth keys; without their hashes they are not made anew.").optional(),
  configs: z.array(z.object({ key: z.string().min(1), value: z.string() })).optional().openapi({
    description: "Settings by key.",
  }),
  health_config: z.looseObject({}).nullish().openapi({ description: "Settings of the health check." }),
  sealed_secrets: sealed.nullish().openapi({
    description: "The secrets that the rows show masked, encrypted with a passphrase.",
  }),
}).openapi("ConfigDocument");

/** A document, read. */
export type ConfigDocument = z.output<typeof configDocument>;
