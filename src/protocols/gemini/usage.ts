/** Usage of Gemini answers (https://ai.google.dev/api/generate-content#UsageMetadata). @module */
import type { Usage } from "../protocol.ts";
import { asArray, asCount, asObject, asString, type JsonObject } from "../json_access.ts";

/** The counts of a `usageMetadata`, as the vendor states them; `null` = not stated. */
export interface Counts {
  readonly prompt: number | null;
  readonly toolUse: number | null;
  readonly candidates: number | null;
  readonly thoughts: number | null;
  readonly cached: number | null;
  readonly audio: number | null;
  readonly total: number | null;
}

/** The counts that an answer or an event carries; `null` when it carries none. */
export function countsOf(body: JsonObject): Counts | null {
  const usage = asObject(body.usageMetadata);
  return usage && {
    prompt: asCount(usage.promptTokenCount),
    toolUse: asCount(usage.toolUsePromptTokenCount),
    candidates: asCount(usage.candidatesTokenCount),
    thoughts: asCount(usage.thoughtsTokenCount),
    cached: asCount(usage.cachedContentTokenCount),
    audio: sum(audioOf(usage.promptTokensDetails), audioOf(usage.toolUsePromptTokensDetails)),
    // Relays write 0 where they know no total.
    total: asCount(usage.totalTokenCount) || null,
  };
}

/**
 * The newest counts: events repeat running figures, and leave out what has not changed. A total belongs to the other
 * counts of its event, so an older one says nothing about newer counts.
 */
export function laterCounts(known: Counts | null, latest: Counts): Counts {
  return {
    prompt: latest.prompt ?? known?.prompt ?? null,
    toolUse: latest.toolUse ?? known?.toolUse ?? null,
    candidates: latest.candidates ?? known?.candidates ?? null,
    thoughts: latest.thoughts ?? known?.thoughts ?? null,
    cached: latest.cached ?? known?.cached ?? null,
    audio: latest.audio ?? known?.audio ?? null,
    total: latest.total,
  };
}

/**
 * Counts in the gateway's terms.
 *
 * - Input = prompt, which holds the cached part, plus tool use: what tools that run at the vendor have found goes into
 *   the model and is paid as input, and Google counts it beside the prompt.
 * - Output = candidates + thoughts. One of them that is left out although the total (by definition the sum of all four)
 *   tells that there was more is taken from the total.
 */
export function usageOf(counts: Counts): Usage {
  const promptTokens = sum(counts.prompt, counts.toolUse);
  const completionTokens = outputOf(counts, promptTokens);
  return {
    promptTokens,
    completionTokens,
    totalTokens: counts.total ?? (completionTokens === null ? null : sum(promptTokens, completionTokens)),
    cachedTokens: counts.cached,
    ...(counts.thoughts !== null && { reasoningTokens: counts.thoughts }),
    audioTokens: counts.audio,
  };
}

function outputOf({ candidates, thoughts, total }: Counts, promptTokens: number | null): number | null {
  const stated = sum(candidates, thoughts);
  const isWhole = candidates !== null && thoughts !== null;
  if (isWhole || total === null || promptTokens === null || total < promptTokens) return stated;
  return Math.max(stated ?? 0, total - promptTokens);
}

/** The sum of what is known; `null` when nothing is. */
function sum(one: number | null, other: number | null): number | null {
  return one === null ? other : one + (other ?? 0);
}

function audioOf(details: unknown): number | null {
  return asArray(details).map(asObject)
    .filter((detail) => asString(detail?.modality).toUpperCase() === "AUDIO")
    .map((detail) => asCount(detail?.tokenCount))
    .reduce(sum, null);
}
