/** Figures of usage as the admin API shows them. @module */
import { z } from "@hono/zod-openapi";
import { NO_USAGE, type UsageFigures, type UsageGroup, type UsageRow } from "../store/usage.ts";
import { BYTE_ORDER_MARK, type Cell, csvLine } from "./csv.ts";
import { momentOf, momentSchema } from "./moment.ts";

const count = z.int();

/** What a row is about; only what the report groups by is there. */
export const groupShape = {
  day: z.iso.date().optional(),
  provider_id: count.optional().openapi({
    description: "0 = none was chosen, or rows of an older program whose provider is gone.",
  }),
  provider_name: z.string().optional(),
  model: z.string().optional(),
  auth_key_id: count.optional(),
  key_name: z.string().optional(),
  style: z.string().optional(),
  currency: z.string().openapi({ description: "Of the cost; empty = nothing was priced." }),
};

/** What was counted. */
export const figureShape = {
  requests: count.openapi({ description: "Requests of clients; retries are not counted." }),
  attempts: count.openapi({ description: "Calls to providers, and requests that were refused before any." }),
  successes: count,
  failures: count.openapi({ description: "Attempts that failed by the provider's fault." }),
  caller_errors: count,
  cancelled: count.openapi({ description: "The client hung up." }),
  limited: count.openapi({ description: "A limit, a refused key, an empty account or a missing model." }),
  gateway_errors: count,
  prompt_tokens: count.openapi({ description: "All input, cache reads included." }),
  completion_tokens: count,
  total_tokens: count,
  cached_tokens: count,
  cache_write_tokens: count.openapi({ description: "A part of the prompt tokens." }),
  reasoning_tokens: count.openapi({ description: "A part of the completion tokens." }),
  estimated: count.openapi({ description: "Successes whose tokens are an estimate." }),
  unmeasured: count.openapi({ description: "Successes whose tokens are not known." }),
  cost: z.number(),
  avg_response_ms: z.number().openapi({
    description: "Mean time of a success from the choice of the provider to the end of its answer.",
  }),
  last_used_at: momentSchema.openapi({ description: "Start of the latest of them." }),
};

type Figures = z.output<z.ZodObject<typeof figureShape>>;
type Groups = z.output<z.ZodObject<typeof groupShape>>;

/** The columns of each group, in the order of a CSV. */
const GROUP_COLUMNS: Readonly<Record<UsageGroup, readonly (keyof Groups)[]>> = {
  day: ["day"],
  provider: ["provider_id", "provider_name"],
  model: ["model"],
  key: ["auth_key_id", "key_name"],
  style: ["style"],
  currency: ["currency"],
};

/** What a row is about. */
export function groupsOf(row: UsageRow): Groups {
  return {
    ...(row.day === null ? {} : { day: row.day }),
    ...(row.providerId === null
      ? {}
      : { provider_id: row.providerId, provider_name: row.providerName ?? "" }),
    ...(row.model === null ? {} : { model: row.model }),
    ...(row.authKeyId === null ? {} : { auth_key_id: row.authKeyId, key_name: row.keyName ?? "" }),
    ...(row.style === null ? {} : { style: row.style }),
    currency: row.currency,
  };
}

/** What was counted, in a row or in all of them. */
export function figuresOf(figures: UsageFigures): Figures {
  const { responses, responseMs, lastUsedAtMs } = figures;
  return {
    requests: figures.requests,
    attempts: figures.attempts,
    successes: figures.successes,
    failures: figures.failures,
    caller_errors: figures.callerErrors,
    cancelled: figures.cancelled,
    limited: figures.limited,
    gateway_errors: figures.gatewayErrors,
    prompt_tokens: figures.promptTokens,
    completion_tokens: figures.completionTokens,
    total_tokens: figures.totalTokens,
    cached_tokens: figures.cachedTokens,
    cache_write_tokens: figures.cacheWriteTokens,
    reasoning_tokens: figures.reasoningTokens,
    estimated: figures.estimated,
    unmeasured: figures.unmeasured,
    cost: withoutNoise(figures.cost),
    avg_response_ms: responses === 0 ? 0 : Math.round(100 * responseMs / responses) / 100,
    last_used_at: lastUsedAtMs === 0 ? null : momentOf(lastUsedAtMs),
  };
}

/** What all rows come to; costs of different currencies do not add up. */
export function totalsOf(rows: readonly UsageRow[]) {
  const sum = { ...NO_USAGE };
  const costs = new Map<string, number>();
  for (const row of rows) {
    for (const field of Object.keys(NO_USAGE) as (keyof UsageFigures)[]) {
      sum[field] = field === "lastUsedAtMs" ? Math.max(sum[field], row[field]) : sum[field] + row[field];
    }
    costs.set(row.currency, (costs.get(row.currency) ?? 0) + row.cost);
  }
  const { cost: _, ...totals } = figuresOf(sum);
  return {
    ...totals,
    costs: Array.from(costs, ([currency, cost]) => ({ currency, cost: withoutNoise(cost) }))
      .filter(({ currency, cost }) => currency !== "" || cost !== 0)
      .sort((one, other) => one.currency < other.currency ? -1 : 1),
  };
}

/** A line for each row, under a line of names. */
export function csvOf(rows: readonly UsageRow[], groupBy: readonly UsageGroup[], mark: boolean): string {
  const groups = [...new Set<UsageGroup>([...groupBy, "currency"])].flatMap((group) => GROUP_COLUMNS[group]);
  const figures = Object.keys(figureShape) as (keyof Figures)[];
  const lines = rows.map((row) => {
    const shown = { ...groupsOf(row), ...figuresOf(row) };
    return csvLine([...groups, ...figures].map((column): Cell => shown[column] ?? ""));
  });
  return (mark ? BYTE_ORDER_MARK : "") + csvLine([...groups, ...figures]) + lines.join("");
}

/** Sums of binary fractions end in digits that nobody has paid; a ten-millionth of a cent is kept. */
export function withoutNoise(cost: number): number {
  return Math.round(cost * 1e9) / 1e9;
}
