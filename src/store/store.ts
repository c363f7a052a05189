/**
 * The store: everything the rest of the program may ask of the database.
 *
 * Every call is asynchronous and runs on a database worker, never on the thread that serves requests. The
 * interface holds plain typed rows and no SQL, so another database can serve it later (DESIGN.md, section 9).
 *
 * @module
 */
import type { AdminTokenChange, AdminTokenFields, StoredAdminToken } from "./admin_tokens.ts";
import type { Association, AssociationFields, AssociationPatch } from "./associations.ts";
import type { AuditEntry, AuditFilter, AuditRetention, AuditRow } from "./audit.ts";
import type { AuthKey, AuthKeyFields, BudgetBaseline, KeySpending, RecentUse } from "./auth_keys.ts";
import type { Batch, BatchResult } from "./batch.ts";
import type { ChatIo } from "./chat_io.ts";
import type { Config } from "./configs.ts";
import type { Encryption } from "./encryption.ts";
import type { StateChange, StoredState } from "./live_state.ts";
import type {
  CheckFilter,
  CheckRetention,
  CompleteHealthConfig,
  ProviderCheck,
  ProviderCheckRow,
  StoredHealth,
  StoredHealthConfig,
} from "./health.ts";
import type { Checkpoint, CleanupBound, CleanupRecord, CleanupRow, CleanupStep } from "./log_cleanup.ts";
import type { LogBatch, LogFilter, LogRow, LogSpan, TrafficRow } from "./logs.ts";
import type { Model, ModelFields, ModelFilter } from "./models.ts";
import type { Page, PageRequest } from "./page.ts";
import type { Provider, ProviderFields, ProviderFilter } from "./providers.ts";
import type { StoredResponseOwner } from "./response_owners.ts";
import type { CallCounts, UsageQuery, UsageRow } from "./usage.ts";

/**
 * The database, as the rest of the program sees it. Opened by `openStore()`.
 *
 * Beside the errors named below, any call may throw a `StoreError`; its `reason` says whether trying again can help.
 */
