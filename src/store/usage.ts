/** Daily usage: what each day has seen, by provider, model and key (tables `usage_days`, `provider_usage_stats`). @module */

/** What can be counted. */
export interface UsageFigures {
  /** Requests of clients: a request counts once, with its first attempt, however many attempts it took. */
  requests: number;
  /** Calls to providers, and refused requests for which none was made. */
  attempts: number;
  successes: number;
  /** Attempts that failed by the provider's fault. */
  failures: number;
  /** Attempts and requests that failed by the caller's own fault. */
  callerErrors: number;
  /** Attempts whose client hung up. */
  cancelled: number;
  /** Attempts that met a limit, a refused key, an empty account or a missing model: nobody's failure. */
  limited: number;
  /** Attempts that the gateway itself broke off. */
  gatewayErrors: number;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  /** Cache reads, a part of the input. */
  cachedTokens: number;
  /** Cache writes, a part of the input. */
  cacheWriteTokens: number;
  /** A part of the output. */
  reasoningTokens: number;
  /** Successes whose tokens are an estimate. */
  estimated: number;
  /** Successes whose tokens are not known. */
  unmeasured: number;
  /** In the currency of the row. */
  cost: number;
  /** Response times of the successes, summed, milliseconds. */
  responseMs: number;
  /** Successes with a response time. */
  responses: number;
  /** Start of the latest of them, epoch milliseconds. */
  lastUsedAtMs: number;
}

/** Figures of nothing: where sums begin. */
export const NO_USAGE: Readonly<UsageFigures> = {
  requests: 0,
  attempts: 0,
  successes: 0,
  failures: 0,
  callerErrors: 0,
  cancelled: 0,
  limited: 0,
  gatewayErrors: 0,
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  estimated: 0,
  unmeasured: 0,
  cost: 0,
  responseMs: 0,
  responses: 0,
  lastUsedAtMs: 0,
};

/** What figures can be grouped by. */
export const USAGE_GROUPS = ["day", "provider", "model", "key", "style", "currency"] as const;
/** One of {@link USAGE_GROUPS}. */
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** Which figures are wanted. Days are `YYYY-MM-DD` in the configured time zone, both ends included. */
export interface UsageQuery {
  from: string;
  to: string;
  /** Each combination of these has a row of its own; `currency` is always one of them, since costs do not add up. */
  groupBy: readonly UsageGroup[];
  providerId?: number;
  model?: string;
  authKeyId?: number;
  style?: string;
  /** At most so many rows, the first ones. @default all */
  limit?: number;
}

/** Figures of one group. What the query does not group by is `null`. */
export interface UsageRow extends UsageFigures {
  day: string | null;
  providerId: number | null;
  providerName: string | null;
  model: string | null;
  authKeyId: number | null;
  /** `admin` for key id 0, the key's name, or `""` when the key is gone; `null` when not grouped by. */
  keyName: string | null;
  style: string | null;
  currency: string;
}

/** Requests of clients by name: the most frequent names, and how many requests there were in all. */
export interface CallCounts {
  top: { name: string; calls: number }[];
  /** How many names there are. */
  names: number;
  /** Requests of all names together. */
  total: number;
}
