/**
 * What a file of the old programs is given so that it means here what it meant there. Capabilities, defaults and numbers
 * that SQL alone can fill in are filled in by the migrations.
 *
 * @module
 */
import { integer, real, text } from "./columns.ts";
import type { Database } from "./database.ts";
import { columnNames, tableNames } from "./recognise.ts";
import type { TimeFormatter } from "./time.ts";
import { storedDay } from "./usage_recording.ts";

/** What a file lacked before it was migrated. */
export interface Lacks {
  /** The fork's statistics of providers and days. */
  readonly statistics: boolean;
}

/** When, and in which zone. */
export interface FillClock {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly format: TimeFormatter;
}

/** Days of statistics that are made from the log. */
const STATISTICS_DAYS = 30;

/** Looks at a file before it is migrated. */
export function lacksOf(database: Database): Lacks {
  return { statistics: !tableNames(database).includes("provider_usage_stats") };
}

/** Fills in a migrated file. The caller has begun a transaction for writing. */
export function fillIn(database: Database, lacks: Lacks, clock: FillClock): void {
  takeUpstreamNames(database);
  addVerdicts(database, clock);
  if (lacks.statistics) addStatistics(database, clock);
}

/** Before llmio v0.1.0 the provider's name for a model stood in a column that later versions left over and unused. */
function takeUpstreamNames(database: Database): void {
  if (!columnNames(database, "model_with_providers").has("provider_name")) return;
  database.run(
    `UPDATE model_with_providers SET provider_model = provider_name
     WHERE provider_model IS NULL AND deleted_at IS NULL AND coalesce(provider_name, '') <> ''`,
  );
}

/** The fork has a verdict on every provider: healthy until something else is known. */
function addVerdicts(database: Database, { nowMs, format }: FillClock): void {
  database.run(
    `INSERT INTO provider_validations
       (created_at, updated_at, provider_id, is_healthy, error_count, last_error, last_status_code, consecutive_successes)
     SELECT ?1, ?1, id, 1, 0, '', 0, 0 FROM providers
     WHERE deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM provider_validations WHERE provider_id = providers.id)
     ORDER BY id`,
    format(nowMs),
  );
}

/**
 * The fork's daily table for a file that had none, from the last days that the log has. Those of the fork stay as they
 * are, without tokens: a sum of both would count twice.
 */
function addStatistics(database: Database, clock: FillClock): void {
  const now = clock.format(clock.nowMs);
  const insert = `INSERT INTO provider_usage_stats (
      created_at, updated_at, provider_id, date, total_requests, success_requests, failed_requests,
      total_tokens, prompt_tokens, completion_tokens, cached_tokens, cost_cny, cost_usd,
      avg_response_time, responses, last_used_at
    ) VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`;
  for (const row of database.all(LAST_DAYS, now.slice(0, 10))) {
    const whole = (column: string) => integer(row[column]);
    database.run(
      insert,
      now,
      whole("provider_id"),
      storedDay(clock, text(row["day"])),
      ...["attempts", "successes", "failures"].map(whole),
      ...["total_tokens", "prompt_tokens", "completion_tokens", "cached_tokens"].map(whole),
      ...["cost_cny", "cost_usd", "avg_response_time"].map((column) => real(row[column])),
      whole("responses"),
      clock.format(whole("last_used_ms")),
    );
  }
}

const LAST_DAYS = `WITH last AS (
    SELECT date(max(day), '-${STATISTICS_DAYS - 1} days') AS day FROM usage_days
    WHERE provider_id > 0 AND day BETWEEN '2000-01-01' AND ?1
  )
  SELECT usage.day, usage.provider_id, sum(attempts) AS attempts, sum(successes) AS successes,
    sum(failures) AS failures, sum(total_tokens) AS total_tokens, sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens, sum(cached_tokens) AS cached_tokens,
    total(iif(currency = 'USD', 0, cost)) AS cost_cny, total(iif(currency = 'USD', cost, 0)) AS cost_usd,
    total(response_ms) / max(1, sum(responses)) AS avg_response_time, sum(responses) AS responses,
    max(last_used_ms) AS last_used_ms
  FROM usage_days AS usage JOIN last ON usage.day >= last.day
  JOIN providers AS provider ON provider.id = usage.provider_id AND provider.deleted_at IS NULL
  WHERE usage.day <= ?1
  GROUP BY usage.day, usage.provider_id ORDER BY usage.day, usage.provider_id`;
