/** Sample routes, states and verdicts, and a seeded source of chance. @module */

import type { Need, Route, StateView } from "../../src/failover/candidates.ts";
import type { StepInput } from "../../src/failover/decide.ts";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import { type KeyState, NEW_KEY } from "../../src/failover/key_pool.ts";
import type { Rotation } from "../../src/failover/rotation.ts";
import { type AssociationState, NEW_ASSOCIATION } from "../../src/failover/state.ts";
import type { Verdict } from "../../src/failover/verdict.ts";
import { type ProviderHealth, UNOBSERVED } from "../../src/health/state.ts";

/** A moment to count from. */
export const NOW = 1_700_000_000_000;

/** Needs nothing special. */
export const NEED: Need = { protocol: "openai", tools: false, structuredOutput: false, image: false };

/** A route whose association and provider have the id `id`, with one key. */
export function route(id: number, fields: Partial<Route> = {}): Route {
  return {
    associationId: id,
    modelId: 1,
    providerId: id,
    providerName: `p${id}`,
    protocol: "openai",
    providerModel: "upstream-model",
    weight: 1,
    priority: 0,
    enabled: true,
    tools: true,
    structuredOutput: true,
    image: true,
    breaker: true,
    keys: [{ id: `k${id}`, weight: 1 }],
    keyPolicy: "round_robin",
    ...fields,
  };
}

/** A verdict of a class. */
export function verdict(failure: FailureClass, retryAfterMs: number | null = null): Verdict {
  return { class: failure, reason: `some_${failure}`, retryAfterMs, detail: `detail of ${failure}` };
}

/** States by hand. */
export class SampleView implements StateView {
  readonly associations = new Map<number, AssociationState>();
  readonly keys = new Map<string, KeyState>();
  readonly healths = new Map<number, ProviderHealth>();
  readonly rotations = new Map<number, Rotation<number>>();
  readonly keyRotations = new Map<number, Rotation<string>>();

  withAssociation(id: number, fields: Partial<AssociationState>): this {
    this.associations.set(id, { ...NEW_ASSOCIATION, ...fields });
    return this;
  }

  withKey(id: string, fields: Partial<KeyState>): this {
    this.keys.set(id, { ...NEW_KEY, ...fields });
    return this;
  }

  /** The association cools until `until`. */
  withCooling(id: number, until: number): this {
    return this.withAssociation(id, { cooldown: { until, setAt: NOW - 1_000, hits: 1 } });
  }

  withUnhealthy(providerId: number, nextRetryAt: number | null): this {
    this.healths.set(providerId, { ...UNOBSERVED, isHealthy: false, errorCount: 5, nextRetryAt });
    return this;
  }

  association(id: number) {
    return this.associations.get(id);
  }
  key(id: string) {
    return this.keys.get(id);
  }
  health(providerId: number) {
    return this.healths.get(providerId);
  }
  rotation(modelId: number) {
    return this.rotations.get(modelId);
  }
  keyRotation(providerId: number) {
    return this.keyRotations.get(providerId);
  }
}

/** The input of a step with many attempts and much time. */
export function stepInput(routes: readonly Route[], fields: Partial<StepInput> = {}): StepInput {
  return {
    routes,
    view: new SampleView(),
    strategy: "rotor",
    maxAttempts: 100,
    now: NOW,
    deadlineAt: Infinity,
    random: () => 0.5,
    sessionId: null,
    trialUnhealthy: false,
    ...fields,
  };
}

/** Numbers in [0, 1) that look random and are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
