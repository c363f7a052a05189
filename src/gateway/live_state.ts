/** What the running gateway knows of its providers, in memory: the shell around the pure states. @module */

import { breakerPhase } from "../failover/breaker.ts";
import type { StateView } from "../failover/candidates.ts";
import type { Pick } from "../failover/decide.ts";
import { keyStarted, type KeyState, keyStatus, keyTrialOver } from "../failover/key_pool.ts";
import type { Rotation } from "../failover/rotation.ts";
import {
  associationAfter,
  associationAnswers,
  associationEnded,
  associationMeasured,
  associationStarted,
  type AssociationState,
  associationTrialOver,
  keyAfter,
  NEW_ASSOCIATION,
  NEW_KEY,
} from "../failover/state.ts";
import type { Verdict } from "../failover/verdict.ts";
import {
  type HealthConfig,
  type HealthEvent,
  type HealthObservation,
  observationOf,
  observe,
  type ProviderHealth,
} from "../health/state.ts";

/** An attempt under way. Its fields belong to {@link LiveState}. */
export interface AttemptHandle {
  readonly pick: Pick;
  /** Epoch ms. */
  readonly startedAt: number;
  /** It still holds a trial slot. */
  holdsTrial: boolean;
  /** It has ended; a second end is ignored. */
  over: boolean;
}

/** What is known about an attempt's end besides its verdict. */
export interface AttemptEnd {
  /** Time to the first output, ms, unless {@link LiveState.answered} was told already. */
  readonly ttftMs?: number | undefined;
  /** HTTP status, when there was an answer. */
  readonly statusCode?: number | undefined;
  /** The whole attempt, ms. */
  readonly latencyMs?: number | undefined;
}

/** What survives a restart of an association. */
export interface SavedAssociation extends Omit<AssociationState, "inFlight" | "trials"> {
  readonly id: number;
  readonly providerId: number;
}

/** What survives a restart of a key. */
export interface SavedKey extends Omit<KeyState, "trials"> {
  readonly id: string;
  readonly providerId: number;
}

/** What survives a restart: pauses, breakers and key states with their deadlines. Plain JSON. */
export interface LiveSnapshot {
  readonly version: 1;
  /** The day that `usedToday` belongs to. */
  readonly day: string;
  readonly associations: readonly SavedAssociation[];
  readonly keys: readonly SavedKey[];
}

/** What holds a provider back at this moment. */
export interface ProviderTrouble {
  /** One of its associations or keys is cooling, or a breaker is not closed. */
  readonly cooling: boolean;
  /** One of its keys is refused. */
  readonly badKey: boolean;
}

/** The mutable state of a running gateway. It has no clock: every time is an argument, epoch ms. */
export class LiveState implements StateView {
  readonly #associations = new Map<number, Owned<AssociationState>>();
  readonly #keys = new Map<string, Owned<KeyState>>();
  readonly #health = new Map<number, ProviderHealth>();
  readonly #rotations = new Map<number, Rotation<number>>();
  readonly #keyRotations = new Map<number, Rotation<string>>();
  #day = "";

  association(id: number): AssociationState | undefined {
    return this.#associations.get(id)?.state;
  }

  key(id: string): KeyState | undefined {
    return this.#keys.get(id)?.state;
  }

  health(providerId: number): ProviderHealth | undefined {
    return this.#health.get(providerId);
  }

  rotation(modelId: number): Rotation<number> | undefined {
    return this.#rotations.get(modelId);
  }

  keyRotation(providerId: number): Rotation<string> | undefined {
    return this.#keyRotations.get(providerId);
  }

