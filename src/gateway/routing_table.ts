/**
 * The routing table: everything that a request is routed by, in memory and immutable. It is built anew from the
 * database's rows after each change and swapped whole, so a request never sees half of a change.
 *
 * @module
 */
import type { Route, RouteKey } from "../failover/candidates.ts";
import { secretsOf } from "../access/scrub.ts";
import { UpstreamPolicy } from "../access/upstream_policy.ts";
import type { Upstream } from "../protocols/protocol.ts";
import {
  isProviderType,
  keysOn,
  parseProviderConfig,
  type ProviderConfig,
} from "../protocols/provider_config.ts";
import type { Association } from "../store/associations.ts";
import type { Model } from "../store/models.ts";
import type { Provider } from "../store/providers.ts";
import type { RoutingRows } from "../store/store.ts";
import { type CountService, countServiceOf } from "./count_service.ts";
import { KEYLESS, keyStateId } from "./key_state_id.ts";
import { withoutAlias } from "./model_alias.ts";

/** A public model and who serves it. */
export interface RoutedModel {
  readonly id: number;
  readonly name: string;
  /** When the model was made, epoch seconds. */
  readonly created: number;
  /** Attempts in total. */
  readonly maxAttempts: number;
  /** Milliseconds; `Infinity` = no limit. */
  readonly timeOutMs: number;
  /** Longest time from an attempt's start to a stream's first output, milliseconds; `Infinity` = no limit of its own. */
  readonly firstTokenMs: number;
  readonly strategy: string;
  readonly breaker: boolean;
  /** One of its providers cannot stream. */
  readonly fakesStreams: boolean;
  /** All associations that could be routed to, the switched-off ones included. */
  readonly routes: readonly Route[];
}

/** What a call through one association needs beyond the choice of it. */
export interface Target {
  readonly associationId: number;
  readonly providerId: number;
  readonly providerName: string;
  /** The model's name that is sent: never an alias. */
  readonly providerModel: string;
  readonly upstream: Upstream;
  /** Proxy URL; `""` = none. */
  readonly proxy: string;
  /** Texts that turn a 200 answer into a failure, lower-cased. */
  readonly errorMatcher: readonly string[];
  readonly withHeader: boolean;
  readonly customerHeaders: readonly (readonly [string, string])[];
  /** Name and JSON text of each top-level member that main requests to the provider get. */
  readonly overrides: readonly (readonly [string, string])[];
  /** The provider cannot stream: a stream is made of its whole answer. */
  readonly fakeStream: boolean;
  /** Path and JSON text of each field that the operator forces. */
  readonly extraBody: readonly (readonly [string, string])[];
  readonly inputPrice: number;
  readonly cacheReadPrice: number;
  readonly outputPrice: number;
  readonly currency: string;
  /** The credential behind a key; `""` = none. */
  secretOf(keyId: string): string;
  /** All that the provider could echo in an error and nobody may see. */
  readonly secrets: readonly string[];
}

/** A row that cannot be routed to, and why. */
export interface RoutingProblem {
  readonly providerId: number;
  readonly providerName: string;
  readonly reason: string;
}

/** The table. */
export interface RoutingTable {
  model(name: string): RoutedModel | undefined;
  /** All models, oldest id first. */
  readonly models: readonly RoutedModel[];
  target(associationId: number): Target | undefined;
  readonly problems: readonly RoutingProblem[];
  /** Who counts tokens for models whose providers cannot; `null` = nobody. */
  readonly countService: CountService | null;
}

/**
 * Builds the table. Rows that cannot be used are left out and named in `problems`; they never fail the rest.
 *
 * @param policy says where providers may be
 */
export function buildRoutingTable(rows: RoutingRows, policy = new UpstreamPolicy()): RoutingTable {
  const problems: RoutingProblem[] = [];
  const providers = new Map<number, RoutedProvider>();
  for (const row of rows.providers) {
    const parsed = parseProviderConfig(row.type, row.config);
    const refusal = parsed.ok ? refusedPlace(parsed.config.baseUrl, row.proxy, policy) : null;
    if (refusal !== null) problems.push({ providerId: row.id, providerName: row.name, reason: refusal });
    else if (parsed.ok) {
      providers.set(row.id, { row, config: parsed.config, routeKeys: routeKeysOf(row.id, parsed.config) });
    } else problems.push({ providerId: row.id, providerName: row.name, reason: parsed.reason });
  }
  const byModel = Map.groupBy(rows.associations, (association) => association.modelId);
  const targets = new Map<number, Target>();
  const models: RoutedModel[] = [];
  for (const row of [...rows.models].sort((a, b) => a.id - b.id)) {
    const routes: Route[] = [];
    for (const association of byModel.get(row.id) ?? []) {
      const provider = providers.get(association.providerId);
      if (provider === undefined || !isProviderType(provider.row.type)) continue;
      routes.push(routeOf(association, provider, provider.row.type, row.breaker));
      targets.set(association.id, targetOf(association, provider));
    }
    models.push(routedModel(row, routes, routes.some((each) => isFaked(each, targets))));
  }
  // Of two rows with one name, which only old programs made, the older one counts, as it did there.
  const byName = new Map([...models].reverse().map((model) => [model.name, model]));
  return {
    model: (name) => byName.get(name),
    models,
    target: (associationId) => targets.get(associationId),
    problems,
    countService: countServiceOf(rows.countTokens ?? ""),
  };
}

