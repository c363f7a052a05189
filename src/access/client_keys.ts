/**
 * Clients' keys in force: whose a credential is, what its owner may use, and how much of it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Standing } from "../protocols/protocol.ts";
import type { AuthKey, KeySpending, RecentUse } from "../store/auth_keys.ts";
import { BudgetCalendar, type BudgetDays } from "./budget_calendar.ts";
import { type Entrance, KeyLimits, type LimitRefusal, type LimitsSetting } from "./key_limits.ts";
import { hashKey, keyHash } from "./key_text.ts";

export type { Entrance, LimitRefusal, Permit, RequestUse } from "./key_limits.ts";

/** What the keys need to know of the world. */
export interface ClientKeysOptions {
  /** Epoch milliseconds. */
  now(): number;
  /** Those that budgets are for. */
  readonly days: BudgetDays;
  /** What a US dollar costs in yuan; more than 0. */
  readonly cnyPerUsd: number;
}

/** Whose a credential is. A key that is switched off is as unknown as one that never was. */
export type FoundKey = FoundClientKey | { readonly ok: false; readonly reason: "unknown" | "expired" };

/** A key that may be used now. */
export interface FoundClientKey {
  readonly ok: true;
  readonly key: ClientKey;
}

/** A client's key, as its row was when it came in force; its limits are those of the latest row. */
export interface ClientKey {
  readonly id: number;
  readonly name: string;
  /** Whether bodies are recorded. */
  readonly ioLog: boolean;
  /** Ids of the providers that may serve it; `null` = all. */
  readonly providers: ReadonlySet<number> | null;
  /** Whether some limit is on what requests use, so that an entrance's `admit` wants an estimate of it. */
  readonly measuresUse: boolean;
  /** Whether it may use the model of this public name; names are compared exactly. */
  mayUse(model: string): boolean;
  /**
   * Lets one request in, before its body is read, or says which limit stands in the way; see {@linkcode KeyLimits} for
   * what limits guarantee.
   */
  enter(): Entrance | LimitRefusal;
  /** How much is left, for rate-limit headers. */
  standing(): Standing;
}

/** What opens a key, and until when. Times are epoch milliseconds. */
interface Entry {
  readonly found: FoundClientKey;
  /** The key expires after this moment. */
  readonly expiresAtMs: number;
  /** From this moment on, the text no longer opens the key. */
  readonly takenUntilMs: number;
}

const UNKNOWN: FoundKey = { ok: false, reason: "unknown" };
const EXPIRED: FoundKey = { ok: false, reason: "expired" };

/** Longer credentials are unknown unhashed, unless a stored text is longer. Keys have 45 characters. */
const LONGEST_CREDENTIAL = 1_024;
/** How many texts are remembered. There is one for each key, and one more while a rotation lasts. */
const MOST_SEEN = 10_000;

/**
 * All keys of clients and what each has used, in memory.
 *
 * Looking a credential up tells nothing of how near a wrong one comes: what is compared is its hash, and the texts
 * remembered as valid are found by a seeded hash of the whole text.
 */
export class ClientKeys {
  readonly #setting: LimitsSetting;
  #limits: ReadonlyMap<number, KeyLimits> = new Map();
  /** By SHA-256 in hex. */
  #entries: ReadonlyMap<string, Entry> = new Map();
  /** By text, for those that were found: hashing costs more than all limits of a request. */
  #seen = new Map<string, Entry>();
  #longest = LONGEST_CREDENTIAL;

  /** @throws {RangeError} when there is no usable rate between the currencies. */
  constructor(options: ClientKeysOptions) {
    const { days, cnyPerUsd } = options;
    if (!(cnyPerUsd > 0 && Number.isFinite(cnyPerUsd))) {
      throw new RangeError(`cnyPerUsd must be more than 0, not ${cnyPerUsd}`);
    }
    this.#setting = { now: () => options.now(), calendar: new BudgetCalendar(days), cnyPerUsd };
  }

