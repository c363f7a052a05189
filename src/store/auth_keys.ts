/** Keys of clients (table `auth_keys`). @module */

/** What a key may use in what time. `null` = no limit. */
export interface AuthKeyLimits {
  /** In any 60 seconds. */
  requestsPerMinute: number | null;
  /** Prompt and completion, in any 60 seconds. */
  tokensPerMinute: number | null;
  /** Requests under way at once. */
  maxConcurrent: number | null;
  /** In the budget's currency; days and months begin in the configured zone. */
  budgetDay: number | null;
  budgetMonth: number | null;
  budgetTotal: number | null;
  /** `USD` or `CNY`. */
  budgetCurrency: string;
}

/** Costs by currency. */
export type Costs = Readonly<Record<string, number>>;

/** What had been spent when the budget was reset last; it no longer counts. */
export interface BudgetBaseline {
  /** `2026-05-20`; the amounts of `day` are of this day, those of `month` of its month. */
  date: string;
  day: Costs;
  month: Costs;
  total: Costs;
}

/** What the operator says of a key. */
export interface AuthKeyFields extends AuthKeyLimits {
  name: string;
  /** `null`, which only old programs write, is off. */
  status: boolean | null;
  /** Whether bodies are recorded. */
  ioLog: boolean;
  /** Every model may be used, whatever `models` says. */
  allowAll: boolean;
  /** Public names of models. */
  models: string[];
  /** RFC 3339; `null` = never. */
  expiresAt: string | null;
  /** Ids of the providers that may serve it; `null` = all. */
  providers: number[] | null;
  tags: string[];
}

/** A key as it is stored. */
export interface AuthKey extends AuthKeyFields {
  id: number;
  createdAt: string;
  updatedAt: string;
  /** The key itself where an old program has stored it; `""` = only its hash is kept. */
  key: string;
  /** SHA-256 in hex; `""` for a key that stands in `key`. */
  hash: string;
  /** What is shown of it. */
  mask: string;
  /** Hash of the key before the last rotation; `""` = none. */
  previousHash: string;
  /** Until when that one is taken, epoch milliseconds. */
  previousUntilMs: number;
  budgetBaseline: BudgetBaseline | null;
  usageCount: number;
  /** RFC 3339; `null` = never. */
  lastUsedAt: string | null;
}

/** What a key has spent in one currency. */
export interface KeySpending {
  authKeyId: number;
  currency: string;
  day: number;
  month: number;
  total: number;
}

/** What a key has asked for in one second of the recent past. */
export interface RecentUse {
  authKeyId: number;
  /** Epoch seconds. */
  second: number;
  requests: number;
  tokens: number;
}

/** Uses of a key that leave no row in the request log: lists of models, refused requests, counts. */
export interface KeyUse {
  authKeyId: number;
  uses: number;
  /** Epoch milliseconds of the latest. */
  lastUsedAtMs: number;
}
