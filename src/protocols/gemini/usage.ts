/** Usage of Gemini answers (https://ai.google.dev/api/generate-content#UsageMetadata). @module */
import type { Usage } from "../protocol.ts";
import { asArray, asCount, asObject, asString, type JsonObject } from "../json_access.ts";

/**
 * The usage that an answer or an event carries; `undefined` when it carries none.
 *
 * - Input = `promptTokenCount`, which holds the cached part, plus `toolUsePromptTokenCount`: what tools that run at the
 *   vendor have found goes into the model and is paid as input, and Google counts it beside the prompt.
 * - Output = `candidatesTokenCount` + `thoughtsTokenCount`. A part that is left out although the total tells that there
 *   was more (the total is defined as the sum of all four) is taken from the total.
 */
export function geminiUsage(body: JsonObject): Usage | undefined {
  const usage = asObject(body.usageMetadata);
  if (usage === null) return undefined;
  const promptTokens = sum(asCount(usage.promptTokenCount), asCount(usage.toolUsePromptTokenCount));
  const stated = sum(asCount(usage.candidatesTokenCount), asCount(usage.thoughtsTokenCount));
  // Relays write 0 where they know no total.
  const total = asCount(usage.totalTokenCount) || null;
  const rest = total !== null && promptTokens !== null && total >= promptTokens ? total - promptTokens : null;
  const completionTokens = stated === null || rest === null ? stated ?? rest : Math.max(stated, rest);
  return {
    promptTokens,
    completionTokens,
    totalTokens: total ?? sum(promptTokens, completionTokens),
    cachedTokens: asCount(usage.cachedContentTokenCount),
    audioTokens: sum(audioOf(usage.promptTokensDetails), audioOf(usage.toolUsePromptTokensDetails)),
  };
}

/** The sum of what is known; `null` when nothing is. */
function sum(one: number | null, other: number | null): number | null {
  return one === null ? other : one + (other ?? 0);
}

function audioOf(details: unknown): number | null {
  const counts = asArray(details).map(asObject)
    .filter((detail) => asString(detail?.modality).toUpperCase() === "AUDIO")
    .map((detail) => asCount(detail?.tokenCount));
  return counts.reduce(sum, null);
}
