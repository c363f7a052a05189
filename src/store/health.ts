/**
 * The health of providers: verdicts (table `provider_validations`), the operator's settings
 * (`health_check_configs`) and the history of checks (`provider_checks`).
 *
 * @module
 */
import type { HealthConfig, ObservationSource, ProviderHealth } from "../health/state.ts";

/** The verdict on one provider. */
export interface StoredHealth {
  readonly providerId: number;
  readonly health: ProviderHealth;
}

/** The operator's settings, all of them. */
export interface CompleteHealthConfig extends HealthConfig {
  readonly skipIfRecentSuccess: boolean;
}

/** The settings with the row that holds them. */
export interface StoredHealthConfig {
  readonly id: number;
  /** RFC 3339, with the offset as stored. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Values that no program of ours would have written are brought within bounds. */
  readonly config: CompleteHealthConfig;
}

/**
 * What a check has found out. `limited`: alive, but over a limit. `busy`: no answer in time while it was serving
 * others. `cannot_probe`: it answers, but not to a call as small as a probe, so only traffic can tell.
 */
export type CheckResult = "ok" | "failed" | "limited" | "busy" | "cannot_probe";

/** One check: a call that the gateway made itself. */
export interface ProviderCheck {
  readonly providerId: number;
  /** When it began, epoch milliseconds. */
  readonly checkedAtMs: number;
  readonly source: Exclude<ObservationSource, "traffic">;
  readonly result: CheckResult;
  /** HTTP status; `null` = there was no answer. */
  readonly statusCode: number | null;
  readonly latencyMs: number | null;
  /** `""` = nothing to say. Without secrets. */
  readonly error: string;
  /** The upstream model that was called; `""` = the model list was asked for. */
  readonly model: string;
  /** `null` = the provider did not say. */
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
}

/** A check as read back. */
export interface ProviderCheckRow extends Omit<ProviderCheck, "source" | "result"> {
  readonly id: number;
  readonly source: string;
  readonly result: string;
}

/** Whose checks to list. */
export interface CheckFilter {
  readonly providerId: number;
  /** Only those from then on, epoch milliseconds. */
  readonly sinceMs?: number;
}

/** What is kept of the history. */
export interface CheckRetention {
  /** Older checks go, epoch milliseconds. */
  readonly beforeMs: number;
  /** Of each provider at most this many stay, the newest. */
  readonly perProvider: number;
  /** At most so many go in one call, so that no other write waits long. */
  readonly limit: number;
}