export interface Store {
  readonly providers: {
    /** Live rows that match, newest id first. */
    list(filter: ProviderFilter): Promise<Provider[]>;
    get(id: number): Promise<Provider | null>;
    /** @throws {NameTaken} when a live provider has this name. */
    create(fields: ProviderFields): Promise<Provider>;
    /** Replaces every field. `null` when no live row has this id. @throws {NameTaken} */
    update(id: number, fields: ProviderFields): Promise<Provider | null>;
    /** The operator's switch. `null` when no live row has this id. */
    setEnabled(id: number, enabled: boolean): Promise<Provider | null>;
    /** Soft-deletes the rows and their associations in one transaction; answers the ids that were live. */
    remove(ids: readonly number[]): Promise<number[]>;
  };
  readonly models: {
    /** All live rows, newest id first. */
    list(): Promise<Model[]>;
    page(filter: ModelFilter, page: PageRequest): Promise<Page<Model>>;
    get(id: number): Promise<Model | null>;
    /** The new row's `displayOrder` is the highest so far plus one. @throws {NameTaken} */
    create(fields: ModelFields): Promise<Model>;
    /** Replaces every field but the display order. `null` when no live row has this id. @throws {NameTaken} */
    update(id: number, fields: ModelFields): Promise<Model | null>;
    /** The i-th id of n gets display order n − i, in one transaction. Answers the ids that no live row has; then nothing was changed. */
    reorder(ids: readonly number[]): Promise<{ updated: number; missing: number[] }>;
    /** Soft-deletes the rows and their associations in one transaction; answers the ids that were live. */
    remove(ids: readonly number[]): Promise<number[]>;
  };
  readonly associations: {
    /** Live rows of one model, oldest id first, disabled ones included. */
    ofModel(modelId: number): Promise<Association[]>;
    get(id: number): Promise<Association | null>;
    /** Created switched on. @throws {MissingReference} when the model or the provider is not live. */
    create(fields: AssociationFields): Promise<Association>;
    /** Replaces the given fields. `null` when no live row has this id. @throws {MissingReference} */
    update(id: number, patch: AssociationPatch): Promise<Association | null>;
    setEnabled(id: number, enabled: boolean): Promise<Association | null>;
    /** Soft-deletes. `false` when no live row has this id. */
    remove(id: number): Promise<boolean>;
  };
  readonly logs: {
    /** Newest id first. `beforeId` moves the page and leaves the total as it is. */
    page(filter: LogFilter, page: PageRequest): Promise<Page<LogRow>>;
    /**
     * The newest so many rows that match. With the id of the last one as the next `beforeId` a list is walked to its
     * end in even steps, however long it is; with times in the filter, `sinceId` from {@linkcode span} ends the walk.
     */
    slice(filter: LogFilter, limit: number): Promise<LogRow[]>;
    /** First and last id of the rows within the filter's times, whatever else it asks for. `null` = there are none. */
    span(filter: LogFilter): Promise<LogSpan | null>;
    /**
     * What has ended of what started since then, at most 24 hours ago. For whole days `usage` answers, and remembers
     * longer.
     */
    traffic(sinceMs: number): Promise<TrafficRow[]>;
    /** Every user agent that has a row. */
    userAgents(): Promise<string[]>;
    /**
     * Writes one batch in one transaction and answers the ids of the inserted rows, in their order.
     * This is the recorder's only way into the database.
     */
    write(batch: LogBatch): Promise<number[]>;
    /** Outcomes (`true` = success) of the latest ten finished attempts, oldest first. */
    latestOutcomes(
      of: { providerName: string; providerModel: string; modelName: string },
    ): Promise<boolean[]>;
    /** Ends rows that a killed process left `running`; answers how many. Called once at start. */
    closeAbandoned(): Promise<number>;
  };
  readonly chatIo: {
    /** What was recorded of an attempt; `null` = nothing. */
    ofLog(logId: number): Promise<ChatIo | null>;
  };
  readonly usage: {
    /** Figures of days. They outlive the log rows that they were made from. */
    report(query: UsageQuery): Promise<UsageRow[]>;
    /** Requests of clients since ever by model, most first. */
    callsByModel(limit: number): Promise<CallCounts>;
    /** The same by the auth key's name: `admin` for key id 0, `-` for keys that are gone or have no name. */
    callsByKey(limit: number): Promise<CallCounts>;
  };
  /** Letting old log rows go in steps small enough for log writes in between. */
  readonly logCleanup: {
    /** 0 = there are no rows. */
    newestId(): Promise<number>;
    /** Id of the oldest of the newest `count` rows; `null` when there are not so many. */
    oldestOfNewest(count: number): Promise<number | null>;
    /** Removes the oldest rows within the bound with their recorded bodies, for good, at most `limit` of them. */
    remove(bound: CleanupBound, limit: number): Promise<CleanupStep>;
    record(entry: CleanupRecord): Promise<void>;
    /** Newest first. */
    history(page: PageRequest): Promise<Page<CleanupRow>>;
    /** Forgets all but the newest records. */
    trimHistory(keep: number): Promise<void>;
    /** Pages of the file that hold nothing. */
    freePages(): Promise<number>;
    /** Takes at most so many free pages off the file; answers how many are left. */
    giveBack(pages: number): Promise<number>;
    /** Moves what it can of the write-ahead log into the file; waits for nobody. */
    checkpoint(): Promise<Checkpoint>;
    /** Empties the write-ahead log, if nobody reads from it. */
    shrinkLog(): Promise<void>;
  };
  readonly liveState: {
    /** Everything that is stored, with deadlines and counts made plausible. Read once, at the start. */
    load(): Promise<StoredState>;
    /** Writes what has changed, in one transaction. */
    save(change: StateChange): Promise<void>;
  };
  readonly health: {
    /** The verdicts on all live providers that have one. Read once, at the start. */
    states(): Promise<StoredHealth[]>;
    /** Writes verdicts and adds checks, in one transaction. Those of providers that are gone are left out. */
    save(batch: { states: readonly StoredHealth[]; checks: readonly ProviderCheck[] }): Promise<void>;
    /** Removes verdicts and checks of providers that are gone. */
    forget(providerIds: readonly number[]): Promise<void>;
    config(): Promise<StoredHealthConfig>;
    /** Replaces the settings. */
    setConfig(config: CompleteHealthConfig): Promise<StoredHealthConfig>;
    /** The history of one provider, newest first. */
    checks(filter: CheckFilter, page: PageRequest): Promise<Page<ProviderCheckRow>>;
    /** Takes one small step of the retention; answers how many checks went. Done when it answers 0. */
    pruneChecks(retention: CheckRetention): Promise<number>;
  };
  readonly configs: {
    /** All of them, oldest first. */
    list(): Promise<Config[]>;
    /** `null` when nothing is stored under this key. */
    get(key: string): Promise<Config | null>;
    /** Stores a value, in place of an earlier one. */
    set(key: string, value: string): Promise<Config>;
  };
  readonly encryption: {
    /** How credentials in the file are encrypted; `null` = they are not. */
    get(): Promise<Encryption | null>;
    /** How many stored texts with credentials are not encrypted. */
    plainTexts(): Promise<number>;
    /** Replaces the probe of a file that is encrypted. */
    setProbe(probe: string): Promise<void>;
  };
  readonly responseOwners: {
    /** `null` when nobody is known to have made this response. */
    find(responseId: string): Promise<StoredResponseOwner | null>;
    /** Writes them in one transaction, each in place of an earlier row of its id. */
    save(owners: readonly StoredResponseOwner[]): Promise<void>;
    /** Takes one small step of the retention; answers how many went. Done when it answers 0. */
    prune(beforeMs: number, limit: number): Promise<number>;
  };
  readonly authKeys: {
    /**
     * Newest id first. `search` is a part of the name or of the mask, or at least 16 characters of a key that is stored
     * plain; `active` and `allowAll` are the row's switches, and `tag` is one of its tags.
     */
    page(
      filter: { search?: string; active?: boolean; allowAll?: boolean; tag?: string },
      page: PageRequest,
    ): Promise<Page<AuthKey>>;
    /** All live rows, oldest id first. */
    list(): Promise<AuthKey[]>;
    get(id: number): Promise<AuthKey | null>;
    /** The key itself is not stored. @throws {NameTaken} @throws {MissingReference} when a provider is not live. */
    create(fields: AuthKeyFields, secret: { hash: string; mask: string }): Promise<AuthKey>;
    /** Replaces the given fields. `null` when no live row has this id. @throws {NameTaken} @throws {MissingReference} */
    update(id: number, patch: Partial<AuthKeyFields>): Promise<AuthKey | null>;
    /** Puts another key in its place; an old program's plain text goes. `null` when no live row has this id. */
    rotate(
      id: number,
      secret: { hash: string; mask: string; previousHash: string; previousUntilMs: number },
    ): Promise<AuthKey | null>;
    /** Puts hashes in the place of plain texts, in one transaction; answers how many. Other rows stay as they are. */
    rehash(hashes: readonly { id: number; hash: string; mask: string }[]): Promise<number>;
    /** `null` when no live row has this id. */
    resetBudget(id: number, baseline: BudgetBaseline): Promise<AuthKey | null>;
    /** Soft-deletes. `false` when no live row has this id. */
    remove(id: number): Promise<boolean>;
    /**
     * What each key has spent, by currency, as the daily figures say: keys that are gone too, but not the admin token.
     *
     * @param date The day that is meant, `2026-05-20`, and whose month.
     * @param authKeyId Of this key only. @default all
     */
    spending(date: string, authKeyId?: number): Promise<KeySpending[]>;
    /** What each key has asked for since then, epoch milliseconds, by second, as the request log says. */
    recentUse(sinceMs: number): Promise<RecentUse[]>;
  };
  readonly adminTokens: {
    /** Newest id first. */
    list(): Promise<StoredAdminToken[]>;
    get(id: number): Promise<StoredAdminToken | null>;
    /** @throws {NameTaken} */
    create(fields: AdminTokenFields): Promise<StoredAdminToken>;
    /** `null` when there is no such token. @throws {NameTaken} */
    update(id: number, change: AdminTokenChange): Promise<StoredAdminToken | null>;
    /** Notes when a token was used last, epoch milliseconds. */
    used(id: number, atMs: number): Promise<void>;
    /** Removes it for good. `false` when there is no such token. */
    remove(id: number): Promise<boolean>;
  };
  readonly audit: {
    add(entry: AuditEntry): Promise<void>;
    /** Newest first. `beforeId` moves the page and leaves the total as it is. */
    page(filter: AuditFilter, page: PageRequest): Promise<Page<AuditRow>>;
    /** Takes one small step of the retention; answers how many rows went. Done when it answers 0. */
    prune(retention: AuditRetention): Promise<number>;
  };
  /** Everything that routing needs, read in one transaction. */
  routing(): Promise<RoutingRows>;
  /**
   * Writes many changes of the configuration in one transaction: all of them or none.
   *
   * @throws {NameTaken} @throws {MissingReference}
   */
  apply(batch: Batch): Promise<BatchResult>;
  /** Resolves when the database answers; used by `/readyz`. */
  ping(): Promise<void>;
  /** Waits for what is under way, closes the file and ends the workers. Idempotent. */
  close(): Promise<void>;
}

/** All live rows that routing is made from. */
export interface RoutingRows {
  providers: Provider[];
  models: Model[];
  associations: Association[];
  /** Value of the setting `anthropic_count_tokens`; `""` or missing = none. */
  countTokens?: string;
  /** Keys of clients, oldest id first; missing = none. */
  authKeys?: AuthKey[];
}

/** A live row already has this name. */
export class NameTaken extends Error {
  override readonly name = "NameTaken";
}

/** A row refers to another one that does not exist (any more). */
export class MissingReference extends Error {
  override readonly name = "MissingReference";
  /** @param field The column that refers to it, `model_id` say. @param id What is not there. */
  constructor(readonly field: string, readonly id: number) {
    super(`${field} ${id} does not exist`);
  }
}
