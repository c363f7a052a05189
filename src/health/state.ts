/** The health of a provider: what each observation makes of it. @module */

import { isProviderFailure } from "../failover/failure_class.ts";
import type { Verdict } from "../failover/verdict.ts";

/** The verdict on a provider. Times are epoch ms. */
export interface ProviderHealth {
  readonly isHealthy: boolean;
  /** Failures in a row. */
  readonly errorCount: number;
  readonly consecutiveSuccesses: number;
  /** The last failure in words; `null` after a success. It may quote the vendor. */
  readonly lastError: string | null;
  /** HTTP status of the last observation that had one. */
  readonly lastStatusCode: number | null;
  /** The last observation of any kind; `null` = never observed. */
  readonly lastCheckedAt: number | null;
  /** The last observation by a probe or a forced check. */
  readonly lastProbeAt: number | null;
  readonly lastSuccessAt: number | null;
  /** Latency of the last success, ms. */
  readonly lastLatencyMs: number | null;
  /** While unhealthy: when the next try is due. */
  readonly nextRetryAt: number | null;
  /** When it last became healthy again; `null` = it never was unhealthy, or has long been stable. */
  readonly recoveredAt: number | null;
  /** Successes of real traffic in a row since then. */
  readonly trafficSuccesses: number;
  /** How often in a row it fell back soon after a recovery; each doubles the wait. */
  readonly relapses: number;
}

/** The health of a provider that was never observed. */
export const UNOBSERVED: ProviderHealth = {
  isHealthy: true,
  errorCount: 0,
  consecutiveSuccesses: 0,
  lastError: null,
  lastStatusCode: null,
  lastCheckedAt: null,
  lastProbeAt: null,
  lastSuccessAt: null,
  lastLatencyMs: null,
  nextRetryAt: null,
  recoveredAt: null,
  trafficSuccesses: 0,
  relapses: 0,
};

/** The operator's settings (table `health_check_configs`). */
export interface HealthConfig {
  /** The sweep runs. Traffic is observed and forced checks work either way. */
  readonly enabled: boolean;
  /** Minutes between two probes of a provider. */
  readonly intervalMinutes: number;
  /** Failures in a row that make a provider unhealthy. */
  readonly maxErrorCount: number;
  /** Hours until an unhealthy provider is tried again. */
  readonly retryAfterHours: number;
  /** Minutes instead of those hours, when set. */
  readonly retryAfterMinutes: number | null;
  /** Successful traffic stands in for a probe. Default `true`. */
  readonly skipIfRecentSuccess?: boolean | undefined;
}

/** The settings of a new installation. */
export const DEFAULT_HEALTH_CONFIG: HealthConfig = {
  enabled: true,
  intervalMinutes: 5,
  maxErrorCount: 5,
  retryAfterHours: 1,
  retryAfterMinutes: null,
  skipIfRecentSuccess: true,
};

/** Who looked. */
export type ObservationSource = "probe" | "forced" | "traffic";

/** What was seen of a provider. */
export interface HealthObservation {
  readonly source: ObservationSource;
  /** `neutral` = alive perhaps, but neither a success nor a failure: limited, a caller's fault, a hang-up. */
  readonly result: "ok" | "failed" | "neutral";
  /** HTTP status; `null` when there was no answer. */
  readonly statusCode: number | null;
  readonly latencyMs: number | null;
  /** The reason of a failure in words, for people. */
  readonly error: string | null;
  /** Epoch ms. */
  readonly at: number;
}

/** A change that is worth a log line. */
export type HealthEvent = "became_unhealthy" | "became_healthy";

/** The state after an observation. */
export interface HealthStep {
  readonly state: ProviderHealth;
  readonly events: readonly HealthEvent[];
}

/** The longest wait of a provider that falls back again and again, ms (unless the operator's own is longer). */
export const RELAPSE_MAX_MS = 24 * 60 * 60_000;
/** Successes of real traffic in a row after which a recovery is believed. */
export const STABLE_SUCCESSES = 10;

