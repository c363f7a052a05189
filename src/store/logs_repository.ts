/** Reads and writes table `chat_logs`. Lives in the workers. @module */
import {
  bit,
  finite,
  flag,
  integer,
  integerOrNull,
  jsonObject,
  real,
  type SqlRow,
  type SqlValue,
  text,
  time,
  whole,
} from "./columns.ts";
import type { Database } from "./database.ts";
import { logCount } from "./log_count.ts";
import type { LogFilter, LogInsert, LogOutcome, LogRow } from "./logs.ts";
import { conditionsOf, narrowed, spanOf } from "./logs_conditions.ts";
import { offsetOf } from "./page.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";
import { recordIo } from "./chat_io_repository.ts";
import { recordKeyUses } from "./key_use_recording.ts";
import { recordHours, trafficSince } from "./traffic_hours.ts";
import { recordUsage } from "./usage_recording.ts";

/** A column and what is written into it. */
type Column<Row> = readonly [name: string, value: (row: Row) => SqlValue];

/** What the end of an attempt writes. */
const OUTCOME: readonly Column<LogOutcome>[] = [
  ["status", (log) => log.status],
  ["outcome", (log) => log.outcome],
  ["status_code", (log) => whole(log.statusCode)],
  ["error", (log) => log.error],
  ["first_chunk_time", (log) => whole(log.firstChunkTimeNs)],
  ["chunk_time", (log) => whole(log.chunkTimeNs)],
  ["tps", (log) => finite(log.tps)],
  ["size", (log) => whole(log.size)],
  ["prompt_tokens", (log) => whole(log.promptTokens)],
  ["completion_tokens", (log) => whole(log.completionTokens)],
  ["total_tokens", (log) => whole(log.totalTokens)],
  ["prompt_tokens_details", tokenDetails],
  ["cache_write_tokens", (log) => whole(log.cacheWriteTokens)],
  ["reasoning_tokens", (log) => whole(log.reasoningTokens)],
  ["usage_source", (log) => log.usageSource],
  ["cost", (log) => finite(log.cost)],
  ["cost_source", (log) => log.costSource],
];

/** What the beginning of an attempt writes. */
const BEGINNING: readonly Column<LogInsert>[] = [
  ["started_at_ms", (log) => whole(log.startedAtMs)],
  ["name", (log) => log.name],
  ["trace_id", (log) => log.traceId],
  ["provider_id", (log) => log.providerId],
  ["provider_name", (log) => log.providerName],
  ["provider_model", (log) => log.providerModel],
  ["style", (log) => log.style],
  ["user_agent", (log) => log.userAgent],
  ["remote_ip", (log) => log.remoteIp],
  ["auth_key_id", (log) => whole(log.authKeyId)],
  ["session_id", (log) => log.sessionId],
  ["chat_io", (log) => bit(log.chatIo)],
  ["retry", (log) => whole(log.retry)],
  ["proxy_time", (log) => whole(log.proxyTimeNs)],
  ["input_price", (log) => finite(log.inputPrice)],
  ["cache_read_price", (log) => finite(log.cacheReadPrice)],
  ["output_price", (log) => finite(log.outputPrice)],
  ["currency", (log) => log.currency],
];

const INSERTED: readonly Column<LogInsert>[] = [...BEGINNING, ...OUTCOME];
const INSERT = `INSERT INTO chat_logs (created_at, updated_at, ${INSERTED.map(([name]) => name).join(", ")})
  VALUES (?, ?, ${INSERTED.map(() => "?").join(", ")})`;
const UPDATE = `UPDATE chat_logs SET updated_at = ?, ${OUTCOME.map(([name]) => `${name} = ?`).join(", ")}
  WHERE id = ?`;
const COLUMNS = ["id", "created_at", "updated_at", ...INSERTED.map(([name]) => name)]
  .map((name) => `log.${name}`).join(", ");

/** What a row says whose process was killed before the answer ended. */
const ABANDONED = "the gateway stopped before this answer ended";

