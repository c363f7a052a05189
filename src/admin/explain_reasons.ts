/** What an explanation says: its shape, and the reasons in words. @module */
import { z } from "@hono/zod-openapi";
import type { Misfit } from "../failover/candidates.ts";
import type { ExplainedCandidate, Hold } from "../failover/explain.ts";
import type { PlaceInput } from "../failover/tiers.ts";
import type { Association } from "../store/associations.ts";
import type { Asked } from "./explain_request.ts";
import { momentOf, momentSchema } from "./moment.ts";

const who = {
  association_id: z.int(),
  provider_id: z.int(),
  provider_name: z.string(),
  provider_model: z.string().openapi({ description: "The model's name at the provider, as it is sent." }),
  alias: z.string().nullable().openapi({
    description: "The association's name for it, where that is an alias of the provider.",
  }),
};

const holdSchema = z.object({
  reason: z.enum([
    "unhealthy",
    "cooling",
    "cooldown_over",
    "breaker_open",
    "breaker_half_open",
    "trial_under_way",
    "no_usable_key",
  ]),
  until: momentSchema,
  message: z.string(),
}).openapi("ExplainedHold");

/** Schema of the answer. */
export const explanationSchema = z.object({
  model: z.string(),
  protocol: z.string(),
  request: z.object({
    stream: z.boolean(),
    tools: z.boolean(),
    structured_output: z.boolean(),
    image: z.boolean(),
    session_id: z.string(),
  }).openapi({ description: "How the request was understood." }),
  strategy: z.string(),
  breaker: z.boolean(),
  max_attempts: z.int().openapi({ description: "Candidates after so many attempts are not reached." }),
  refusal: z.object({ status: z.int(), code: z.string(), message: z.string() }).nullable().openapi({
    description: "What the client would be told, when nobody can serve the request.",
  }),
  candidates: z.array(z.object({
    position: z.int(),
    ...who,
    tier: z.enum(["ready", "cooling", "unhealthy"]),
    trial: z.boolean().openapi({ description: "It takes one request at a time until one has succeeded." }),
    share: z.number().openapi({ description: "Probability that the request goes to it first." }),
    priority: z.int().openapi({ description: "Of its provider: larger goes first within a tier." }),
    fake_stream: z.boolean().openapi({ description: "The stream would be made of a whole answer." }),
    weight: z.number(),
    until: momentSchema.openapi({ description: "When what holds it back ends." }),
    holds: z.array(holdSchema),
    keys: z.array(z.object({
      id: z.string(),
      mask: z.string(),
      status: z.enum(["usable", "trial", "cooling", "bad"]),
      until: momentSchema,
    })),
  })).openapi({
    description: "In the order in which they are tried; where chance decides, the likeliest first.",
  }),
  excluded: z.array(z.object({
    ...who,
    reason: z.enum(["off", "protocol", "tools", "structured_output", "image", "no_key", "unusable"]),
    message: z.string(),
  })),
}).openapi("Explanation");

/** What holds a candidate back or has just done so, each with its end and in words. */
export function heldBack(
  candidate: ExplainedCandidate,
  place: PlaceInput,
): z.output<typeof holdSchema>[] {
  const holds = candidate.holds.map((hold) => {
    const until = momentOf(endOf(hold, candidate, place));
    return { reason: hold, until, message: HOLDS[hold](until) };
  });
  const keys = keysHold(candidate, place);
  return keys === null ? holds : [...holds, keys];
}

/** Why a route is no candidate, in words. */
export function whyExcluded(reason: Misfit, asked: Asked, row: Association | undefined): string {
  switch (reason) {
    case "off":
      return row?.status === false ? "the association is switched off" : "the provider is switched off";
    case "protocol":
      return `the provider does not speak the protocol of this request (${asked.protocol})`;
    case "tools":
      return "the request needs tools, and the association is not marked as capable of them";
    case "structured_output":
      return "the request needs structured output, and the association is not marked as capable of it";
    case "image":
      return "the request holds an image, and the association is not marked as capable of images";
    case "no_key":
      return "all keys of the provider are switched off";
  }
}

const TRIAL = "it is on trial: one request at a time until one succeeds";

const HOLDS: Readonly<Record<Hold, (until: string | null) => string>> = {
  unhealthy: (until) =>
    `its provider is unhealthy${until === null ? "" : ` until it is tried again at ${until}`}`,
  cooling: (until) => `it is cooling until ${until}`,
  cooldown_over: () => `its cooldown is over; ${TRIAL}`,
  breaker_open: (until) => `its breaker is open until ${until}`,
  breaker_half_open: () => `its breaker is half-open; ${TRIAL}`,
  trial_under_way: () => "a trial is under way; others wait for its end",
};

/** When a hold ends, epoch ms; `null` when that is not a matter of time. */
function endOf(
  hold: Hold,
  { associationId, providerId }: ExplainedCandidate,
  { view }: PlaceInput,
): number | null {
  switch (hold) {
    case "unhealthy":
      return view.health(providerId)?.nextRetryAt ?? null;
    case "cooling":
      return view.association(associationId)?.cooldown?.until ?? null;
    case "breaker_open":
      return view.association(associationId)?.breaker.openUntil ?? null;
    case "cooldown_over":
    case "breaker_half_open":
    case "trial_under_way":
      return null;
  }
}

/** A candidate none of whose keys may be used now. */
function keysHold({ keys }: ExplainedCandidate, { view }: PlaceInput): z.output<typeof holdSchema> | null {
  const isHeld = ({ id, status }: ExplainedCandidate["keys"][number]) =>
    status === "cooling" || status === "bad" || (status === "trial" && (view.key(id)?.trials ?? 0) > 0);
  if (!keys.every(isHeld)) return null;
  const ends = keys.flatMap(({ until }) => until === null ? [] : [until]);
  const until = ends.length === 0 ? null : momentOf(Math.min(...ends));
  const refused = keys.every(({ status }) => status === "bad");
  const what = refused ? "every key is refused by the vendor" : "no key may be used now";
  return {
    reason: "no_usable_key",
    until,
    message: until === null ? what : `${what}; the first may be tried at ${until}`,
  };
}
