/** One group of OrchestrationApi in our own terms. @module */
import { PROVIDER_TYPES, type ProviderType } from "../protocols/provider_config.ts";
import { Fault } from "./envelope.ts";
import { headerFault, overrideFault } from "./overrides.ts";
import type { LooseRow } from "./orchestration_import_document.ts";

/** What a group becomes. */
export interface ImportedGroup {
  readonly id: string;
  readonly name: string;
  /** Fields of the provider, as `PUT /api/providers/:id` takes them. */
  readonly provider: ReadonlyMap<string, unknown>;
  readonly enabled: boolean;
  readonly hasKeys: boolean;
  /** Public names that it serves; aliases are among them. */
  readonly models: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Attempts that it is worth to a request. */
  readonly attempts: number;
  /** Seconds; 0 = not said. */
  readonly timeOutSeconds: number;
  /** What does not come along, or not as it was. */
  readonly messages: readonly string[];
}

const TYPES: Readonly<Record<string, ProviderType>> = {
  openai: "openai",
  openairesponses: "openai-res",
  openaires: "openai-res",
  anthropic: "anthropic",
  claude: "anthropic",
  gemini: "gemini",
  google: "gemini",
};

const BASE_URLS: Readonly<Record<ProviderType, string>> = {
  openai: "https://api.openai.com/v1",
  "openai-res": "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
  gemini: "https://generativelanguage.googleapis.com/v1beta",
};

const KEY_POLICIES = ["round_robin", "random", "least_used"];
/** What its groups have when nobody says. */
const RETRIES = 3;
const MAX_PRIORITY = 1000;

/** Understands a group. @throws {Fault} that names what is wrong with it */
export function readGroup(row: LooseRow): ImportedGroup {
  const messages: string[] = [];
  const name = row.text("group_name") || row.text("id");
  if (name === "") throw new Fault(400, "group_name is required");
  const type = typeOf(row);
  const aliases = row.textsByName("model_aliases");
  const keys = row.texts("api_keys");
  if (keys.length === 0) messages.push("it has no keys; add some with POST /api/providers/:id/keys");
  const models = modelsOf(row, type, aliases);
  if (models.length === 0) messages.push("it names no models, so nothing is served by it yet");
  if (row.whole("rpm_limit", 0) > 0) {
    messages.push(
      "rpm_limit does not come along: limits are set on the keys of clients (requests_per_minute)",
    );
  }
  if (!row.flag("health_check_enabled", true)) {
    messages.push(
      "health_check_enabled does not come along: the health check looks after all providers that are on",
    );
  }
  const headers = row.textsByName("headers");
  const headersFault = headerFault(headers);
  if (headersFault !== null) throw new Fault(400, `headers ${headersFault}`);
  const enabled = row.flag("enabled", true);
  return {
    id: row.text("id"),
    name,
    provider: new Map<string, unknown>([
      ["name", name],
      ["type", type],
      ["config", configOf(row, type, { keys, aliases, messages })],
      ["proxy", proxyOf(row, messages)],
      ["enabled", enabled],
      ["priority", priorityOf(row, messages)],
      ["parameter_overrides", overridesOf(row, messages)],
      ["model_aliases", aliases],
      ["fake_stream", row.flag("fake_streaming", false)],
    ]),
    enabled,
    hasKeys: keys.length > 0,
    models,
    headers,
    attempts: Math.max(0, row.whole("retry_count", RETRIES)) + 1,
    timeOutSeconds: Math.max(0, row.whole("timeout", 0)),
    messages,
  };
}

function typeOf(row: LooseRow): ProviderType {
  const given = row.text("provider_type");
  const type = TYPES[given.toLowerCase().replaceAll(/[^a-z]/g, "")];
  if (type !== undefined) return type;
  throw new Fault(
    400,
    given === ""
      ? "provider_type is required"
      : `provider_type ${JSON.stringify(given.slice(0, 50))} is not one of ${PROVIDER_TYPES.join(", ")}`,
  );
}

/** Requests for a model and for an alias of it both found the group. Google's lists name models with their collection. */
function modelsOf(row: LooseRow, type: ProviderType, aliases: Readonly<Record<string, string>>): string[] {
  const names = [...row.texts("models"), ...Object.keys(aliases)];
  return [...new Set(type === "gemini" ? names.map((name) => name.replace(/^models\//, "")) : names)];
}

function configOf(
  row: LooseRow,
  type: ProviderType,
  { keys, aliases, messages }: {
    readonly keys: readonly string[];
    readonly aliases: Readonly<Record<string, string>>;
    readonly messages: string[];
  },
): string {
  const policy = row.text("balance_policy").toLowerCase() || "round_robin";
  if (!KEY_POLICIES.includes(policy)) {
    messages.push("its balance_policy is none of ours: keys are used in turn (round_robin)");
  }
  const tested = row.text("test_model");
  const checkModel = Object.hasOwn(aliases, tested) ? aliases[tested] : tested;
  return JSON.stringify({
    base_url: row.text("base_url") || BASE_URLS[type],
    api_keys: keys,
    key_policy: KEY_POLICIES.includes(policy) ? policy : "round_robin",
    ...(checkModel !== "" && { check_model: checkModel }),
  });
}

function priorityOf(row: LooseRow, messages: string[]): number {
  const given = row.whole("priority", 0);
  const priority = Math.max(-MAX_PRIORITY, Math.min(MAX_PRIORITY, given));
  if (priority !== given) messages.push(`its priority ${given} became ${priority}`);
  return priority;
}

/** Those that cannot be forced stay behind, each with a message; the others are checked when they are stored. */
function overridesOf(row: LooseRow, messages: string[]): Record<string, unknown> {
  const kept = Object.entries(row.object("parameter_overrides")).filter(([name, value]) => {
    const fault = overrideFault({ [name]: value });
    if (fault !== null) messages.push(`parameter_overrides: one does not come along: it ${fault}`);
    return fault === null;
  });
  return Object.fromEntries(kept);
}

/** There a proxy that could not be used was left out; here it is refused, since a call would leave by another way. */
function proxyOf(row: LooseRow, messages: string[]): string {
  if (!row.flag("proxy_enabled", row.has("proxy_config"))) return "";
  const proxy = row.nested("proxy_config");
  const host = proxy.text("host");
  if (host === "") throw new Fault(400, "proxy_config must name a host, or proxy_enabled must be false");
  const type = proxy.text("type").toLowerCase() || "http";
  const user = encodeURIComponent(proxy.text("username"));
  const password = encodeURIComponent(proxy.text("password"));
  const login = user === "" && password === "" ? "" : `${user}${password === "" ? "" : `:${password}`}@`;
  if (proxy.texts("bypass_domains").length > 0) {
    messages.push("proxy_config: bypass_domains does not come along: all calls to it go through the proxy");
  }
  const place = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return `${type}://${login}${place}:${proxy.whole("port", 8080)}`;
}
