/** Usage of what is neither a chat nor a response: embeddings, rankings, pictures, speech. @module */
import type { Usage } from "../protocol.ts";
import { asCount, asObject, type JsonObject } from "../json_access.ts";

/** The usage that an answer or event carries, under any of the names in use; `undefined` when it carries no tokens. */
export function sideUsage(body: JsonObject): Usage | undefined {
  const usage = asObject(body.usage) ?? cohereTokens(body);
  if (usage === null) return undefined;
  const completion = asCount(usage.completion_tokens) ?? asCount(usage.output_tokens);
  const total = asCount(usage.total_tokens);
  // Where only a total is told, as by rankers (https://api.jina.ai/redoc), all of it was read.
  const prompt = asCount(usage.prompt_tokens) ?? asCount(usage.input_tokens) ??
    (completion === null ? total : null);
  // Transcriptions are billed by the second where they are not by the token.
  if (prompt === null && completion === null) return undefined;
  const details = asObject(usage.prompt_tokens_details) ?? asObject(usage.input_tokens_details) ??
    asObject(usage.input_token_details);
  return {
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: total ?? (prompt ?? 0) + (completion ?? 0),
    cachedTokens: asCount(details?.cached_tokens),
    audioTokens: asCount(details?.audio_tokens),
  };
}

/** https://docs.cohere.com/reference/rerank */
function cohereTokens(body: JsonObject): JsonObject | null {
  return asObject(asObject(body.meta)?.tokens);
}
