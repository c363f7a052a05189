/**
 * Takes rows that the old programs have written into the daily figures, so that reports need look at nothing else.
 * Lives in the writing worker.
 *
 * @module
 */
import { integer } from "./columns.ts";
import type { Database } from "./database.ts";
import type { TimeFormatter } from "./time.ts";
import { addToHours } from "./traffic_hours.ts";

const DAY_MS = 86_400_000;
/** Offsets change at quarters of an hour at most. */
const QUARTER_MS = 900_000;
/** Where a row without a readable time is put: 0001-01-01, which no report over days asks for. */
const NO_TIME_MS = -62_135_596_800_000;
/** No zone rule is looked up for times before it: no row is that old. */
const FIRST_MS = Date.UTC(2000, 0, 1);

/** Under an index; the old programs know neither this column nor the outcome. */
const STRANGE = "started_at_ms IS NULL AND unixepoch(created_at) IS NOT NULL";

/**
 * Adds the rows that wait for it since the migration to the daily figures, if there are any. The caller has begun a
 * transaction for writing.
 *
 * A row of the old programs has no outcome: an error there may be anybody's fault and counts as the provider's, as
 * the fork counted it. Rows that were deleted softly are left out, as the old programs left them out of their figures.
 *
 * @param format Writes times with the offset that the configured zone has at that moment.
 */
export function adoptWaitingRows(database: Database, format: TimeFormatter): void {
  const waiting = database.get("SELECT up_to_id FROM usage_adoption LIMIT 1");
  if (waiting === undefined) return;
  const upToId = integer(waiting["up_to_id"]);
  // Those that an old program wrote after an early version of this one have no time yet.
  giveTimes(database, `${STRANGE} AND id <= ?1`, upToId);
  adopt(database, format, "log.id <= ?1", upToId);
  database.run("DELETE FROM usage_adoption");
}

/**
 * Takes in rows that an old program has written since this one last had the file: gives them a time that can be
 * compared and adds them to the figures of days and hours.
 */
export function adoptStrangeRows(database: Database, format: TimeFormatter): void {
  const strange = `FROM chat_logs WHERE ${STRANGE}`;
  if (database.get(`SELECT 1 ${strange} LIMIT 1`) === undefined) return;
  database.transaction("write", () => {
    const ids = JSON.stringify(database.all(`SELECT id ${strange}`).map((row) => integer(row["id"])));
    const listed = "id IN (SELECT value FROM json_each(?1))";
    giveTimes(database, listed, ids);
    adopt(database, format, `log.${listed}`, ids);
    addToHours(database, ids);
  });
}

function giveTimes(database: Database, condition: string, value: string | number): void {
  database.run(
    `UPDATE chat_logs SET started_at_ms = CAST(round(unixepoch(created_at, 'subsec') * 1000) AS integer)
     WHERE ${condition}`,
    value,
  );
}

function adopt(database: Database, format: TimeFormatter, condition: string, value: string | number): void {
  const which = `${condition} AND log.outcome IS NULL AND log.deleted_at IS NULL`;
  database.run(PRICE.replace("$which", which), value);
  const days = database.all(
    `SELECT DISTINCT max(log.started_at_ms, ${FIRST_MS}) / ${DAY_MS} AS day FROM chat_logs AS log
     WHERE ${which} AND log.started_at_ms IS NOT NULL ORDER BY 1`,
    value,
  ).map((row) => integer(row["day"]));
  for (const span of spansOfOffset(format, days)) {
    database.run(ADD.replace("$which", which), value, span.offsetMs, span.fromMs, span.toMs);
  }
}

/** What an attempt cost is frozen in its row; llmio froze the prices only. */
const PRICE = `UPDATE chat_logs AS log SET
    cost = (max(0, coalesce(prompt_tokens, 0) - cached_tokens) * coalesce(input_price, 0) +
      cached_tokens * coalesce(cache_read_price, 0) + coalesce(completion_tokens, 0) * coalesce(output_price, 0))
      / 1000000.0,
    cost_source = 'association'
  FROM (
    SELECT id, iif(json_valid(prompt_tokens_details),
      coalesce(json_extract(prompt_tokens_details, '$.cached_tokens'), 0), 0) AS cached_tokens
    FROM chat_logs AS log WHERE $which AND (log.input_price > 0 OR log.output_price > 0)
  ) AS details
  WHERE details.id = log.id`;

/** Old columns hold whatever scripts put there (bytes, words for numbers), and a STRICT table takes only what fits. */
const asText = (column: string) => `coalesce(CAST(log.${column} AS text), '')`;
/** Sums that stay whole numbers, whatever is added up. */
const asWhole = (value: string) => `CAST(min(total(${value}), 1e15) AS integer)`;