  /**
   * Puts rows in force at once. What has been counted of keys that stay is kept, that of removed keys is dropped.
   * Permits that are held stay valid and can be released.
   *
   * @param rows all keys that are not deleted, also those that are switched off: what they have used must still be
   * known when they are switched on again
   */
  useRows(rows: readonly AuthKey[]): void {
    const limits = new Map<number, KeyLimits>();
    const entries = new Map<string, Entry>();
    const former = new Map<string, Entry>();
    let longest = LONGEST_CREDENTIAL;
    for (const row of rows.toSorted((a, b) => a.id - b.id)) {
      const own = this.#limitsOf(row);
      limits.set(row.id, own);
      if (row.status !== true) continue;
      const found: FoundClientKey = { ok: true, key: new RowKey(row, own) };
      const expiresAtMs = expiryOf(row.expiresAt);
      addNew(entries, keyHash(row).toLowerCase(), { found, expiresAtMs, takenUntilMs: Infinity });
      addNew(former, row.previousHash.toLowerCase(), {
        found,
        expiresAtMs,
        takenUntilMs: row.previousUntilMs,
      });
      if (row.hash === "") longest = Math.max(longest, row.key.length * 3);
    }
    for (const [hash, entry] of former) addNew(entries, hash, entry);
    this.#limits = limits;
    this.#entries = entries;
    this.#longest = longest;
    this.#seen = new Map();
  }

  /**
   * Takes over what earlier runs have counted. Call it once, at the start, after `useRows`: it adds. Keys that no row
   * has are passed over.
   *
   * @param spending in all, in this month and on this day
   * @param recent the last minute; what is older does not matter
   */
  restore(spending: readonly KeySpending[], recent: readonly RecentUse[]): void {
    for (const each of spending) this.#limits.get(each.authKeyId)?.restoreSpending(each);
    for (const each of recent) this.#limits.get(each.authKeyId)?.restoreRecent(each);
  }

  /** Who sends this credential. Any text may be asked for; an unknown one costs a hash or two and as many look-ups. */
  find(credential: string): FoundKey {
    if (credential === "" || credential.length > this.#longest) return UNKNOWN;
    const entry = this.#seen.get(credential) ?? this.#look(credential);
    if (entry === undefined) return UNKNOWN;
    const now = this.#setting.now();
    if (now >= entry.takenUntilMs) return UNKNOWN;
    return now > entry.expiresAtMs ? EXPIRED : entry.found;
  }

  #look(credential: string): Entry | undefined {
    const typed = asTyped(credential);
    const entry = this.#entries.get(hashKey(typed)) ??
      (typed === credential ? undefined : this.#entries.get(hashKey(credential)));
    if (entry === undefined) return undefined;
    if (this.#seen.size >= MOST_SEEN) this.#seen.clear();
    this.#seen.set(credential, entry);
    return entry;
  }

  #limitsOf(row: AuthKey): KeyLimits {
    const known = this.#limits.get(row.id);
    if (known === undefined) return new KeyLimits(this.#setting, row);
    known.useRules(row);
    return known;
  }
}

class RowKey implements ClientKey {
  readonly id: number;
  readonly name: string;
  readonly ioLog: boolean;
  readonly providers: ReadonlySet<number> | null;
  /** `null` = all. */
  readonly #models: ReadonlySet<string> | null;
  readonly #limits: KeyLimits;

  constructor(row: AuthKey, limits: KeyLimits) {
    this.id = row.id;
    this.name = row.name;
    this.ioLog = row.ioLog;
    this.providers = row.providers === null ? null : new Set(row.providers);
    this.#models = row.allowAll ? null : new Set(row.models);
    this.#limits = limits;
  }

  get measuresUse(): boolean {
    return this.#limits.measuresUse;
  }

  mayUse(model: string): boolean {
    return this.#models === null || this.#models.has(model);
  }

  enter(): Entrance | LimitRefusal {
    return this.#limits.enter();
  }

  standing(): Standing {
    return this.#limits.standing();
  }
}

/** The first one stays: rows come by id, so the oldest key wins. */
function addNew(entries: Map<string, Entry>, hash: string, entry: Entry): void {
  if (hash !== "" && !entries.has(hash)) entries.set(hash, entry);
}

/**
 * A credential as its owner types it. HTTP carries bytes and `Headers` reads each as one character, so a key beyond
 * ASCII looks different in a header than in the hash that was made of it.
 */
function asTyped(credential: string): string {
  const bytes = Buffer.from(credential, "latin1");
  return bytes.toString("latin1") === credential ? bytes.toString() : credential;
}

/** The moment after which a key is expired. A text that is no time expires at once: better shut than open. */
function expiryOf(expiresAt: string | null): number {
  if (expiresAt === null) return Infinity;
  const ms = Date.parse(expiresAt);
  return Number.isNaN(ms) ? -Infinity : ms;
}
