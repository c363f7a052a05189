/** The health of a provider as the admin API shows it. @module */
import { FAILURE_CLASSES, type FailureClass, isProviderFailure } from "../failover/failure_class.ts";
import type { ProviderTrouble } from "../gateway/live_state.ts";
import type { TrafficRow } from "../store/logs.ts";
import type { Provider } from "../store/providers.ts";
import { type HealthStatus, type ProviderHealth, statusOf, UNOBSERVED } from "./state.ts";

/** The last 24 hours of a provider. */
export interface DayStatistics {
  /** All attempts that have ended, those that were nobody's failure included. */
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

/** The day of a provider that nobody asked. */
const NO_REQUESTS: DayStatistics = { total: 0, successes: 0, failures: 0, avgMs: 0 };

/** Sums up traffic by provider. */
export function dayStatistics(traffic: readonly TrafficRow[]): (providerId: number) => DayStatistics {
  const days = new Map<number, DayStatistics>();
  for (const [providerId, rows] of Map.groupBy(traffic, (row) => row.providerId)) {
    const successes = sum(rows, (row) => row.successes);
    days.set(providerId, {
      total: sum(rows, ({ attempts }) => attempts),
      successes,
      failures: sum(rows, failuresOf),
      avgMs: successes === 0 ? 0 : sum(rows, ({ responseMs }) => responseMs) / successes,
    });
  }
  return (providerId) => days.get(providerId) ?? NO_REQUESTS;
}

/** Attempts that were the provider's own failure. Rows of older programs say `error` and not whose; so the fork took it. */
export function failuresOf({ outcomes }: Pick<TrafficRow, "outcomes">): number {
  const own = Object.entries(outcomes).filter(([outcome]) =>
    outcome === "error" || isClass(outcome) && isProviderFailure(outcome)
  );
  return sum(own, ([, attempts]) => attempts);
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
