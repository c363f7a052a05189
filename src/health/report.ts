/** The health of a provider as the admin API shows it. @module */
import { FAILURE_CLASSES, type FailureClass, isProviderFailure } from "../failover/failure_class.ts";
import type { ProviderTrouble } from "../gateway/live_state.ts";
import type { OutcomeCount } from "../store/health.ts";
import type { Provider } from "../store/providers.ts";
import { type HealthStatus, type ProviderHealth, statusOf, UNOBSERVED } from "./state.ts";

/** The last 24 hours of a provider, from the request log. */
export interface DayStatistics {
  /** All attempts, those under way and those that were nobody's failure included. */
  readonly total: number;
  readonly successes: number;
  /** Those that were the provider's own. */
  readonly failures: number;
  /** Mean time of a success from the choice of the provider to the end of its answer, ms; 0 without any. */
  readonly avgMs: number;
}

/** One provider's health. What is missing, empty or zero is left out where the fork left it out. */
export interface HealthRow {
  readonly provider_id: number;
  readonly provider_name: string;
  readonly provider_type: string;
  readonly status: HealthStatus;
  readonly is_healthy: boolean;
  readonly response_time_ms: number;
  readonly last_checked: string;
  readonly last_success?: string;
  readonly error_message?: string;
  readonly error_count: number;
  readonly consecutive_successes: number;
  readonly next_retry_at?: string;
  readonly last_status_code?: number;
  readonly success_rate_24h: number;
  readonly total_requests_24h: number;
  readonly avg_response_time_ms: number;
}

/** What a row is made from. */
export interface HealthFacts {
  readonly provider: Provider;
  readonly health: ProviderHealth | undefined;
  readonly trouble: ProviderTrouble;
  readonly day: DayStatistics;
  /** Epoch ms. */
  readonly now: number;
}

/** The day of a provider without a row in the request log. */
const NO_REQUESTS: DayStatistics = { total: 0, successes: 0, failures: 0, avgMs: 0 };

/** Sums up attempts by provider. */
export function dayStatistics(outcomes: readonly OutcomeCount[]): (providerId: number) => DayStatistics {
  const days = new Map<number, DayStatistics>();
  for (const [providerId, counts] of Map.groupBy(outcomes, (count) => count.providerId)) {
    const successes = counts.filter(({ outcome }) => outcome === "completed" || outcome === "incomplete");
    const failures = counts.filter(({ outcome }) => isClass(outcome) && isProviderFailure(outcome));
    const succeeded = sum(successes, ({ count }) => count);
    days.set(providerId, {
      total: sum(counts, ({ count }) => count),
      successes: succeeded,
      failures: sum(failures, ({ count }) => count),
      avgMs: succeeded === 0 ? 0 : sum(successes, ({ totalMs }) => totalMs) / succeeded,
    });
  }
  return (providerId) => days.get(providerId) ?? NO_REQUESTS;
}

/** The row of a provider. */
export function healthRow({ provider, health, trouble, day, now }: HealthFacts): HealthRow {
  const state = health ?? UNOBSERVED;
  const status = statusOf(isConclusive(health) ? health : undefined, {
    enabled: provider.enabled,
    ...trouble,
    successes24h: day.successes,
    failures24h: day.failures,
  });
  const counted = day.successes + day.failures;
  return {
    provider_id: provider.id,
    provider_name: provider.name,
    provider_type: provider.type,
    status,
    is_healthy: state.isHealthy,
    response_time_ms: Math.round(state.lastLatencyMs ?? 0),
    // The fork's clients expect a time here whatever happens.
    last_checked: rfc3339(state.lastCheckedAt ?? now),
    ...(state.lastSuccessAt !== null && { last_success: rfc3339(state.lastSuccessAt) }),
    ...(state.lastError !== null && state.lastError !== "" && { error_message: state.lastError }),
    error_count: state.errorCount,
    consecutive_successes: state.consecutiveSuccesses,
    ...(state.nextRetryAt !== null && { next_retry_at: rfc3339(state.nextRetryAt) }),
    ...(state.lastStatusCode !== null && state.lastStatusCode !== 0 &&
      { last_status_code: state.lastStatusCode }),
    success_rate_24h: counted === 0 ? 0 : hundredths(100 * day.successes / counted),
    total_requests_24h: day.total,
    avg_response_time_ms: hundredths(day.avgMs),
  };
}

/** Whether anything was seen that speaks for or against the provider: of one that cannot be probed, nothing is known. */
function isConclusive(health: ProviderHealth | undefined): health is ProviderHealth {
  return health !== undefined &&
    (!health.isHealthy || health.errorCount > 0 || health.lastSuccessAt !== null);
}

function isClass(outcome: string): outcome is FailureClass {
  return Object.hasOwn(FAILURE_CLASSES, outcome);
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
