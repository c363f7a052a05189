/** Who can serve a request at all, and what is known of each. @module */

import type { ProviderHealth } from "../health/state.ts";
import type { KeyPolicy, KeyState, RouteKey } from "./key_pool.ts";
import type { Protocol } from "./outcome.ts";
import type { Rotation } from "./rotation.ts";
import type { AssociationState } from "./state.ts";

export type { KeyPolicy, RouteKey } from "./key_pool.ts";

/** An association with its provider and keys, as the routing table holds it. */
export interface Route {
  readonly associationId: number;
  readonly modelId: number;
  readonly providerId: number;
  /** Shown in errors and explanations. */
  readonly providerName: string;
  readonly protocol: Protocol;
  /** The model's name at the provider. */
  readonly providerModel: string;
  /** Share of the traffic; 0 = only when nothing with weight is left. */
  readonly weight: number;
  /** Its provider's; larger goes first. */
  readonly priority: number;
  /** Association and provider are switched on. */
  readonly enabled: boolean;
  /** Capable of tools. */
  readonly tools: boolean;
  /** Capable of structured output. */
  readonly structuredOutput: boolean;
  /** Capable of image input. */
  readonly image: boolean;
  /** The model's breaker is on. */
  readonly breaker: boolean;
  /** At least one; a provider without credentials has one keyless entry. */
  readonly keys: readonly RouteKey[];
  readonly keyPolicy: KeyPolicy;
}

/** What a request needs of a candidate. */
export interface Need {
  readonly protocol: Protocol;
  readonly tools: boolean;
  readonly structuredOutput: boolean;
  readonly image: boolean;
}

/** Why a route cannot serve a request. */
export type Misfit = "off" | "no_key" | "protocol" | "tools" | "structured_output" | "image";

/** Why a route cannot serve the request; `null` = it can. */
export function fits(route: Route, need: Need): Misfit | null {
  if (!route.enabled) return "off";
  if (route.protocol !== need.protocol) return "protocol";
  if (need.tools && !route.tools) return "tools";
  if (need.structuredOutput && !route.structuredOutput) return "structured_output";
  if (need.image && !route.image) return "image";
  return route.keys.length === 0 ? "no_key" : null;
}

/** The routes that can serve the request. */
export function eligible(routes: readonly Route[], need: Need): readonly Route[] {
  // The usual case is that all fit: then the routing table's own array serves.
  return routes.every((route) => fits(route, need) === null)
    ? routes
    : routes.filter((route) => fits(route, need) === null);
}

/** Why no route can serve a request. */
export type NoRoute =
  /** The model has no association. */
  | "no_association"
  /** All associations or their providers are switched off. */
  | "all_off"
  /** None of those that are on speaks the request's protocol. */
  | "no_protocol"
  /** None of those that speak it has the capabilities. */
  | "no_capability"
  /** None of those that fit has a key that is switched on. */
  | "no_key";

/** Why no route can serve the request. Use it when {@link eligible} gave none. */
export function whyNone(routes: readonly Route[], need: Need): NoRoute {
  if (routes.length === 0) return "no_association";
  const misfits = new Set(routes.map((route) => fits(route, need)));
  // The nearest miss explains most: what is off or of another protocol was never in question.
  if (misfits.has("no_key")) return "no_key";
  if (misfits.has("tools") || misfits.has("structured_output") || misfits.has("image")) {
    return "no_capability";
  }
  return misfits.has("protocol") ? "no_protocol" : "all_off";
}

/** What is known at this moment. Missing states mean "nothing happened yet". */
export interface StateView {
  association(id: number): AssociationState | undefined;
  key(id: string): KeyState | undefined;
  health(providerId: number): ProviderHealth | undefined;
  /** Turns among a model's associations, for `round_robin`. */
  rotation(modelId: number): Rotation<number> | undefined;
  /** Turns among a provider's keys. */
  keyRotation(providerId: number): Rotation<string> | undefined;
}
