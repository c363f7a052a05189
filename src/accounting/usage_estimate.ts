/** Estimates the tokens of answers whose vendor told none. @module */
import type { Usage } from "../protocols/protocol.ts";
import { FILE_TOKENS, wordsOf } from "../protocols/request_size.ts";
import { estimateTokens } from "./token_estimate.ts";

/** So many characters stand for all of them: what a model says is much of a kind, and memory stays small. */
const SAMPLE_CHARACTERS = 2_048;

/** What a model has said in a stream: how much, and a sample of it. */
export class SaidText {
  #characters = 0;
  #sample: string[] = [];
  #sampled = 0;

  /** Takes the next piece. */
  add(text: string): void {
    this.#characters += text.length;
    if (this.#sampled >= SAMPLE_CHARACTERS) return;
    this.#sample.push(text);
    this.#sampled += text.length;
  }

  /** About how many tokens it has. */
  tokens(): number {
    if (this.#sampled === 0) return 0;
    return Math.ceil(estimateTokens(this.#sample.join("")) * this.#characters / this.#sampled);
  }
}

/** The usage of a stream by its request and by what was said in it. */
export function estimatedStreamUsage(request: unknown, said: SaidText): Usage {
  return usageOf(inputTokens(request), said.tokens());
}

/** The usage of a whole answer by its request and its body. */
export function estimatedUsage(request: unknown, answer: Uint8Array): Usage {
  return usageOf(inputTokens(request), estimateTokens(wordsOf(parsed(answer)).texts.join(" ")));
}

function inputTokens(request: unknown): number {
  const { texts, files } = wordsOf(request);
  return estimateTokens(texts.join(" ")) + files * FILE_TOKENS;
}

function usageOf(promptTokens: number, completionTokens: number): Usage {
  const totalTokens = promptTokens + completionTokens;
  return { promptTokens, completionTokens, totalTokens, cachedTokens: null, audioTokens: null };
}

function parsed(answer: Uint8Array): unknown {
  const text = new TextDecoder().decode(answer);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
