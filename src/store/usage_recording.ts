/** Adds finished attempts to the daily figures, in the transaction of their log rows. Lives in the worker. @module */
import type { LogInsert } from "./logs.ts";
import type { Session } from "./session.ts";
import { NO_USAGE, type UsageFigures } from "./usage.ts";

/** The figures of a group of attempts, and what the group has in common. */
interface Group {
  readonly day: string;
  readonly log: LogInsert;
  readonly figures: UsageFigures;
}

const FIGURES: readonly (readonly [column: string, field: keyof UsageFigures])[] = [
  ["requests", "requests"],
  ["attempts", "attempts"],
  ["successes", "successes"],
  ["failures", "failures"],
  ["caller_errors", "callerErrors"],
  ["cancelled", "cancelled"],
  ["limited", "limited"],
  ["gateway_errors", "gatewayErrors"],
  ["prompt_tokens", "promptTokens"],
  ["completion_tokens", "completionTokens"],
  ["total_tokens", "totalTokens"],
  ["cached_tokens", "cachedTokens"],
  ["cache_write_tokens", "cacheWriteTokens"],
  ["reasoning_tokens", "reasoningTokens"],
  ["estimated", "estimated"],
  ["unmeasured", "unmeasured"],
  ["cost", "cost"],
  ["response_ms", "responseMs"],
  ["responses", "responses"],
];

const ADD = `INSERT INTO usage_days
    (day, provider_id, provider_name, model, provider_model, auth_key_id, style, currency,
     ${FIGURES.map(([column]) => column).join(", ")}, last_used_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ${FIGURES.map(() => "?").join(", ")}, ?)
  ON CONFLICT DO UPDATE SET
    ${FIGURES.map(([column]) => `${column} = ${column} + excluded.${column}`).join(", ")},
    last_used_ms = max(last_used_ms, excluded.last_used_ms)`;

/**
 * Adds finished attempts to their days. A request belongs to the day on which it started, in the configured zone.
 * Rows that still run are passed over: they are added when they end.
 */
export function recordUsage(session: Session, logs: Iterable<LogInsert>): void {
  for (const group of groups(session, logs)) {
    const { day, log, figures } = group;
    session.database.run(
      ADD,
      day,
      log.providerId ?? 0,
      log.providerName,
      log.name,
      log.providerModel,
      log.authKeyId,
      log.style,
      log.currency,
      ...FIGURES.map(([, field]) => figures[field]),
      figures.lastUsedAtMs,
    );
    if (log.providerId !== null) addToProvider(session, group);
  }
}

/** A batch has few groups, so it needs few statements, however many rows it has. */
function groups(session: Session, logs: Iterable<LogInsert>): Iterable<Group> {
  const found = new Map<string, Group>();
  for (const log of logs) {
    if (log.status === "running") continue;
    const day = session.format(log.startedAtMs).slice(0, 10);
    const { providerId, providerName, name, providerModel, authKeyId, style, currency } = log;
    const key = JSON.stringify([
      day,
      providerId,
      providerName,
      name,
      providerModel,
      authKeyId,
      style,
      currency,
    ]);
    let group = found.get(key);
    if (group === undefined) {
      group = { day, log, figures: { ...NO_USAGE } };
      found.set(key, group);
    }
    add(group.figures, log);
  }
  return found.values();
}

function add(figures: UsageFigures, log: LogInsert): void {
  if (log.retry === 0) figures.requests++;
  figures.attempts++;
  figures[kindOf(log)]++;
  figures.promptTokens += log.promptTokens;
  figures.completionTokens += log.completionTokens;
  figures.totalTokens += log.totalTokens;
  figures.cachedTokens += log.cachedTokens;
  figures.cacheWriteTokens += log.cacheWriteTokens;
  figures.reasoningTokens += log.reasoningTokens;
  figures.cost += log.cost;
  figures.lastUsedAtMs = Math.max(figures.lastUsedAtMs, log.startedAtMs);
  if (log.status !== "success") return;
  if (log.usageSource === "estimated") figures.estimated++;
  if (log.usageSource === "unknown") figures.unmeasured++;
  figures.responseMs += responseMs(log);
  figures.responses++;
}