  /** An attempt starts. Call it in the same turn as `step`, so that no other request picks by the old state. */
  started(pick: Pick, now: number): AttemptHandle {
    const { associationId, modelId, providerId } = pick.route;
    const association = this.association(associationId) ?? NEW_ASSOCIATION;
    const key = this.key(pick.key.id) ?? NEW_KEY;
    this.#associations.set(associationId, { providerId, state: associationStarted(association, pick.trial) });
    this.#keys.set(pick.key.id, { providerId, state: keyStarted(key, pick.trial, now) });
    if (pick.rotation !== undefined) this.#rotations.set(modelId, pick.rotation);
    if (pick.keyRotation !== undefined) this.#keyRotations.set(providerId, pick.keyRotation);
    return { pick, startedAt: now, holdsTrial: pick.trial, over: false };
  }

  /**
   * The attempt has shown its first output. That ends a trial and lifts a pause at once: a stream of minutes must not
   * keep its provider from everybody else.
   */
  answered(handle: AttemptHandle, ttftMs: number): void {
    if (handle.over) return;
    const { pick, startedAt } = handle;
    this.#change(
      pick.route.associationId,
      (state) => associationAnswers(associationMeasured(state, ttftMs), startedAt),
    );
    this.#changeKey(pick.key.id, (state) => keyAfter(state, null, startedAt, startedAt));
    this.#giveTrialBack(handle);
  }

  /**
   * The attempt has ended. The trial slot goes back, whatever it ended in. Calling it again changes nothing.
   *
   * @param verdict `null` = success
   * @returns what this says about the provider's health, for {@link observeHealth}; `null` when it had ended before
   */
  ended(
    handle: AttemptHandle,
    verdict: Verdict | null,
    end: AttemptEnd,
    now: number,
  ): HealthObservation | null {
    if (handle.over) return null;
    handle.over = true;
    const { pick, startedAt } = handle;
    const { route, key } = pick;
    this.#giveTrialBack(handle);
    this.#change(route.associationId, (state) => {
      const idle = associationEnded(state);
      const measured = end.ttftMs === undefined ? idle : associationMeasured(idle, end.ttftMs);
      return associationAfter(measured, verdict, { startedAt, breaker: route.breaker }, now);
    });
    this.#changeKey(key.id, (state) => keyAfter(state, verdict, startedAt, now));
    return observationOf(verdict, {
      source: "traffic",
      at: now,
      statusCode: end.statusCode,
      latencyMs: end.latencyMs,
      noKeyLeft: route.keys.every((each) => keyStatus(this.key(each.id), now) === "bad"),
    });
  }

  /** Applies an observation of traffic, a probe or a forced check; returns what is worth a log line. */
  observeHealth(
    providerId: number,
    observation: HealthObservation,
    config: HealthConfig,
  ): readonly HealthEvent[] {
    const { state, events } = observe(this.#health.get(providerId), observation, config);
    this.#health.set(providerId, state);
    return events;
  }

  /** Sets the health of a provider as it was stored. */
  restoreHealth(providerId: number, health: ProviderHealth): void {
    this.#health.set(providerId, health);
  }

  /**
   * Applies what a probe found out about an association and a key, outside of any request.
   *
   * @param verdict `null` = success
   */
  probed(
    route: { readonly associationId: number; readonly providerId: number },
    keyId: string,
    verdict: Verdict | null,
    now: number,
  ): void {
    const { associationId, providerId } = route;
    const association = this.association(associationId) ?? NEW_ASSOCIATION;
    const key = this.key(keyId) ?? NEW_KEY;
    // A probe is smaller than a request: it may lift or set a pause, but it does not move the breaker.
    const after = associationAfter(association, verdict, { startedAt: now, breaker: false }, now);
    const state = { ...after, breaker: association.breaker };
    this.#associations.set(associationId, { providerId, state });
    this.#keys.set(keyId, { providerId, state: keyAfter(key, verdict, now, now) });
  }

  /** What holds a provider back, for the status that people see. */
  trouble(providerId: number, now: number): ProviderTrouble {
    let cooling = false;
    let badKey = false;
    for (const owned of this.#keys.values()) {
      if (owned.providerId !== providerId) continue;
      const status = keyStatus(owned.state, now);
      badKey ||= status === "bad";
      cooling ||= status === "cooling";
    }
    for (const { providerId: owner, state } of this.#associations.values()) {
      if (owner !== providerId) continue;
      cooling ||= state.cooldown !== null && state.cooldown.until > now;
      cooling ||= breakerPhase(state.breaker, now) !== "closed";
    }
    return { cooling, badKey };
  }

  /** Starts counting for `least_used` anew when the day has changed. Cheap enough for every request. */
  beginDay(day: string): void {
    if (day === this.#day) return;
    this.#day = day;
    for (const id of this.#associations.keys()) this.#change(id, (state) => ({ ...state, usedToday: 0 }));
  }

  /** A provider is gone: so are its health, keys and associations. Attempts under way end without a trace. */
  forgetProvider(providerId: number): void {
    this.#health.delete(providerId);
    this.#keyRotations.delete(providerId);
    for (const [id, owned] of this.#keys) if (owned.providerId === providerId) this.#keys.delete(id);
    for (const [id, owned] of this.#associations) {
      if (owned.providerId === providerId) this.forgetAssociation(id);
    }
  }

  /** An association is gone. */
  forgetAssociation(associationId: number): void {
    this.#associations.delete(associationId);
    for (const [modelId, rotation] of this.#rotations) {
      this.#rotations.set(modelId, without(rotation, associationId));
    }
  }

  /** A key is gone from its pool, or its owner wants it tried afresh. */
  forgetKey(keyId: string): void {
    const owned = this.#keys.get(keyId);
    if (owned === undefined) return;
    this.#keys.delete(keyId);
    const rotation = this.#keyRotations.get(owned.providerId);
    if (rotation !== undefined) this.#keyRotations.set(owned.providerId, without(rotation, keyId));
  }

  /** What must survive a restart. */
  snapshot(): LiveSnapshot {
    const associations: SavedAssociation[] = [];
    for (const [id, { providerId, state: { inFlight: _, trials: __, ...state } }] of this.#associations) {
      associations.push({ id, providerId, ...state });
    }
    const keys: SavedKey[] = [];
    for (const [id, { providerId, state: { trials: _, ...state } }] of this.#keys) {
      keys.push({ id, providerId, ...state });
    }
    return { version: 1, day: this.#day, associations, keys };
  }

  /** Takes over a snapshot, at the start. Nothing is under way then, so no slot is taken. */
  restore(snapshot: LiveSnapshot): void {
    this.#day = snapshot.day;
    for (const { id, providerId, ...saved } of snapshot.associations) {
      this.#associations.set(id, { providerId, state: { ...NEW_ASSOCIATION, ...saved } });
    }
    for (const { id, providerId, ...saved } of snapshot.keys) {
      this.#keys.set(id, { providerId, state: { ...NEW_KEY, ...saved } });
    }
  }

  #giveTrialBack(handle: AttemptHandle): void {
    if (!handle.holdsTrial) return;
    handle.holdsTrial = false;
    this.#change(handle.pick.route.associationId, associationTrialOver);
    this.#changeKey(handle.pick.key.id, keyTrialOver);
  }

  /** What was forgotten meanwhile stays forgotten. */
  #change(id: number, reduce: (state: AssociationState) => AssociationState): void {
    const owned = this.#associations.get(id);
    if (owned === undefined) return;
    const state = reduce(owned.state);
    if (state !== owned.state) this.#associations.set(id, { providerId: owned.providerId, state });
  }

  #changeKey(id: string, reduce: (state: KeyState) => KeyState): void {
    const owned = this.#keys.get(id);
    if (owned === undefined) return;
    const state = reduce(owned.state);
    if (state !== owned.state) this.#keys.set(id, { providerId: owned.providerId, state });
  }
}

/** A state with the provider that it belongs to. */
interface Owned<State> {
  readonly providerId: number;
  readonly state: State;
}

function without<Id>(rotation: Rotation<Id>, id: Id): Rotation<Id> {
  if (!rotation.has(id)) return rotation;
  const rest = new Map(rotation);
  rest.delete(id);
  return rest;
}
