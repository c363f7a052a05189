/** Usage of Responses answers (https://platform.openai.com/docs/api-reference/responses/object). @module */
import type { Usage } from "../protocol.ts";
import { asCount, asObject } from "../json_access.ts";

/** The usage of a response object; `undefined` when it carries none, as while it is in progress. */
export function responseUsage(response: Record<string, unknown>): Usage | undefined {
  const usage = asObject(response.usage);
  if (usage === null) return undefined;
  const details = asObject(usage.input_tokens_details);
  // Input includes cache reads and writes, output includes reasoning.
  const prompt = asCount(usage.input_tokens);
  const completion = asCount(usage.output_tokens);
  const written = asCount(details?.cache_write_tokens);
  const reasoning = asCount(asObject(usage.output_tokens_details)?.reasoning_tokens);
  return {
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: asCount(usage.total_tokens) ??
      (prompt !== null && completion !== null ? prompt + completion : null),
    cachedTokens: asCount(details?.cached_tokens),
    ...(written !== null && { cacheWriteTokens: written }),
    ...(reasoning !== null && { reasoningTokens: reasoning }),
    audioTokens: asCount(details?.audio_tokens),
  };
}