/** The request log's calls of the store. */
export function logsRepository(session: Session): Synchronous<Store["logs"]> {
  const { database } = session;

  /** The newest rows that match. Their ids come from an index alone; whole rows are read only for the result. */
  const newest = (filter: LogFilter, limit: number, offset: number): LogRow[] => {
    const { where, values } = conditionsOf(database, filter, "walk");
    return database.all(
      `SELECT ${COLUMNS}, auth_keys.name AS key_name
       FROM (SELECT id FROM chat_logs WHERE ${where} ORDER BY id DESC LIMIT ? OFFSET ?) AS page
       JOIN chat_logs AS log ON log.id = page.id
       LEFT JOIN auth_keys ON auth_keys.id = log.auth_key_id AND auth_keys.deleted_at IS NULL
       ORDER BY log.id DESC`,
      ...values,
      limit,
      offset,
    ).map(toLogRow);
  };

  const totalOf = (filter: LogFilter): number => {
    if (Object.values(filter).every((value) => value === undefined)) return logCount(database);
    const { where, values } = conditionsOf(database, filter, "count");
    return integer(database.get(`SELECT count(*) AS n FROM chat_logs WHERE ${where}`, ...values)?.["n"]);
  };

  return {
    page: (filter, request) => {
      const offset = offsetOf(request);
      const within = narrowed(database, filter);
      const rows = within === null ? [] : newest(within, request.pageSize, offset);
      const { beforeId, ...all } = filter;
      // A page that is not full is the last one: nothing to count.
      if (beforeId === undefined && rows.length > 0 && rows.length < request.pageSize) {
        return { rows, total: offset + rows.length };
      }
      return { rows, total: totalOf(all) };
    },

    slice: (filter, limit) => newest(filter, limit, 0),
    span: (filter) => spanOf(database, filter),
    traffic: (sinceMs) => trafficSince(database, sinceMs),
    userAgents: () => userAgents(database),

    write: ({ inserts, updates, keyUses = [] }) => {
      const now = session.stamp();
      const ids = inserts.map((log) =>
        database.run(INSERT, session.format(log.startedAtMs), now, ...INSERTED.map(([, value]) => value(log)))
          .lastId
      );
      for (const log of updates) {
        database.run(UPDATE, now, ...OUTCOME.map(([, value]) => value(log)), log.id);
      }
      inserts.forEach(({ io }, i) => io === undefined ? undefined : recordIo(session, ids[i] ?? 0, io));
      for (const { id, io } of updates) if (io !== undefined) recordIo(session, id, io);
      recordEnds(session, [...inserts, ...updates]);
      recordKeyUses(session, inserts, keyUses);
      return ids;
    },

    latestOutcomes: ({ providerName, providerModel, modelName }) =>
      database.all(
        `SELECT status FROM chat_logs
         WHERE provider_name = ? AND provider_model = ? AND name = ? AND +deleted_at IS NULL
           AND status IS NOT 'running'
         ORDER BY id DESC LIMIT 10`,
        providerName,
        providerModel,
        modelName,
      ).map((row) => text(row["status"]) === "success").reverse(),

    // Not the provider's fault, so not one of its failures; `gateway_fault` counts against nobody.
    closeAbandoned: () => {
      // Only rows of our own have an outcome; those of older programs are in the daily figures since they were taken in.
      const own = database.all(
        `SELECT ${COLUMNS}, log.started_at_ms AS started, NULL AS key_name FROM chat_logs AS log
         WHERE log.status = 'running' AND log.outcome IS NOT NULL AND +log.deleted_at IS NULL`,
      );
      recordEnds(session, own.map(toAbandoned));
      return database.run(
        `UPDATE chat_logs SET updated_at = ?, status = 'error', outcome = 'gateway_fault', error = ?
         WHERE status = 'running' AND +deleted_at IS NULL`,
        session.stamp(),
        ABANDONED,
      ).changes;
    },
  };
}

/** Attempts that have ended belong in the figures too; those that still run are passed over. */
function recordEnds(session: Session, logs: readonly LogInsert[]): void {
  recordUsage(session, logs);
  recordHours(session, logs);
}

function tokenDetails(log: LogOutcome): string {
  return `{"cached_tokens":${whole(log.cachedTokens)},"audio_tokens":${whole(log.audioTokens)}}`;
}

/** A row whose attempt never ended, as it is counted. */
function toAbandoned(row: SqlRow): LogInsert {
  const startedAtMs = integer(row["started"]);
  return {
    ...toLogRow(row),
    startedAtMs,
    status: "error",
    outcome: "gateway_fault",
    usageSource: "unknown",
    costSource: "",
  };
}

function toLogRow(row: SqlRow): LogRow {
  const details = jsonObject(row["prompt_tokens_details"]);
  const authKeyId = integer(row["auth_key_id"]);
  return {
    id: integer(row["id"]),
    createdAt: time(row["created_at"]),
    updatedAt: time(row["updated_at"]),
    name: text(row["name"]),
    traceId: text(row["trace_id"]),
    providerId: integerOrNull(row["provider_id"]),
    providerName: text(row["provider_name"]),
    providerModel: text(row["provider_model"]),
    status: text(row["status"]),
    outcome: text(row["outcome"]),
    statusCode: integer(row["status_code"]),
    style: text(row["style"]),
    userAgent: text(row["user_agent"]),
    remoteIp: text(row["remote_ip"]),
    authKeyId,
    keyName: authKeyId === 0 ? "admin" : text(row["key_name"]),
    sessionId: text(row["session_id"]),
    chatIo: flag(row["chat_io"]),
    error: text(row["error"]),
    retry: integer(row["retry"]),
    proxyTimeNs: integer(row["proxy_time"]),
    firstChunkTimeNs: integer(row["first_chunk_time"]),
    chunkTimeNs: integer(row["chunk_time"]),
    tps: real(row["tps"]),
    size: integer(row["size"]),
    promptTokens: integer(row["prompt_tokens"]),
    completionTokens: integer(row["completion_tokens"]),
    totalTokens: integer(row["total_tokens"]),
    cachedTokens: count(details?.["cached_tokens"]),
    cacheWriteTokens: integer(row["cache_write_tokens"]),
    reasoningTokens: integer(row["reasoning_tokens"]),
    audioTokens: count(details?.["audio_tokens"]),
    inputPrice: real(row["input_price"]),
    cacheReadPrice: real(row["cache_read_price"]),
    outputPrice: real(row["output_price"]),
    currency: text(row["currency"]),
    usageSource: text(row["usage_source"]),
    cost: real(row["cost"]),
    costSource: text(row["cost_source"]),
  };
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : 0;
}

/** Every user agent that has a row, in alphabetical order. Steps from one to the next through their index. */
function userAgents(database: Database): string[] {
  return database.all(
    `WITH RECURSIVE agents (name) AS (
       SELECT min(user_agent) FROM chat_logs WHERE user_agent > ''
       UNION ALL
       SELECT (SELECT min(user_agent) FROM chat_logs WHERE user_agent > agents.name)
       FROM agents WHERE agents.name IS NOT NULL
     )
     SELECT name FROM agents WHERE name IS NOT NULL`,
  ).map((row) => text(row["name"]));
}
