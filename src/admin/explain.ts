/**
 * `POST /api/explain`: who would serve a request that came now, in which order, and who would not and why. Nobody is
 * called and nothing changes.
 *
 * @module
 */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { mask } from "../access/secrets.ts";
import { strategyOf } from "../failover/balance.ts";
import { emptyWalk } from "../failover/decide.ts";
import { explain, type Explanation } from "../failover/explain.ts";
import { finalWord } from "../failover/final_word.ts";
import { keyIdOf } from "../gateway/key_state_id.ts";
import type { RoutedModel, RoutingTable } from "../gateway/routing_table.ts";
import type { Association } from "../store/associations.ts";
import { readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { explanationSchema, heldBack, whyExcluded } from "./explain_reasons.ts";
import { type Asked, askedOf, explainBody, explainNames } from "./explain_request.ts";
import { momentOf } from "./moment.ts";
import { nearest } from "./nearest.ts";
import { route } from "./route.ts";

/** Registers the route. */
export function explainRoutes(app: OpenAPIHono, context: AdminContext): void {
  route(app, {
    method: "post",
    path: "/explain",
    tag: "explain",
    summary: "Who would serve a request now, in which order, and who would not and why; nobody is called",
    reads: true,
    body: explainBody,
    data: explanationSchema,
    faults: [404],
  }, async (c) => {
    const asked = askedOf(validFields(explainBody, await readFields(c, explainNames)));
    const table = context.gateway.table();
    const model = table.model(asked.model);
    if (model === undefined) throw new Fault(404, unknownModel(asked.model, table));
    const rows = await context.store.associations.ofModel(model.id);
    return success(c, answer(asked, model, rows, table, context));
  });
}

function answer(
  asked: Asked,
  model: RoutedModel,
  rows: readonly Association[],
  table: RoutingTable,
  { gateway, now }: AdminContext,
): z.output<typeof explanationSchema> {
  const { protocol, stream, tools, structuredOutput, image, sessionId } = asked;
  const view = gateway.live;
  const place = { view, now: now(), trialUnhealthy: gateway.trialUnhealthy() };
  const plan = explain(model.routes, { protocol, tools, structuredOutput, image }, {
    ...place,
    strategy: model.strategy,
    sessionId: sessionId === "" ? null : sessionId,
  });
  const final = plan.noRoute === null
    ? null
    : finalWord(emptyWalk, { ...place, routes: [], noRoute: plan.noRoute });
  return {
    model: model.name,
    protocol,
    request: { stream, tools, structured_output: structuredOutput, image, session_id: sessionId },
    strategy: strategyOf(model.strategy),
    breaker: model.breaker,
    max_attempts: model.maxAttempts,
    refusal: final?.type === "gateway_error"
      ? { status: final.status, code: final.code, message: final.message }
      : null,
    candidates: plan.candidates.map((candidate, index) => ({
      position: index + 1,
      ...named(candidate, rows),
      tier: candidate.tier,
      trial: candidate.trial,
      share: candidate.share,
      priority: candidate.priority,
      fake_stream: stream && table.target(candidate.associationId)?.fakeStream === true,
      weight: candidate.weight,
      until: momentOf(candidate.until),
      holds: heldBack(candidate, place),
      keys: candidate.keys.map(({ id, status, until }) => ({
        id: keyIdOf(id),
        mask: maskOf(table.target(candidate.associationId)?.secretOf(id) ?? ""),
        status,
        until: momentOf(until),
      })),
    })),
    excluded: [
      ...plan.excluded.map((each) => {
        const row = rows.find(({ id }) => id === each.associationId);
        return { ...named(each, rows), reason: each.reason, message: whyExcluded(each.reason, asked, row) };
      }),
      ...unusable(model, rows, table),
    ],
  };
}

/** Associations that are not even in the table, since their provider's config cannot be used. */
function unusable({ routes }: RoutedModel, rows: readonly Association[], { problems }: RoutingTable) {
  const routed = new Set(routes.map(({ associationId }) => associationId));
  return rows.filter(({ id }) => !routed.has(id)).map(({ id, providerId, providerModel }) => {
    const problem = problems.find((each) => each.providerId === providerId);
    return {
      association_id: id,
      provider_id: providerId,
      provider_name: problem?.providerName ?? "",
      provider_model: providerModel,
      alias: null,
      reason: "unusable" as const,
      message: `the provider cannot be used: ${problem?.reason ?? "it is not in the routing table"}`,
    };
  });
}

function named(
  { associationId, providerId, providerName, providerModel }:
    | Explanation["excluded"][number]
    | Explanation["candidates"][number],
  rows: readonly Association[],
) {
  const own = rows.find(({ id }) => id === associationId)?.providerModel ?? providerModel;
  return {
    association_id: associationId,
    provider_id: providerId,
    provider_name: providerName,
    provider_model: providerModel,
    alias: own === providerModel ? null : own,
  };
}

function unknownModel(model: string, table: RoutingTable): string {
  const guess = nearest(model, table.models.map(({ name }) => name));
  const hint = guess === null
    ? "GET /api/models lists those that do"
    : `did you mean ${JSON.stringify(guess)}?`;
  return `The model ${JSON.stringify(model.slice(0, 100))} does not exist here; ${hint}`;
}

/** A provider without credentials has one entry without a secret. */
function maskOf(secret: string): string {
  return secret === "" ? "" : mask(secret);
}
