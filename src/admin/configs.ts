/** Settings by key, as llmio's web UI reads and writes them. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { maskConfig, mergeConfig } from "../access/config_secrets.ts";
import { parseJsonObject, setTextMember } from "../access/json_text.ts";
import { parseProviderConfig } from "../protocols/provider_config.ts";
import { auditedSetting } from "./audit_rows.ts";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { must } from "./fields.ts";
import { route } from "./route.ts";

const tag = "settings";

/** The service that counts tokens: an object with `base_url`, `api_key` and `version`, as of a provider. */
const COUNT_TOKENS = "anthropic_count_tokens";

/** Paths beside the settings, so no settings can have these names. */
const RESERVED: Readonly<Record<string, string>> = {
  export: "GET, HEAD",
  import: "POST",
  "batch-import": "POST",
};

const valueSchema = z.string(must("a string that holds JSON"))
  .max(100_000, "must not be longer than 100000 characters")
  .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be well-formed Unicode without NUL")
  .openapi({
    description: "JSON text. Reads show secrets in it masked; a mask sent back or a key left out keeps the " +
      'stored secret, "" or null removes it.',
    example: '{"base_url":"https://api.anthropic.com/v1","api_key":"sk-…","version":"2023-06-01"}',
  });

const configUpdate = z.strictObject({ value: valueSchema.min(1, "must not be empty") }).openapi(
  "SettingUpdate",
);
const storable = z.object({ value: valueSchema });
/** The key stands in the path; in a row that is sent back it stands in the body too. */
const configNames = fieldNames(configUpdate, {}, ["key"]);
const configSchema = z.object({ key: z.string(), value: z.string() }).openapi("Setting");

/** Registers the routes. */
export function configRoutes(app: OpenAPIHono, { store, writes }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/config/{key}",
    tag,
    summary: 'One setting; the value of one that is not stored is ""',
    data: configSchema,
    faults: [405],
  }, async (c) => {
    const key = settingKey(c);
    return success(c, { key, value: shownSetting(key, (await store.configs.get(key))?.value ?? "") });
  });

  route(app, {
    method: "put",
    path: "/config/{key}",
    tag,
    summary: "Store one setting",
    audit: {
      action: "setting.update",
      row: async (_id, c) => {
        const key = settingKey(c);
        const value = (await store.configs.get(key))?.value;
        return auditedSetting(key, value, shownSetting(key, value ?? ""));
      },
    },
    body: configUpdate,
    data: configSchema,
    faults: [405],
  }, async (c) => {
    const key = settingKey(c);
    const { value } = validFields(configUpdate, await readFields(c, configNames));
    const stored = await writes.run(async () => {
      const before = (await store.configs.get(key))?.value ?? "";
      return await store.configs.set(key, mergedSetting(key, before, value));
    });
    return success(c, { key, value: shownSetting(key, stored.value) });
  });
}

/** The `:key` of the path. */
function settingKey(c: Context): string {
  const key = c.req.param("key") ?? "";
  const allowed = isReserved(key) ? RESERVED[key] : undefined;
  if (allowed === undefined) return key;
  c.header("Allow", allowed);
  throw new Fault(405, `Method ${c.req.method} is not allowed here; allowed: ${allowed}`);
}

/** Whether a name is a path of its own and therefore no setting. */
export function isReserved(key: string): boolean {
  return Object.hasOwn(RESERVED, key);
}

/** Whether a text can be kept as it is. One that is empty may come from another gateway. @throws {Fault} */
export function mustBeStorable(value: string): void {
  validFields(storable, new Map([["value", value]]));
}

/** Any object may hold a secret; texts of other kinds are not ours. */
export function shownSetting(key: string, value: string): string {
  return key === COUNT_TOKENS || parseJsonObject(value) !== null ? maskConfig(value) : value;
}

/** What to store when a value is written over the stored one. @throws {Fault} */
export function mergedSetting(key: string, stored: string, sent: string): string {
  if (key !== COUNT_TOKENS && parseJsonObject(sent) === null) return sent;
  const result = mergeConfig(stored, sent);
  if (!result.ok) {
    throw new Fault(400, `Invalid request body: ${result.reason.replace(/^config\b/, "value")}`);
  }
  // What nobody has changed stays, even if an older program stored it unusable.
  return key === COUNT_TOKENS && result.text !== stored ? usableService(result.text) : result.text;
}

/** A service without a URL is one that is switched off; any other must be callable. */
function usableService(text: string): string {
  const { base_url: url } = JSON.parse(text);
  if (url === undefined || url === null || url === "") return text;
  const parsed = parseProviderConfig("anthropic", text);
  if (!parsed.ok) throw new Fault(400, `Invalid request body: value: ${parsed.reason}`);
  return setTextMember(text, "base_url", parsed.config.baseUrl);
}