const MINUTE = 60_000;
const NO_EVENTS: readonly HealthEvent[] = [];
const BECAME_HEALTHY: readonly HealthEvent[] = ["became_healthy"];
const BECAME_UNHEALTHY: readonly HealthEvent[] = ["became_unhealthy"];

/**
 * The health after one more observation.
 *
 * A success of any source makes the provider healthy and clears its errors. A probe is smaller than a real request,
 * though, and may pass where those fail. So that such a provider does not flap for ever, each relapse before
 * {@link STABLE_SUCCESSES} successes of real traffic doubles the wait until the next try, up to
 * {@link RELAPSE_MAX_MS}; a forced check that passes forgives the relapses.
 */
export function observe(
  state: ProviderHealth | undefined,
  observation: HealthObservation,
  config: HealthConfig,
): HealthStep {
  const seen = witnessed(state ?? UNOBSERVED, observation);
  switch (observation.result) {
    case "ok":
      return afterSuccess(seen, observation);
    case "failed":
      return afterFailure(seen, observation, config);
    case "neutral":
      return { state: afterNeutral(seen, observation, config), events: NO_EVENTS };
  }
}

function witnessed(state: ProviderHealth, observation: HealthObservation): ProviderHealth {
  const { at, source, statusCode } = observation;
  return {
    ...state,
    lastCheckedAt: at,
    lastProbeAt: source === "traffic" ? state.lastProbeAt : at,
    lastStatusCode: statusCode ?? state.lastStatusCode,
  };
}

function afterSuccess(state: ProviderHealth, { source, at, latencyMs }: HealthObservation): HealthStep {
  const trafficSuccesses = source === "traffic" ? state.trafficSuccesses + 1 : state.trafficSuccesses;
  const recovers = !state.isHealthy;
  const stable = !recovers && trafficSuccesses >= STABLE_SUCCESSES;
  const next: ProviderHealth = {
    ...state,
    isHealthy: true,
    errorCount: 0,
    consecutiveSuccesses: state.consecutiveSuccesses + 1,
    lastError: null,
    lastSuccessAt: at,
    lastLatencyMs: latencyMs ?? state.lastLatencyMs,
    nextRetryAt: null,
    recoveredAt: recovers ? at : stable ? null : state.recoveredAt,
    trafficSuccesses: stable ? 0 : trafficSuccesses,
    relapses: stable || source === "forced" ? 0 : state.relapses,
  };
  return { state: next, events: recovers ? BECAME_HEALTHY : NO_EVENTS };
}

function afterFailure(
  state: ProviderHealth,
  observation: HealthObservation,
  config: HealthConfig,
): HealthStep {
  const { at, source, error } = observation;
  const failed: ProviderHealth = {
    ...state,
    errorCount: state.errorCount + 1,
    consecutiveSuccesses: 0,
    trafficSuccesses: 0,
    lastError: error ?? "failed",
  };
  if (failed.errorCount < config.maxErrorCount && failed.isHealthy) {
    return { state: failed, events: NO_EVENTS };
  }
  if (!failed.isHealthy) {
    // Last-resort traffic that keeps failing must not push the next try away for ever.
    const waits = source === "traffic" && failed.nextRetryAt !== null && failed.nextRetryAt > at;
    const nextRetryAt = waits ? failed.nextRetryAt : at + holdMs(config, failed.relapses);
    return { state: { ...failed, nextRetryAt }, events: NO_EVENTS };
  }
  const relapsed = failed.recoveredAt !== null && at - failed.recoveredAt < RELAPSE_MAX_MS;
  const relapses = relapsed ? failed.relapses + 1 : 0;
  return {
    state: { ...failed, isHealthy: false, relapses, nextRetryAt: at + holdMs(config, relapses) },
    events: BECAME_UNHEALTHY,
  };
}

