/** What the answers of the two Go programs look like: names and types of their members (compat/admin-api.md). @module */
import { z } from "zod";

const int = z.int();
const time = z.iso.datetime({ offset: true });
const nullableFlag = z.boolean().nullable();

/** What every row begins with. */
const row = { ID: int.min(1), CreatedAt: time, UpdatedAt: time, DeletedAt: z.null() };

/** Section 1.4. */
export function page(of: z.ZodType): z.ZodType {
  return z.object({ data: z.array(of), total: int, page: int, page_size: int, pages: int });
}

/** Section 4. */
export const provider = z.object({
  ...row,
  Name: z.string(),
  Type: z.string(),
  Config: z.string(),
  Console: z.string(),
  Proxy: z.string(),
  ErrorMatcher: z.string(),
});

export const listedModel = z.object({
  id: z.string(),
  object: z.string(),
  created: int,
  owned_by: z.string(),
});

/** Section 5. */
export const model = z.object({
  ...row,
  Name: z.string(),
  Remark: z.string(),
  MaxRetry: int,
  TimeOut: int,
  Strategy: z.string(),
  Breaker: nullableFlag,
  DisplayOrder: int,
});

/** Section 6. */
export const association = z.object({
  ...row,
  ModelID: int,
  ProviderModel: z.string(),
  ProviderID: int,
  ToolCall: nullableFlag,
  StructuredOutput: nullableFlag,
  Image: nullableFlag,
  WithHeader: nullableFlag,
  Status: nullableFlag,
  CustomerHeaders: z.record(z.string(), z.string()).nullable(),
  ExtraBody: z.record(z.string(), z.unknown()).nullable(),
  Weight: int,
  InputPrice: z.number().nullable(),
  CacheReadPrice: z.number().nullable(),
  OutputPrice: z.number().nullable(),
  Currency: z.enum(["CNY", "USD", ""]),
});

/** Section 7. The web UI reads `prompt_tokens_details.cached_tokens` unguarded and adds up the durations. */
export const log = z.object({
  ...row,
  Name: z.string(),
  TraceID: z.string().min(1),
  ProviderModel: z.string(),
  ProviderName: z.string(),
  Status: z.enum(["running", "success", "error"]),
  Style: z.enum(["openai", "openai-res", "anthropic", "gemini"]),
  UserAgent: z.string(),
  RemoteIP: z.string(),
  AuthKeyID: int,
  SessionID: z.string(),
  ChatIO: z.boolean(),
  Error: z.string(),
  Retry: int,
  ProxyTime: int,
  FirstChunkTime: int,
  ChunkTime: int,
  Tps: z.number(),
  Size: int,
  prompt_tokens: int,
  completion_tokens: int,
  total_tokens: int,
  prompt_tokens_details: z.object({ cached_tokens: int, audio_tokens: int }),
  input_price: z.number(),
  cache_read_price: z.number(),
  output_price: z.number(),
  currency: z.string(),
  key_name: z.string(),
});

export const cleanup = z.object({
  ...row,
  RetentionDays: int,
  DeletedCount: int,
  DurationMs: int,
  Source: z.enum(["manual", "scheduled"]),
  Type: z.enum(["count", "days"]),
});

/** Section 8. */
export const authKey = z.object({
  ...row,
  Name: z.string(),
  Key: z.string().min(1),
  Status: nullableFlag,
  IOLog: nullableFlag,
  AllowAll: nullableFlag,
  Models: z.array(z.string()).nullable(),
  ExpiresAt: time.nullable(),
  UsageCount: int,
  LastUsedAt: time.nullable(),
});

/** Section 9. */
export const setting = z.object({ key: z.string(), value: z.string() });

/** Section 11. */
export const health = z.object({
  provider_id: int,
  provider_name: z.string(),
  provider_type: z.string(),
  status: z.enum(["healthy", "degraded", "unhealthy", "unknown", "disabled"]),
  is_healthy: z.boolean(),
  response_time_ms: int,
  last_checked: time,
  last_success: time.optional(),
  next_retry_at: time.optional(),
  error_message: z.string().optional(),
  error_count: int,
  consecutive_successes: int,
  last_status_code: int.optional(),
  success_rate_24h: z.number(),
  total_requests_24h: int,
  avg_response_time_ms: z.number(),
});

export const healthConfig = z.object({
  ...row,
  ID: int,
  Enabled: z.boolean(),
  IntervalMinutes: int,
  MaxErrorCount: int,
  RetryAfterHours: int,
});

const top = {
  request_count: int,
  success_rate: z.number(),
  total_tokens: int,
  avg_response_time_ms: z.number(),
};

export const dashboard = z.object({
  total_providers: int,
  healthy_providers: int,
  total_models: int,
  total_requests_24h: int,
  success_requests_24h: int,
  failed_requests_24h: int,
  avg_response_time_ms: z.number(),
  total_tokens_24h: int,
  top_models: z.array(z.object({ model_name: z.string().min(1), ...top })).max(5),
  top_providers: z.array(z.object({ provider_name: z.string().min(1), ...top })).max(5),
});

export const realtime = z.object({
  requests_1h: int,
  success_rate_1h: z.number(),
  avg_response_time_1h: z.number(),
  timestamp: int,
});

export const smartRouting = z.object({
  enable_smart_routing: z.literal(true),
  success_rate_weight: z.literal(0.7),
  response_time_weight: z.literal(0.3),
  decay_threshold_hours: z.literal(24),
  min_weight: z.literal(1),
});

export const validation = z.object({
  valid: z.boolean(),
  error_message: z.string().optional(),
  models: z.array(z.string()).optional(),
  response_time_ms: int,
});

const sheet = z.object({
  total: int,
  imported: int,
  skipped: int,
  errors: z.array(z.object({ row: int, field: z.string(), error: z.string() })),
});

export const workbookImport = z.object({
  providers: sheet,
  models: sheet,
  associations: sheet,
  summary: z.object({ total_imported: int, total_skipped: int, total_errors: int }),
});

export const configDocument = z.object({
  providers: z.array(provider),
  models: z.array(model),
  model_providers: z.array(association),
  exported_at: time,
  version: z.string(),
});
