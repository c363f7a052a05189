/** What the client is told when no attempt succeeded. @module */

import type { NoRoute, Route } from "./candidates.ts";
import { FAILURE_CLASSES, type FailureClass } from "./failure_class.ts";
import { place, type PlaceInput } from "./tiers.ts";
import { type Attempted, emptyWalk, type Walk } from "./walk.ts";

/** One attempt as it may be told to the client: no secrets, no words of the vendor. */
export interface TriedProvider {
  /** Provider name. */
  readonly provider: string;
  readonly class: FailureClass;
  readonly reason: string;
}

/** Stable codes of the gateway's own errors. */
export type GatewayErrorCode =
  /** 503: the model is known, but nothing can serve it. */
  | "no_provider"
  /** 502: attempts failed in several ways. */
  | "all_providers_failed"
  /** 504: all attempts timed out, or the time was over before the first. */
  | "all_providers_timed_out"
  /** 502: every key was refused. Never 401: that would look as if the caller's own key were wrong. */
  | "provider_credentials_refused"
  /** 502: no provider knows the model under the configured name. */
  | "model_not_at_provider"
  /** 429: all are limited for the moment. */
  | "all_providers_rate_limited"
  /** 503: all are limited, overloaded or out of quota for the moment. */
  | "all_providers_cooling"
  /** 400: the provider found a fault in the request, inside an answer that cannot be passed on. */
  | "request_refused"
  /** 500: a bug of our own. */
  | "gateway_fault";

/** A request's end without success. */
export type FinalWord =
  /** The answer of that attempt goes to the client: status and body unchanged. */
  | {
    readonly type: "pass_on";
    /** Index into the walk's attempts. */
    readonly attempt: number;
    /** For a Retry-After header where the answer has none: ms until a candidate is free again. */
    readonly retryAfterMs: number | null;
  }
  | {
    readonly type: "gateway_error";
    readonly status: 400 | 429 | 500 | 502 | 503 | 504;
    readonly code: GatewayErrorCode;
    /** In plain words. */
    readonly message: string;
    /** For a Retry-After header. */
    readonly retryAfterMs: number | null;
    /** In order of the attempts. */
    readonly tried: readonly TriedProvider[];
  }
  /** Nobody is listening any more. */
  | { readonly type: "client_gone" };

/** What the final word depends on besides the walk. */
export interface FinalInput extends PlaceInput {
  readonly routes: readonly Route[];
  /** Why `routes` is empty, if it is. */
  readonly noRoute?: NoRoute | undefined;
}

/**
 * The final word: the last answer that says something to the caller, else an error of the gateway's own that names
 * providers and classes.
 */
export function finalWord(walk: Walk, input: FinalInput): FinalWord {
  const { attempts } = walk;
  const last = attempts.at(-1);
  if (last === undefined) return withoutAttempt(input);
  switch (last.class) {
    case "client_gone":
      return { type: "client_gone" };
    case "gateway_fault":
      return error(
        500,
        "gateway_fault",
        "The gateway failed on this request; its log has the reason.",
        null,
        walk,
      );
    case "caller_fault":
      return last.passOn ? { type: "pass_on", attempt: attempts.length - 1, retryAfterMs: null } : error(
        400,
        "request_refused",
        `Provider ${last.providerName} refused the request: ${last.reason}.`,
        null,
        walk,
      );
    case "credential":
    case "quota":
    case "rate_limit":
    case "overload":
    case "server":
    case "no_model":
    case "network":
    case "timeout":
    case "bad_answer":
      return lastAnswer(walk, input) ?? summary(walk, input);
  }
}

/** The last answer that says something to the caller. */
function lastAnswer({ attempts }: Walk, input: FinalInput): FinalWord | null {
  const index = attempts.findLastIndex((each) => each.passOn && FAILURE_CLASSES[each.class].tellsCaller);
  if (index < 0) return null;
  let retryAfterMs: number | null = null;
  if (attempts[index]?.class === "rate_limit") retryAfterMs = freeIn(input) ?? SOON_MS;
  if (attempts[index]?.class === "overload") retryAfterMs = freeIn(input);
  return { type: "pass_on", attempt: index, retryAfterMs };
}

function withoutAttempt(input: FinalInput): FinalWord {
  if (input.routes.length > 0) {
    const message = "The time for this request was over before a provider could be tried.";
    return error(504, "all_providers_timed_out", message, null, emptyWalk);
  }
  return error(503, "no_provider", noRouteMessage(input.noRoute), null, emptyWalk);
}

function noRouteMessage(noRoute: NoRoute | undefined): string {
  switch (noRoute) {
    case "no_association":
      return "No provider is configured for this model.";
    case "no_protocol":
      return "No provider of this model speaks the protocol of this request.";
    case "no_capability":
      return "No provider of this model can do what this request asks for (tools, structured output or images).";
    case "no_key":
      return "No provider of this model has a key that is switched on.";
    case "all_off":
      return "All providers of this model are switched off.";
    case undefined:
      return "No provider can serve this model at the moment.";
  }
}

function summary(walk: Walk, input: FinalInput): FinalWord {
  const { attempts } = walk;
  const all = (...classes: readonly FailureClass[]) => attempts.every((a) => classes.includes(a.class));
  if (all("timeout")) {
    return error(
      504,
      "all_providers_timed_out",
      `No provider answered in time. ${told(attempts)}`,
      null,
      walk,
    );
  }
  if (all("credential")) {
    const message = `Every provider refused the gateway's own credentials. ${told(attempts)}`;
    return error(502, "provider_credentials_refused", message, null, walk);
  }
  if (all("no_model")) {
    const message = `No provider knows this model under its configured name. ${told(attempts)}`;
    return error(502, "model_not_at_provider", message, null, walk);
  }
  const waitMs = freeIn(input);
  if (all("rate_limit")) {
    const message = `Every provider is rate limited. ${told(attempts)}`;
    return error(429, "all_providers_rate_limited", message, waitMs ?? SOON_MS, walk);
  }
  // Without a time to come back this would be a plain failure.
  if (waitMs !== null && all("rate_limit", "quota", "overload")) {
    const message = `Every provider is limited or overloaded. ${told(attempts)}`;
    return error(503, "all_providers_cooling", message, waitMs, walk);
  }
  return error(
    502,
    "all_providers_failed",
    `No provider gave a usable answer. ${told(attempts)}`,
    waitMs,
    walk,
  );
}

/** A 429 always says when to come back. A pause that has just ended leaves the shortest time that the header can say. */
const SOON_MS = 1_000;

/** Ms until the first cooling candidate is free again; `null` when one is ready, or none is cooling. */
function freeIn(input: FinalInput): number | null {
  let soonest = Infinity;
  for (const route of input.routes) {
    const placement = place(route, emptyWalk, input);
    if (placement === null || placement.tier === "unhealthy") continue;
    soonest = Math.min(soonest, placement.deadline);
  }
  return soonest === Infinity || soonest <= input.now ? null : soonest - input.now;
}

function told(attempts: readonly Attempted[]): string {
  return `Tried: ${attempts.map((a) => `${a.providerName} (${a.class}: ${a.reason})`).join(", ")}.`;
}

function error(
  status: 400 | 429 | 500 | 502 | 503 | 504,
  code: GatewayErrorCode,
  message: string,
  retryAfterMs: number | null,
  walk: Walk,
): FinalWord {
  const tried = walk.attempts.map((a) => ({ provider: a.providerName, class: a.class, reason: a.reason }));
  return { type: "gateway_error", status, code, message, retryAfterMs, tried };
}