function afterNeutral(
  state: ProviderHealth,
  { source, at }: HealthObservation,
  config: HealthConfig,
): ProviderHealth {
  // A probe that was told "busy" proves nothing; an unhealthy provider is asked again after the usual interval.
  if (state.isHealthy || source === "traffic") return state;
  return { ...state, nextRetryAt: Math.max(state.nextRetryAt ?? 0, at + config.intervalMinutes * MINUTE) };
}

function holdMs(config: HealthConfig, relapses: number): number {
  const baseMs = (config.retryAfterMinutes ?? config.retryAfterHours * 60) * MINUTE;
  return Math.max(baseMs, Math.min(baseMs * 2 ** Math.min(relapses, 30), RELAPSE_MAX_MS));
}

/** What an attempt or a probe says about its provider, besides its verdict. */
export interface ObservationContext {
  readonly source: ObservationSource;
  /** Epoch ms. */
  readonly at: number;
  readonly statusCode?: number | null | undefined;
  readonly latencyMs?: number | null | undefined;
  /** After this attempt no key of the provider is left: only then is a refused credential the provider's failure. */
  readonly noKeyLeft?: boolean | undefined;
}

/** What an attempt's end says about the health of its provider. `null` = success. */
export function observationOf(verdict: Verdict | null, context: ObservationContext): HealthObservation {
  const { source, at, statusCode = null, latencyMs = null, noKeyLeft = false } = context;
  if (verdict === null) return { source, result: "ok", statusCode, latencyMs, error: null, at };
  const refused = verdict.class === "credential" && (noKeyLeft || source !== "traffic");
  const result = refused || isProviderFailure(verdict.class) ? "failed" : "neutral";
  return { source, result, statusCode, latencyMs, error: verdict.detail, at };
}

/** The status that people see. */
export type HealthStatus = "healthy" | "degraded" | "unhealthy" | "unknown" | "disabled";

/** What besides the health decides the status. */
export interface StatusContext {
  /** The operator's switch. */
  readonly enabled: boolean;
  /** An association or key of the provider is cooling, or its breaker is open. */
  readonly cooling: boolean;
  /** A key of the pool is refused. */
  readonly badKey: boolean;
  /** Successes of the last 24 h. */
  readonly successes24h: number;
  /** Failures of the provider in the last 24 h. */
  readonly failures24h: number;
}

/** Fewer requests in 24 h say nothing about a rate. */
const RATE_MIN_REQUESTS = 10;
/** Under this success rate a provider is degraded. */
const RATE_MIN = 0.9;

/** The status of a provider. What the operator has switched off is `disabled`, whatever was observed. */
export function statusOf(state: ProviderHealth | undefined, context: StatusContext): HealthStatus {
  if (!context.enabled) return "disabled";
  if (state !== undefined && !state.isHealthy) return "unhealthy";
  const total = context.successes24h + context.failures24h;
  const lowRate = total >= RATE_MIN_REQUESTS && context.successes24h / total < RATE_MIN;
  if (context.cooling || context.badKey || lowRate) return "degraded";
  if (state === undefined || state.lastCheckedAt === null) return "unknown";
  return state.errorCount > 0 ? "degraded" : "healthy";
}

/**
 * Whether the sweep should probe a provider now: a healthy one when the interval has passed since its last probe, an
 * unhealthy one when its next try is due. The caller leaves out what the operator has switched off.
 */
export function isDue(state: ProviderHealth | undefined, config: HealthConfig, now: number): boolean {
  if (!config.enabled) return false;
  if (state === undefined) return true;
  if (!state.isHealthy) return state.nextRetryAt === null || state.nextRetryAt <= now;
  const intervalMs = config.intervalMinutes * MINUTE;
  if (config.skipIfRecentSuccess !== false && within(state.lastSuccessAt, intervalMs, now)) return false;
  return !within(state.lastProbeAt, intervalMs, now);
}

/** A time in the future counts as long ago: the wall clock was set back. */
function within(at: number | null, spanMs: number, now: number): boolean {
  return at !== null && at <= now && now - at < spanMs;
}
