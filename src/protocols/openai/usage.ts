/** Usage of Chat Completions answers (https://platform.openai.com/docs/api-reference/chat/object). @module */
import type { Usage } from "../protocol.ts";
import { asCount, asObject } from "../json_access.ts";

/** The usage that an answer or a chunk carries; `undefined` when it carries none. */
export function chatUsage(body: Record<string, unknown>): Usage | undefined {
  const usage = asObject(body.usage);
  if (usage === null) return undefined;
  const details = asObject(usage.prompt_tokens_details);
  const prompt = asCount(usage.prompt_tokens);
  const completion = asCount(usage.completion_tokens);
  const reasoning = asCount(asObject(usage.completion_tokens_details)?.reasoning_tokens);
  return {
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: asCount(usage.total_tokens) ??
      (prompt !== null && completion !== null ? prompt + completion : null),
    // DeepSeek reports cache reads beside the input: https://api-docs.deepseek.com/guides/kv_cache
    cachedTokens: asCount(details?.cached_tokens) ?? asCount(usage.prompt_cache_hit_tokens),
    ...(reasoning !== null && { reasoningTokens: reasoning }),
    audioTokens: asCount(details?.audio_tokens),
  };
}
