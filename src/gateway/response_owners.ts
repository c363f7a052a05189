/**
 * Knows who made which response. A response is kept by the account that made it, so requests about it, or that build
 * on it, can only be served there.
 *
 * What is learnt is in memory at once and in the database a moment later, off the requests' way; a database that
 * fails costs durability, never a request.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Pick as Choice } from "../failover/decide.ts";
import type { Route } from "../failover/candidates.ts";
import type { Usage } from "../protocols/protocol.ts";
import type { StoredResponseOwner } from "../store/response_owners.ts";
import { keyIdOf } from "./key_state_id.ts";

/** Where owners are kept. */
export interface OwnerStore {
  find(responseId: string): Promise<StoredResponseOwner | null>;
  save(owners: readonly StoredResponseOwner[]): Promise<void>;
  prune(beforeMs: number, limit: number): Promise<number>;
}

/** How owners are kept. */
export interface ResponseOwnersOptions {
  /** Time between two writes, milliseconds. @default 500 */
  readonly flushMs?: number;
  /** Owners in memory; older ones are read from the database. @default 10000 */
  readonly capacity?: number;
  /** How long a response is known, milliseconds. OpenAI keeps them for 30 days. @default 30 days */
  readonly retentionMs?: number;
  /** Clock, epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

/** What ties a request to the provider that keeps an earlier response. */
export interface Tie {
  /** Of the routes that fit the request, those that it may take. */
  narrow(routes: readonly Route[]): readonly Route[];
  /** The request asks for the response itself: what it cost may have been booked when it was made. */
  readonly asksAgain: boolean;
}

/** Who asked, and of whom, when a response was made. */
export interface Making {
  readonly tie?: Tie | null;
  readonly inspection: { readonly model: string };
  readonly caller: { readonly authKeyId: number };
}

/** What an answer tells about the response that it is. */
export interface AnswerFacts {
  readonly answerId?: string;
  readonly usage?: Usage | null;
}

const DAY_MS = 24 * 60 * 60_000;
/** Time between two steps of the retention that found nothing more to do, milliseconds. */
const PRUNE_EVERY_MS = 60 * 60_000;
const PRUNE_ROWS = 1_000;
/** Owners that may wait while the database takes none. */
const MAX_WAITING = 50_000;
/** No vendor's id is longer; what is, is not learnt. */
const MAX_ID_LENGTH = 512;

/** The owners of the responses that passed through one running gateway, and through earlier runs. */
export class ResponseOwners {
  readonly #store: OwnerStore;
  readonly #flushMs: number;
  readonly #capacity: number;
  readonly #retentionMs: number;
  readonly #now: () => number;
  readonly #log = getLogger(["llmio", "responses"]);
  /** The most recently used last. */
  readonly #known = new Map<string, StoredResponseOwner>();
  #waiting = new Map<string, StoredResponseOwner>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> | null = null;
  #pruneAt = 0;
  #failures = 0;
  #closed = false;

  constructor(store: OwnerStore, options: ResponseOwnersOptions = {}) {
    this.#store = store;
    this.#flushMs = options.flushMs ?? 500;
    this.#capacity = options.capacity ?? 10_000;
    this.#retentionMs = options.retentionMs ?? 30 * DAY_MS;
    this.#now = options.now ?? Date.now;
  }

  /** Who made a response; `null` = nobody here. @throws when it is not in memory and the database does not answer */
  async find(responseId: string): Promise<StoredResponseOwner | null> {
    const known = this.#known.get(responseId) ?? this.#waiting.get(responseId);
    if (known !== undefined) {
      this.#remember(known);
      return known;
    }
    if (responseId.length > MAX_ID_LENGTH) return null;
    const stored = await this.#store.find(responseId);
    if (stored === null || stored.madeAtMs < this.#now() - this.#retentionMs) return null;
    // Meanwhile it may have been learnt anew.
    const owner = this.#known.get(responseId) ?? stored;
    this.#remember(owner);
    return owner;
  }

  /** An answer begins that is a response: from now on it can be asked for. */
  learn(making: Making, { route, key }: Choice, { answerId = "" }: AnswerFacts): void {
    if (!isUsableId(answerId) || making.tie?.asksAgain === true) return;
    this.#set({
      responseId: answerId,
      providerId: route.providerId,
      associationId: route.associationId,
      keyId: keyIdOf(key.id),
      model: making.inspection.model,
      authKeyId: making.caller.authKeyId,
      metered: false,
      madeAtMs: this.#now(),
    });
  }