/** From the choice of the provider to the end of its answer, milliseconds. */
export function responseMs(log: LogInsert): number {
  return Math.max(0, log.firstChunkTimeNs + log.chunkTimeNs - log.proxyTimeNs) / 1_000_000;
}

type Kind = "successes" | "failures" | "callerErrors" | "cancelled" | "limited" | "gatewayErrors";

/** Every attempt is of exactly one kind. */
function kindOf(log: LogInsert): Kind {
  if (log.status === "success") return "successes";
  switch (log.outcome) {
    case "caller_fault":
      return "callerErrors";
    case "client_gone":
      return "cancelled";
    case "credential":
    case "quota":
    case "rate_limit":
    case "no_model":
      return "limited";
    case "overload":
    case "server":
    case "network":
    case "timeout":
    case "bad_answer":
      return "failures";
    default:
      return "gatewayErrors";
  }
}

const PROVIDER_DAY = "SELECT id FROM provider_usage_stats WHERE provider_id = ? AND date = ?";
const NEW_PROVIDER_DAY =
  "INSERT INTO provider_usage_stats (created_at, updated_at, provider_id, date) VALUES (?, ?, ?, ?)";
const ADD_TO_PROVIDER = `UPDATE provider_usage_stats SET
    updated_at = ?1,
    total_requests = coalesce(total_requests, 0) + ?2,
    success_requests = coalesce(success_requests, 0) + ?3,
    failed_requests = coalesce(failed_requests, 0) + ?4,
    total_tokens = coalesce(total_tokens, 0) + ?5,
    prompt_tokens = coalesce(prompt_tokens, 0) + ?6,
    completion_tokens = coalesce(completion_tokens, 0) + ?7,
    cached_tokens = coalesce(cached_tokens, 0) + ?8,
    caller_errors = coalesce(caller_errors, 0) + ?9,
    cancelled = coalesce(cancelled, 0) + ?10,
    cost_cny = coalesce(cost_cny, 0) + ?11,
    cost_usd = coalesce(cost_usd, 0) + ?12,
    avg_response_time = CASE WHEN coalesce(responses, 0) + ?13 = 0 THEN avg_response_time
      ELSE (coalesce(avg_response_time, 0) * coalesce(responses, 0) + ?14) / (coalesce(responses, 0) + ?13) END,
    responses = coalesce(responses, 0) + ?13,
    last_used_at = max(coalesce(last_used_at, ''), ?15)
  WHERE id = ?16`;

/** The fork's own table of providers and days, for the programs that read it. */
function addToProvider(session: Session, { day, log, figures }: Group): void {
  const { database } = session;
  const date = storedDay(session, day);
  const now = session.stamp();
  const id = database.get(PROVIDER_DAY, log.providerId, date)?.["id"] ??
    database.run(NEW_PROVIDER_DAY, now, now, log.providerId, date).lastId;
  database.run(
    ADD_TO_PROVIDER,
    now,
    figures.attempts,
    figures.successes,
    figures.failures,
    figures.totalTokens,
    figures.promptTokens,
    figures.completionTokens,
    figures.cachedTokens,
    figures.callerErrors,
    figures.cancelled,
    log.currency === "USD" ? 0 : figures.cost,
    log.currency === "USD" ? figures.cost : 0,
    figures.responses,
    figures.responseMs,
    session.format(figures.lastUsedAtMs),
    id,
  );
}

/** A day as the fork writes it: its midnight in UTC, told in the local zone (compat/schema.md, section 4). */
export function storedDay(session: Pick<Session, "format">, day: string): string {
  return session.format(Date.parse(`${day}T00:00:00Z`));
}

/** The columns of figures, for reports. */
export const USAGE_COLUMNS = FIGURES;
