/** Providers as the admin API shows and takes them. @module */
import { z } from "@hono/zod-openapi";
import { maskConfig, mergeConfig } from "../access/config_secrets.ts";
import { setTextMember } from "../access/json_text.ts";
import type { Merged } from "../access/secrets.ts";
import type { UpstreamPolicy } from "../access/upstream_policy.ts";
import { maskUrl, mergeUrl } from "../access/url_secrets.ts";
import { parseProviderConfig, PROVIDER_TYPES } from "../protocols/provider_config.ts";
import type { Provider, ProviderFields } from "../store/providers.ts";
import { fieldNames } from "./body.ts";
import { Fault } from "./envelope.ts";
import { flagField, linkField, must, nameField, textField, wholeField } from "./fields.ts";
import { aliasFault, overrideFault, report } from "./overrides.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

/** Largest priority; the negative of it is the smallest one. */
const MAX_PRIORITY = 1000;

/** Longest config, in characters. */
export const CONFIG_LIMIT = 100_000;

const shape = {
  name: nameField("Unique name."),
  type: z.enum(PROVIDER_TYPES, must(`one of ${PROVIDER_TYPES.join(", ")}`)).openapi({
    description: "Wire protocol.",
  }),
  config: z.string(must("a string that holds a JSON object")).max(
    CONFIG_LIMIT,
    `must not be longer than ${CONFIG_LIMIT} characters`,
  )
    .openapi({
      description:
        "JSON text: base_url, and api_key or api_keys (strings or objects with key, name, weight), " +
        "key_policy, version, beta, check_model. Reads show keys masked; a mask sent back or a key left out keeps " +
        'the stored key, "" or null removes it.',
      example: '{"base_url":"https://api.openai.com/v1","api_key":"sk-…"}',
    }),
  console: linkField("Link to the vendor's console."),
  proxy: textField("HTTP or SOCKS5 proxy URL for calls to this provider.").transform((text) => text.trim()),
  error_matcher: textField("Texts, one a line or separated by `;`, that turn a 200 answer into a failure."),
  enabled: z.boolean(must("true or false")).openapi({ description: "The operator's switch." }),
  priority: wholeField(-MAX_PRIORITY, MAX_PRIORITY, "Providers with a larger one are tried first."),
  parameter_overrides: z.record(z.string(), z.unknown(), must("an object or null"))
    .superRefine(report(overrideFault)).nullable().transform(noneIfEmpty).openapi({
      description:
        "Top-level members set in the body of every chat, response, message or generateContent request to this " +
        "provider. The extra_body of an association wins over them.",
      type: ["object", "null"],
    }),
  model_aliases: z.record(z.string(), z.string(must("a string")), must("an object of strings or null"))
    .superRefine(report(aliasFault)).nullable().transform(noneIfEmpty).openapi({
      description: "Names that associations may give, each with the model's own name, which is then sent.",
      type: ["object", "null"],
    }),
  fake_stream: flagField("It cannot stream: streams are made of its whole answers."),
};

/** Body of `POST /api/providers`. */
export const providerCreate = z.strictObject({
  ...shape,
  console: shape.console.default(""),
  proxy: shape.proxy.default(""),
  error_matcher: shape.error_matcher.default(""),
  enabled: shape.enabled.default(true),
  priority: shape.priority.default(0),
  parameter_overrides: shape.parameter_overrides.default(null),
  model_aliases: shape.model_aliases.default(null),
  fake_stream: shape.fake_stream.default(false),
}).openapi("ProviderCreate");

/** Body of `PUT /api/providers/:id`; a field left out keeps its value. */
export const providerUpdate = z.strictObject(shape).partial().openapi("ProviderUpdate");

/** Members of both bodies. */
export const providerNames = fieldNames(providerUpdate);

/** Schema of {@linkcode providerRow}. */
export const providerSchema = z.object({
  ...rowHeadShape,
  Name: z.string(),
  Type: z.string(),
  Config: z.string().openapi({ description: "JSON text with its secrets masked." }),
  Console: z.string(),
  Proxy: z.string(),
  ErrorMatcher: z.string(),
  Enabled: z.boolean(),
  Priority: z.int(),
  ParameterOverrides: z.record(z.string(), z.unknown()).nullable(),
  ModelAliases: z.record(z.string(), z.string()).nullable(),
  FakeStream: z.boolean(),
}).openapi("Provider");

