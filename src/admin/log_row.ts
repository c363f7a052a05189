/** A row of the request log as the admin API shows it. @module */
import { z } from "@hono/zod-openapi";
import { withoutSecrets } from "../access/scrub.ts";
import type { LogRow } from "../store/logs.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const nanoseconds = z.int().openapi({ description: "Nanoseconds." });
const text = z.string();
const count = z.int();

/** Schema of {@linkcode logRow}: llmio's members in llmio's order, with its mixture of namings; the last ones are our own. */
export const logSchema = z.object({
  ...rowHeadShape,
  Name: text.openapi({ description: "The model that the client asked for." }),
  TraceID: text.openapi({ description: "The same for all attempts of one request." }),
  ProviderModel: text,
  ProviderName: text,
  Status: text.openapi({ description: "running, success or error." }),
  Style: text,
  UserAgent: text,
  RemoteIP: text,
  AuthKeyID: count.openapi({ description: "0 = admin token or no authentication." }),
  SessionID: text,
  ChatIO: z.boolean(),
  Error: text,
  Retry: count.openapi({ description: "Attempt index from 0." }),
  ProxyTime: nanoseconds,
  FirstChunkTime: nanoseconds,
  ChunkTime: nanoseconds,
  Tps: z.number(),
  Size: count.openapi({ description: "Bytes of the answer." }),
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count, audio_tokens: count }),
  input_price: z.number(),
  cache_read_price: z.number(),
  output_price: z.number(),
  currency: text,
  key_name: text,
  Outcome: text.openapi({ description: "completed, incomplete, client_gone or the failure class." }),
  StatusCode: count.openapi({ description: "HTTP status of the provider's answer; 0 = none." }),
  UsageSource: text.openapi({
    description: "measured, estimated, unknown, or empty in rows of older programs.",
  }),
  CacheWriteTokens: count.openapi({ description: "A part of the prompt tokens." }),
  ReasoningTokens: count.openapi({ description: "A part of the completion tokens." }),
  Cost: z.number().openapi({ description: "In the row's currency, at the prices of its time." }),
  CostSource: text.openapi({
    description: "association, list (the built-in price list) or empty: no price.",
  }),
}).openapi("Log");

/** Shows a row. */
export function logRow(row: LogRow): z.output<typeof logSchema> {
  return {
    ...rowHead(row),
    Name: row.name,
    TraceID: row.traceId,
    ProviderModel: row.providerModel,
    ProviderName: row.providerName,
    Status: row.status,
    Style: row.style,
    UserAgent: row.userAgent,
    RemoteIP: row.remoteIp,
    AuthKeyID: row.authKeyId,
    SessionID: row.sessionId,
    ChatIO: row.chatIo,
    // Older programs have stored what vendors said as it was.
    Error: withoutSecrets(row.error),
    Retry: row.retry,
    ProxyTime: row.proxyTimeNs,
    FirstChunkTime: row.firstChunkTimeNs,
    ChunkTime: row.chunkTimeNs,
    Tps: row.tps,
    Size: row.size,
    prompt_tokens: row.promptTokens,
    completion_tokens: row.completionTokens,
    total_tokens: row.totalTokens,
    prompt_tokens_details: { cached_tokens: row.cachedTokens, audio_tokens: row.audioTokens },
    input_price: row.inputPrice,
    cache_read_price: row.cacheReadPrice,
    output_price: row.outputPrice,
    currency: row.currency,
    key_name: row.keyName,
    Outcome: row.outcome,
    StatusCode: row.statusCode,
    UsageSource: row.usageSource,
    CacheWriteTokens: row.cacheWriteTokens,
    ReasoningTokens: row.reasoningTokens,
    Cost: row.cost,
    CostSource: row.costSource,
  };
}