const ADD = `INSERT INTO usage_days (
    day, provider_id, provider_name, model, provider_model, auth_key_id, style, currency,
    requests, attempts, successes, failures, gateway_errors,
    prompt_tokens, completion_tokens, total_tokens, cached_tokens, unmeasured, cost,
    response_ms, responses, last_used_ms
  )
  SELECT coalesce(date((coalesce(log.started_at_ms, ${NO_TIME_MS}) + ?2) / 1000, 'unixepoch'), '0001-01-01'),
    coalesce(log.provider_id, provider.id, 0), ${asText("provider_name")}, ${asText("name")},
    ${asText("provider_model")}, CAST(coalesce(log.auth_key_id, 0) AS integer), ${asText("style")},
    ${asText("currency")},
    sum(coalesce(log.retry, 0) = 0), count(*), sum(log.status IS 'success'),
    sum(log.status IS NOT 'success' AND log.status IS NOT 'running'), sum(log.status IS 'running'),
    ${asWhole("log.prompt_tokens")}, ${asWhole("log.completion_tokens")}, ${asWhole("log.total_tokens")},
    ${
  asWhole(`iif(json_valid(log.prompt_tokens_details),
      json_extract(log.prompt_tokens_details, '$.cached_tokens'), 0)`)
},
    sum(log.status IS 'success' AND coalesce(log.total_tokens, 0) = 0), total(log.cost),
    total(iif(log.status IS 'success',
      max(0, log.first_chunk_time + log.chunk_time - log.proxy_time), 0)) / 1000000,
    sum(log.status IS 'success'), max(0, max(coalesce(log.started_at_ms, 0)))
  FROM chat_logs AS log
  LEFT JOIN (SELECT min(id) AS id, name FROM providers WHERE deleted_at IS NULL GROUP BY name) AS provider
    ON provider.name = log.provider_name
  WHERE $which AND coalesce(log.started_at_ms, ${NO_TIME_MS}) >= ?3
    AND coalesce(log.started_at_ms, ${NO_TIME_MS}) < ?4
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, attempts = attempts + excluded.attempts,
    successes = successes + excluded.successes, failures = failures + excluded.failures,
    gateway_errors = gateway_errors + excluded.gateway_errors,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    total_tokens = total_tokens + excluded.total_tokens, cached_tokens = cached_tokens + excluded.cached_tokens,
    unmeasured = unmeasured + excluded.unmeasured, cost = cost + excluded.cost,
    response_ms = response_ms + excluded.response_ms, responses = responses + excluded.responses,
    last_used_ms = max(last_used_ms, excluded.last_used_ms)`;

/** A span in which the zone has one offset; the end is not part of it. */
interface OffsetSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs: number;
}

/**
 * Cuts time into spans of one offset each. SQLite knows no zones, but it can add an offset.
 *
 * @param days Those that matter, in days since the epoch, ascending. Between them an offset may be any.
 */
function spansOfOffset(format: TimeFormatter, days: readonly number[]): OffsetSpan[] {
  const spans: OffsetSpan[] = [];
  let fromMs = Number.MIN_SAFE_INTEGER;
  let offsetMs = offsetAt(format, (days[0] ?? 0) * DAY_MS);
  const change = (toMs: number, next: number) => {
    if (next === offsetMs) return;
    spans.push({ fromMs, toMs, offsetMs });
    [fromMs, offsetMs] = [toMs, next];
  };
  for (const day of days) {
    const [begin, end] = [day * DAY_MS, (day + 1) * DAY_MS];
    change(begin, offsetAt(format, begin));
    const next = offsetAt(format, end);
    if (next !== offsetMs) change(changeWithin(format, begin, end), next);
  }
  return [...spans, { fromMs, toMs: Number.MAX_SAFE_INTEGER, offsetMs }];
}

/** The first quarter of an hour that has the offset of the later end. */
function changeWithin(format: TimeFormatter, fromMs: number, toMs: number): number {
  const after = offsetAt(format, toMs);
  let [low, high] = [Math.floor(fromMs / QUARTER_MS), Math.ceil(toMs / QUARTER_MS)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(format, middle * QUARTER_MS) === after) high = middle;
    else low = middle;
  }
  return high * QUARTER_MS;
}

/** Milliseconds that the zone's clock is ahead of UTC. */
function offsetAt(format: TimeFormatter, epochMs: number): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(format(epochMs)) ?? [];
  return (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000 * (sign === "-" ? -1 : 1);
}