/** A provider as llmio's clients read it, without its secrets. */
export function providerRow(provider: Provider): z.output<typeof providerSchema> {
  return {
    ...rowHead(provider),
    Name: provider.name,
    Type: provider.type,
    Config: maskConfig(provider.config),
    Console: maskUrl(provider.console),
    Proxy: maskUrl(provider.proxy),
    ErrorMatcher: provider.errorMatcher,
    Enabled: provider.enabled,
    Priority: provider.priority ?? 0,
    ParameterOverrides: provider.parameterOverrides ?? null,
    ModelAliases: provider.modelAliases ?? null,
    FakeStream: provider.fakeStream ?? false,
  };
}

/** A provider that nothing is stored of yet. */
export const NEW_PROVIDER: ProviderFields = {
  name: "",
  type: "",
  config: "",
  console: "",
  proxy: "",
  errorMatcher: "",
  priority: 0,
  parameterOverrides: null,
  modelAliases: null,
  fakeStream: false,
};

/**
 * What to store when the sent fields are written over the stored ones: masks replaced, the base URL normalised.
 *
 * @param policy says where providers may be; what is not sent is not judged
 * @throws {Fault} when the result is not usable.
 */
export function mergedProvider(
  stored: ProviderFields,
  sent: z.output<typeof providerUpdate>,
  policy: UpstreamPolicy,
): ProviderFields {
  const type = sent.type ?? stored.type;
  const isReconfigured = sent.config !== undefined || type !== stored.type;
  return {
    name: sent.name ?? stored.name,
    type,
    // Text that nobody touches stays as it is, even if an older program stored it unusable.
    config: isReconfigured
      ? mergedConfig(type, stored.config, sent.config ?? stored.config, policy)
      : stored.config,
    console: mergedUrl(stored.console, sent.console, "console"),
    proxy: mergedProxy(stored.proxy, sent.proxy, policy),
    errorMatcher: sent.error_matcher ?? stored.errorMatcher,
    priority: sent.priority ?? stored.priority ?? 0,
    parameterOverrides: kept(sent.parameter_overrides, stored.parameterOverrides),
    modelAliases: kept(sent.model_aliases, stored.modelAliases),
    fakeStream: sent.fake_stream ?? stored.fakeStream ?? false,
  };
}

/** What was sent, or else what is stored; null was sent to clear it. */
function kept<Value>(sent: Value | null | undefined, stored: Value | null | undefined): Value | null {
  return sent === undefined ? stored ?? null : sent;
}

function noneIfEmpty<Value extends object>(object: Value | null): Value | null {
  return object === null || Object.keys(object).length === 0 ? null : object;
}

function mergedConfig(type: string, stored: string, sent: string, policy: UpstreamPolicy): string {
  const merged = sent === stored ? sent : accepted(mergeConfig(stored, sent));
  const parsed = parseProviderConfig(type, merged);
  if (!parsed.ok) throw new Fault(400, `Invalid request body: ${inConfig(parsed.reason)}`);
  mustBeAllowed("config: base_url", parsed.config.baseUrl, policy);
  return setTextMember(merged, "base_url", parsed.config.baseUrl);
}

/** Reasons name the member of the config; the caller has to know that it is one. */
function inConfig(reason: string): string {
  return reason.startsWith("config ") ? reason : `config: ${reason}`;
}

function mergedUrl(stored: string, sent: string | undefined, field: string): string {
  return sent === undefined ? stored : accepted(mergeUrl(stored, sent, field));
}

function mustBeAllowed(field: string, url: string, policy: UpstreamPolicy): void {
  const refusal = policy.refusalOfUrl(url);
  if (refusal !== null) throw new Fault(400, `Invalid request body: ${field} ${refusal}`);
}

function mergedProxy(stored: string, sent: string | undefined, policy: UpstreamPolicy): string {
  const proxy = mergedUrl(stored, sent, "proxy");
  if (sent === undefined || proxy === "") return proxy;
  // A host is required: `http:///x` would be mended to something that was not meant.
  const hasHost = /^(?:https?|socks5):\/\/[^/?#\\\s]+\/?$/i.test(proxy) && URL.canParse(proxy);
  if (hasHost) {
    mustBeAllowed("proxy", proxy, policy);
    return proxy;
  }
  throw new Fault(
    400,
    "Invalid request body: proxy must be a URL such as http://host:8080, https://… or socks5://…",
  );
}

function accepted(merged: Merged): string {
  if (!merged.ok) throw new Fault(400, `Invalid request body: ${merged.reason}`);
  return merged.text;
}
