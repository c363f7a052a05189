/**
 * Keeps the failover state: takes it over from the last run, writes what changes in batches off the requests' way, and
 * drops what the configuration no longer knows. A database that fails costs durability, never a request or a start.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { getLogger } from "@logtape/logtape";
import type { StateChange, StoredAssociation, StoredKey, StoredState } from "../store/live_state.ts";
import { withoutSecrets } from "../access/scrub.ts";
import { keyIdOf, keyStateId } from "./key_state_id.ts";
import { EMPTY_SCOPE, type LiveScope } from "./live_scope.ts";
import type { LiveState } from "./live_state.ts";

/** Where the state is kept. */
export interface StateStore {
  load(): Promise<StoredState>;
  save(change: StateChange): Promise<void>;
}

/** How the keeper works. */
export interface StateKeeperOptions {
  /** The day it is, `2026-05-20`, for what is counted by the day. */
  readonly today: () => string;
  /** Time between two writes, milliseconds; as much is lost at most when the process is killed. @default 1000 */
  readonly intervalMs?: number;
}

/** Keeps the state of one running gateway. */
export class StateKeeper {
  readonly #live: LiveState;
  readonly #store: StateStore;
  readonly #today: () => string;
  readonly #intervalMs: number;
  readonly #log = getLogger(["llmio", "state"]);
  #scope: LiveScope = EMPTY_SCOPE;
  /** What the database holds. */
  #keys = new Map<string, StoredKey>();
  #associations = new Map<number, StoredAssociation>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #saving: Promise<void> | null = null;
  #failures = 0;

  constructor(live: LiveState, store: StateStore, options: StateKeeperOptions) {
    this.#live = live;
    this.#store = store;
    this.#today = options.today;
    this.#intervalMs = options.intervalMs ?? 1_000;
  }

  /** Takes over what the last run knew. Never fails: at worst the gateway begins without knowledge. */
  async restore(): Promise<void> {
    try {
      const { day, keys, associations } = await this.#store.load();
      this.#live.restore({
        version: 1,
        day,
        keys: keys.map(({ keyId, ...key }) => ({ id: keyStateId(key.providerId, keyId), ...key })),
        associations: associations.map(({ associationId, ...rest }) => ({ id: associationId, ...rest })),
      });
      for (const key of keys) this.#keys.set(keyStateId(key.providerId, key.keyId), key);
      for (const association of associations) this.#associations.set(association.associationId, association);
    } catch (error) {
      this.#log.error("the state of keys and breakers could not be read, so all begin afresh: {reason}", {
        reason: reasonOf(error),
      });
    }
    this.#live.beginDay(this.#today());
    this.keepWithin(this.#scope);
  }

  /** Begins to write what changes. */
  start(): void {
    this.#timer ??= setInterval(() => void this.save(), this.#intervalMs);
  }

  /** The configuration has changed: what it no longer knows, or now means something else by, is forgotten. */
  keepWithin(scope: LiveScope): void {
    const before = this.#scope;
    this.#scope = scope;
    const { keys, associations } = this.#live.snapshot();
    const providers = [
      ...before.providers.keys(),
      ...[...keys, ...associations].map((each) => each.providerId),
    ];
    for (const id of new Set(providers)) if (!scope.providers.has(id)) this.#live.forgetProvider(id);
    for (const { id, providerId } of keys) {
      const known = scope.providers.get(providerId)?.keys;
      if (known !== null && !known?.has(id)) this.#live.forgetKey(id);
    }
    for (const { id, providerId } of associations) {
      const known = scope.associations.get(id);
      const called = before.associations.get(id)?.called ?? known?.called;
      if (known?.providerId !== providerId || known.called !== called) this.#live.forgetAssociation(id);
    }
  }

  /** Writes what has changed since the last write. Never rejects. */
  save(): Promise<void> {
    this.#saving ??= this.#write().finally(() => this.#saving = null);
    return this.#saving;
  }

  /** Writes the rest and ends. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#saving;
    await this.save();
  }

  async #write(): Promise<void> {
    this.#live.beginDay(this.#today());
    const { day, keys, associations } = this.#current();
    const change: StateChange = {
      day,
      keys: changed(keys, this.#keys),
      associations: changed(associations, this.#associations),
      goneKeys: gone(keys, this.#keys).map(([, { providerId, keyId }]) => ({ providerId, keyId })),
      goneAssociations: gone(associations, this.#associations).map(([id]) => id),
    };
    if (isNothing(change)) return;
    try {
      await this.#store.save(change);
      this.#keys = keys;
      this.#associations = associations;
      this.#failures = 0;
    } catch (error) {
      // Tried again at the next turn, with what has changed until then.
      if (this.#failures++ > 0) return;
      this.#log.warn("could not write the state of keys and breakers, will try again: {reason}", {
        reason: reasonOf(error),
      });
    }
  }

  #current() {
    const { day, keys, associations } = this.#live.snapshot();
    return {
      day,
      keys: new Map(keys.map(({ id, ...key }) => [id, this.#storedKey(id, key)])),
      associations: new Map(
        associations.map((
          { id, ...rest },
        ): [number, StoredAssociation] => [id, { associationId: id, ...rest }]),
      ),
    };
  }

  #storedKey(id: string, key: Omit<StoredKey, "keyId">): StoredKey {
    const { lastError, providerId } = key;
    const secrets = this.#scope.providers.get(providerId)?.secrets ?? [];
    return {
      keyId: keyIdOf(id),
      ...key,
      lastError: lastError === null ? null : withoutSecrets(lastError, secrets),
    };
  }
}

function changed<Id, Row>(rows: ReadonlyMap<Id, Row>, stored: ReadonlyMap<Id, Row>): Row[] {
  return Array.from(rows).filter(([id, row]) => !isDeepStrictEqual(row, stored.get(id))).map(([, row]) =>
    row
  );
}

function gone<Id, Row>(rows: ReadonlyMap<Id, Row>, stored: ReadonlyMap<Id, Row>): [Id, Row][] {
  return Array.from(stored).filter(([id]) => !rows.has(id));
}

function isNothing({ keys, associations, goneKeys, goneAssociations }: StateChange): boolean {
  return keys.length + associations.length + goneKeys.length + goneAssociations.length === 0;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
