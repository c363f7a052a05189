/** Token figures of an answer while they become known. @module */
import type { Usage } from "../protocols/protocol.ts";

/**
 * The newest known figures: vendors repeat running totals, so later values replace earlier ones and are never added
 * to them; a missing value never erases a known one.
 */
export function mergeUsage(known: Usage | null, latest: Usage): Usage {
  if (known === null) return latest;
  const cacheWriteTokens = latest.cacheWriteTokens ?? known.cacheWriteTokens;
  const reasoningTokens = latest.reasoningTokens ?? known.reasoningTokens;
  return {
    promptTokens: latest.promptTokens ?? known.promptTokens,
    completionTokens: latest.completionTokens ?? known.completionTokens,
    totalTokens: latest.totalTokens ?? known.totalTokens,
    cachedTokens: latest.cachedTokens ?? known.cachedTokens,
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    audioTokens: latest.audioTokens ?? known.audioTokens,
  };
}

/** Figures as they stand in a row: what the vendor did not say is 0 there, and the source says so. */
export interface RecordedUsage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedTokens: number;
  cacheWriteTokens: number;
  reasoningTokens: number;
  audioTokens: number;
  usageSource: "measured" | "estimated" | "unknown";
}

/** The row's figures for what a vendor has reported, or for what has been estimated in its place. */
export function recordedUsage(usage: Usage | null, estimated = false): RecordedUsage {
  const promptTokens = usage?.promptTokens ?? 0;
  const completionTokens = usage?.completionTokens ?? 0;
  const measured = usage !== null && (usage.promptTokens !== null || usage.completionTokens !== null);
  return {
    promptTokens,
    completionTokens,
    totalTokens: usage?.totalTokens ?? promptTokens + completionTokens,
    cachedTokens: usage?.cachedTokens ?? 0,
    cacheWriteTokens: usage?.cacheWriteTokens ?? 0,
    reasoningTokens: usage?.reasoningTokens ?? 0,
    audioTokens: usage?.audioTokens ?? 0,
    usageSource: !measured ? "unknown" : estimated ? "estimated" : "measured",
  };
}