function isFaked({ associationId }: Route, targets: ReadonlyMap<number, Target>): boolean {
  return targets.get(associationId)?.fakeStream === true;
}

function refusedPlace(baseUrl: string, proxy: string, policy: UpstreamPolicy): string | null {
  const ofHost = policy.refusalOfUrl(baseUrl);
  if (ofHost !== null) return `base_url ${ofHost}`;
  const ofProxy = policy.refusalOfUrl(proxy.trim());
  return ofProxy === null ? null : `proxy ${ofProxy}`;
}

interface RoutedProvider {
  readonly row: Provider;
  readonly config: ProviderConfig;
  readonly routeKeys: readonly RouteKey[];
}

/** None = all keys are switched off. */
function routeKeysOf(providerId: number, config: ProviderConfig): RouteKey[] {
  if (config.keys.length === 0) return [{ id: keyStateId(providerId, KEYLESS), weight: 1 }];
  return (keysOn(config) ?? []).map(({ id, weight }) => ({ id: keyStateId(providerId, id), weight }));
}

/** A limit in seconds, where 0 means none. */
function limitMs(seconds: number): number {
  return seconds > 0 ? seconds * 1000 : Infinity;
}

function routedModel(row: Model, routes: readonly Route[], fakesStreams: boolean): RoutedModel {
  return {
    id: row.id,
    name: row.name,
    created: Math.floor(Date.parse(row.createdAt) / 1000) || 0,
    // Rows of older programs may hold 0, with which no request could ever be served.
    maxAttempts: Math.max(1, row.maxRetry),
    timeOutMs: limitMs(row.timeOutSeconds),
    firstTokenMs: limitMs(row.firstTokenTimeoutSeconds),
    strategy: row.strategy,
    breaker: row.breaker,
    fakesStreams,
    routes,
  };
}

function routeOf(
  association: Association,
  provider: RoutedProvider,
  protocol: Route["protocol"],
  breaker: boolean,
): Route {
  return {
    associationId: association.id,
    modelId: association.modelId,
    providerId: provider.row.id,
    providerName: provider.row.name,
    protocol,
    providerModel: withoutAlias(provider.row, association.providerModel),
    weight: association.weight,
    priority: provider.row.priority ?? 0,
    enabled: provider.row.enabled && association.status !== false,
    tools: association.toolCall === true,
    structuredOutput: association.structuredOutput === true,
    image: association.image === true,
    breaker,
    keys: provider.routeKeys,
    keyPolicy: provider.config.keyPolicy,
  };
}

function targetOf(association: Association, { row, config }: RoutedProvider): Target {
  const customerHeaders = Object.entries(association.customerHeaders ?? {});
  const secretById = new Map(config.keys.map((key) => [keyStateId(row.id, key.id), key.secret]));
  return {
    associationId: association.id,
    providerId: row.id,
    providerName: row.name,
    providerModel: withoutAlias(row, association.providerModel),
    upstream: { baseUrl: config.baseUrl, version: config.version, beta: config.beta },
    proxy: row.proxy.trim(),
    errorMatcher: matcherRules(row.errorMatcher),
    withHeader: association.withHeader === true,
    customerHeaders,
    overrides: jsonMembers(row.parameterOverrides),
    fakeStream: row.fakeStream === true,
    extraBody: jsonMembers(association.extraBody),
    inputPrice: association.inputPrice ?? 0,
    cacheReadPrice: association.cacheReadPrice ?? 0,
    outputPrice: association.outputPrice ?? 0,
    currency: association.currency,
    secretOf: (keyId) => secretById.get(keyId) ?? "",
    secrets: secretsOf(row, customerHeaders),
  };
}

function jsonMembers(object: Readonly<Record<string, unknown>> | null | undefined): [string, string][] {
  return Object.entries(object ?? {}).map(([name, value]) => [name, JSON.stringify(value)]);
}

/** Rules are separated by line ends, `;` or the full-width `；` (compat/proxy-api.md, section 7). */
function matcherRules(text: string): string[] {
  return text.split(/[\r\n;；]/).map((rule) => rule.trim().toLowerCase()).filter((rule) => rule !== "");
}
