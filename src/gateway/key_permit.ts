/** What a client's key may do: which models, and how much. @module */
import { convertCost } from "../access/budget_costs.ts";
import type { ClientKey, Entrance, LimitRefusal, Permit, RequestUse } from "../access/client_keys.ts";
import type { Route } from "../failover/candidates.ts";
import { requestSize } from "../protocols/request_size.ts";
import type { Dialect, Inspection } from "../protocols/protocol.ts";
import type { Refusal } from "./admission.ts";
import { type ClientBody, wholeJson } from "./client_body.ts";
import type { Gateway } from "./client_request.ts";
import type { RoutedModel, RoutingTable } from "./routing_table.ts";

/** A place among the requests of a key, and whose it is. */
export interface KeyEntrance extends Entrance {
  readonly key: ClientKey;
}

/** A refusal by one of the key's limits. */
export interface LimitedRefusal {
  readonly ok: false;
  readonly refusal: Refusal;
  readonly headers: Record<string, string>;
}

/** Whether a key may see a model: it may be used, and somebody who may serve the key has it. */
export function maySee(
  key: ClientKey | null,
  { name, routes }: Pick<RoutedModel, "name" | "routes">,
): boolean {
  return key === null || key.mayUse(name) && routes.some(({ providerId }) => maySend(key, providerId));
}

/** Whether a provider may serve somebody. */
function maySend({ providers }: Pick<ClientKey, "providers">, providerId: number): boolean {
  return providers === null || providers.has(providerId);
}

/** Of a model's routes, those whose providers may serve the caller. */
export function routesFor(
  caller: Pick<ClientKey, "providers">,
  routes: readonly Route[],
): readonly Route[] {
  // The routing table's own array serves those who have no restriction.
  return caller.providers === null ? routes : routes.filter(({ providerId }) => maySend(caller, providerId));
}

/** Why a key may not use a model; `null` = it may, or there is no such model. */
export function whyForbidden(key: ClientKey, model: string, table: RoutingTable): Refusal | null {
  if (!key.mayUse(model)) return forbidden(`auth key has no permission to use ${model}`);
  const known = table.model(model);
  if (known === undefined || known.routes.length === 0 || maySee(key, known)) return null;
  return forbidden(`auth key has no permission to use any provider of ${model}`);
}

function forbidden(message: string): Refusal {
  return { status: 403, code: "key_not_permitted", message };
}

/** What is asked for. */
interface AskedCall {
  readonly body: ClientBody;
  readonly inspection: Inspection;
}

/** Lets a request in, before its body is read. */
export function enterLimits(key: ClientKey, dialect: Dialect): KeyEntrance | LimitedRefusal {
  const entrance = key.enter();
  return entrance.ok ? { key, ...entrance } : limitedBy(entrance, key, dialect);
}

/** Admits a request that was let in, once it is known what it asks for. */
export function takePermit(
  { key, admit }: KeyEntrance,
  dialect: Dialect,
  call: AskedCall,
  gateway: Gateway,
): Permit | LimitedRefusal {
  const answer = admit(key.measuresUse ? mostUse(key, call, gateway) : NOTHING);
  return answer.ok ? answer : limitedBy(answer, key, dialect);
}

/** What a client is told whose key has met a limit. */
function limitedBy(
  { limit, message, retryAfterMs }: LimitRefusal,
  key: ClientKey,
  dialect: Dialect,
): LimitedRefusal {
  const headers = dialect.limitHeaders(key.standing(), Date.now());
  if (retryAfterMs !== null) headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
  // A client that waits for what never comes back only asks again.
  const status = retryAfterMs === null ? 402 : 429;
  const code = limit.startsWith("budget") ? "insufficient_quota" : "rate_limit_exceeded";
  return { ok: false, refusal: { status, code, message }, headers };
}

const NOTHING: RequestUse = { tokens: 0, cost: 0, currency: "" };

/** What a request may use at most, by its own words and the dearest of its candidates. */
function mostUse(key: ClientKey, { body, inspection }: AskedCall, gateway: Gateway): RequestUse {
  const { inputTokens, outputTokens } = requestSize(body.kind === "json" ? wholeJson(body) : {});
  const usage = { promptTokens: inputTokens, completionTokens: outputTokens, cachedTokens: 0 };
  const tokens = inputTokens + outputTokens;
  const inDollars = ({ cost, currency }: RequestUse) => convertCost(cost, currency, "USD", gateway.cnyPerUsd);
  let dearest: RequestUse = { ...NOTHING, tokens };
  for (
    const { enabled, providerId, associationId } of gateway.table().model(inspection.model)?.routes ?? []
  ) {
    const target = gateway.table().target(associationId);
    if (!enabled || target === undefined || !maySend(key, providerId)) continue;
    const rule = gateway.pricing.ruleOf(target);
    const use = { tokens, cost: rule.cost(usage), currency: rule.currency };
    if (inDollars(use) > inDollars(dearest)) dearest = use;
  }
  return dearest;
}
