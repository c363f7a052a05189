/**
 * Configs to start a provider from, and what becomes of one that is sent back without having been filled in.
 *
 * llmio's web UI lays its form out by these texts: a member that the stored config lacks is shown, and sent, as it stands
 * here. So a provider without a key comes back with the template's placeholder for one, and a config that the form
 * cannot read, one with several keys say, comes back as the whole template.
 *
 * @module
 */
import { parseJsonObject } from "../access/json_text.ts";
import { asArray, asObject, asString, type JsonObject } from "../protocols/json_access.ts";
import { DEFAULT_ANTHROPIC_VERSION } from "../protocols/provider_config.ts";
import type { ProviderFields } from "../store/providers.ts";
import { Fault } from "./envelope.ts";
import { removeKey } from "./key_pool_text.ts";

const CONFIGS = [
  { type: "openai", config: { base_url: "https://api.openai.com/v1", api_key: "YOUR_API_KEY" } },
  {
    type: "gemini",
    config: { base_url: "https://generativelanguage.googleapis.com/v1beta", api_key: "YOUR_GEMINI_API_KEY" },
  },
  { type: "openai-res", config: { base_url: "https://api.openai.com/v1", api_key: "YOUR_API_KEY" } },
  {
    type: "anthropic",
    config: {
      base_url: "https://api.anthropic.com/v1",
      api_key: "YOUR_API_KEY",
      version: DEFAULT_ANTHROPIC_VERSION,
    },
  },
] as const;

/** The templates, in llmio's order: the web UI takes the first one as the default of a new provider. */
export const TEMPLATES = CONFIGS.map(({ type, config }) => ({
  type,
  template: JSON.stringify(config, null, "\t"),
}));

type Template = Readonly<Record<string, string>>;

/** What stands in the templates where a key belongs. It is no key, so it must never become one. */
const PLACEHOLDERS: ReadonlySet<string> = new Set(CONFIGS.map(({ config }) => config.api_key));

/**
 * Sent fields with a config that holds no placeholder of a key. Over a stored provider the placeholder means "unchanged",
 * so that one without a key stays without; for a new provider it means nothing.
 *
 * @param stored What the fields are written over; `null` = a new provider.
 * @throws {Fault} when the placeholder stands for nothing, or the template for a config that the form could not show
 */
export function withConfigFilledIn<Sent extends { type?: string | undefined; config?: string | undefined }>(
  sent: Sent,
  stored: ProviderFields | null,
): Sent {
  // What is no object is refused when it is merged.
  if (sent.config === undefined || parseJsonObject(sent.config) === null) return sent;
  return { ...sent, config: filledIn(sent.type ?? stored?.type ?? "", sent.config, stored) };
}

function filledIn(type: string, sent: string, stored: ProviderFields | null): string {
  const members = parseObject(sent);
  const inPool = asArray(members["api_keys"]).map((entry) => asObject(entry)?.["key"] ?? entry);
  if (inPool.some(isPlaceholder)) throw unfilled("api_keys");
  if (!isPlaceholder(members["api_key"])) return sent;
  if (stored === null) throw unfilled("api_key");
  const template = CONFIGS.find((each) => each.type === type)?.config ?? {};
  if (equalsTemplate(members, template) && !isShownAsTemplate(parseObject(stored.config), template)) {
    throw new Fault(
      400,
      "Invalid request body: config is the template, with YOUR_…_KEY for a key; send the provider's own values",
    );
  }
  return removeKey(sent, asString(members["api_key"]).trim());
}

function isPlaceholder(key: unknown): boolean {
  return PLACEHOLDERS.has(asString(key).trim());
}

function unfilled(member: string): Fault {
  return new Fault(
    400,
    `Invalid request body: config: ${member} holds the template's placeholder; send the provider's own key, or "" ` +
      "as api_key if it has none",
  );
}

/** Whether a config holds what the template does, whatever its key is. */
function equalsTemplate(config: JsonObject, template: Template): boolean {
  return Object.entries(template).every(([name, value]) => name === "api_key" || config[name] === value);
}

/** Whether a stored config truly looks like the template in the form, which can show neither lists nor objects. */
function isShownAsTemplate(config: JsonObject, template: Template): boolean {
  const isFlat = Object.values(config).every((value) => typeof value !== "object" || value === null);
  return isFlat && equalsTemplate({ ...template, ...config }, template);
}

/** An object; none of its members when the text is something else, which others find fault with. */
function parseObject(text: string): JsonObject {
  try {
    return asObject(JSON.parse(text)) ?? {};
  } catch {
    return {};
  }
}