  /**
   * An answer has ended. A response that is made in the background, or whose client left early, tells its usage only
   * when it is asked for again; however often that happens, it is booked once.
   *
   * @returns the usage to book with this answer
   */
  book(making: Making, choice: Choice, facts: AnswerFacts): Usage | null {
    const { answerId = "", usage = null } = facts;
    this.learn(making, choice, facts);
    const owner = this.#known.get(answerId);
    const asksAgain = making.tie?.asksAgain === true;
    if (owner === undefined) return asksAgain ? null : usage;
    if (owner.metered) return null;
    if (usage !== null) this.#set({ ...owner, metered: true });
    return usage;
  }

  /** Writes all that waits, and ends. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write();
  }

  #set(owner: StoredResponseOwner): void {
    this.#remember(owner);
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(owner.responseId)) return;
    this.#waiting.set(owner.responseId, owner);
    this.#schedule();
  }

  #remember(owner: StoredResponseOwner): void {
    this.#known.delete(owner.responseId);
    this.#known.set(owner.responseId, owner);
    if (this.#known.size <= this.#capacity) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== null || this.#writing !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (this.#waiting.size > 0) this.#schedule();
      });
    }, this.#flushMs);
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = new Map();
    try {
      if (batch.size > 0) await this.#store.save([...batch.values()]);
      await this.#prune();
      this.#failures = 0;
    } catch (error) {
      // Tried again with the next batch; what was learnt meanwhile is newer.
      this.#waiting = new Map([...batch, ...this.#waiting]);
      if (this.#failures++ > 0) return;
      this.#log.warn("could not write who made which response, will try again: {reason}", {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** One small step; the next one comes with the next batch, until nothing is left to do for an hour. */
  async #prune(): Promise<void> {
    const now = this.#now();
    if (now < this.#pruneAt) return;
    const gone = await this.#store.prune(now - this.#retentionMs, PRUNE_ROWS);
    if (gone < PRUNE_ROWS) this.#pruneAt = now + PRUNE_EVERY_MS;
  }
}

/** Ids become a part of a path: one that would lead elsewhere is none. */
function isUsableId(id: string): boolean {
  return id !== "" && id !== "." && id !== ".." && id.length <= MAX_ID_LENGTH;
}

/**
 * The routes to the provider that made a response, by whatever model. The key that made it comes first; another one of
 * the same account can be tried when that is not usable, or is there no more.
 */
export function routesToOwner(routes: readonly Route[], owner: StoredResponseOwner): Route[] {
  return routes.filter(({ providerId }) => providerId === owner.providerId).map((route) => {
    const isOwn = (id: string) => keyIdOf(id) === owner.keyId;
    if (route.keys.length < 2 || !route.keys.some(({ id }) => isOwn(id))) return route;
    return { ...route, keys: route.keys.map((key) => ({ ...key, weight: isOwn(key.id) ? 1 : 0 })) };
  });
}

/** The earlier response was made with another key, so this caller must not build on it. */
export const OF_ANOTHER_KEY = "of_another_key";

/**
 * A request that builds on an earlier response goes to the provider that made it, as long as that one fits: any other
 * would only say that it knows no such response. Without a route there, all are as good as ever.
 *
 * @param key the caller's; `null` = the admin, who may build on any
 * @returns `null` when nothing is known of such a response
 */
export async function preferOwner(
  responseId: string | undefined,
  owners: ResponseOwners,
  key: { readonly id: number } | null,
): Promise<Tie | null | typeof OF_ANOTHER_KEY> {
  if (responseId === undefined) return null;
  // What cannot be read now is as good as unknown: the request is served as any other.
  const owner = await owners.find(responseId).catch(() => null);
  if (owner === null) return null;
  if (key !== null && owner.authKeyId !== key.id) return OF_ANOTHER_KEY;
  return {
    asksAgain: false,
    narrow: (routes) => {
      const own = routesToOwner(routes, owner);
      return own.length > 0 ? own : routes;
    },
  };
}

/** A request about a response goes to the provider that made it, and to nobody else. */
export function onlyOwner(owner: StoredResponseOwner): Tie {
  return { asksAgain: true, narrow: (routes) => routesToOwner(routes, owner) };
}
