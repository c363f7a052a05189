/** Token figures of an answer while they become known. @module */
import type { Usage } from "../protocols/protocol.ts";

/**
 * The newest known figures: vendors repeat running totals, so later values replace earlier ones and are never added
 * to them; a missing value never erases a known one.
 */
export function mergeUsage(known: Usage | null, latest: Usage): Usage {
  if (known === null) return latest;
  return {
    promptTokens: latest.promptTokens ?? known.promptTokens,
    completionTokens: latest.completionTokens ?? known.completionTokens,
    totalTokens: latest.totalTokens ?? known.totalTokens,
    cachedTokens: latest.cachedTokens ?? known.cachedTokens,
    audioTokens: latest.audioTokens ?? known.audioTokens,
  };
}

/** Figures as they stand in a row: what the vendor did not say is 0 there, and the source says so. */
export interface RecordedUsage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedTokens: number;
  audioTokens: number;
  usageSource: "measured" | "estimated" | "unknown";
}

/** The row's figures for what a vendor has reported. */
export function recordedUsage(usage: Usage | null): RecordedUsage {
  const promptTokens = usage?.promptTokens ?? 0;
  const completionTokens = usage?.completionTokens ?? 0;
  const measured = usage !== null && (usage.promptTokens !== null || usage.completionTokens !== null);
  return {
    promptTokens,
    completionTokens,
    totalTokens: usage?.totalTokens ?? promptTokens + completionTokens,
    cachedTokens: usage?.cachedTokens ?? 0,
    audioTokens: usage?.audioTokens ?? 0,
    usageSource: measured ? "measured" : "unknown",
  };
}
