/** How large a request is and may become, for limits that are checked before it is served. @module */
import { asObject } from "./json_access.ts";

/** Tokens that a request may use at most, roughly. */
export interface RequestSize {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The words of a request or an answer, and how many pictures and files it holds. */
export interface Words {
  readonly texts: readonly string[];
  readonly files: number;
}

/** The largest picture that vendors do not scale down. */
export const FILE_TOKENS = 1_600;
/** Text has more characters than that to a token in all languages with letters. */
const CHARACTERS_PER_TOKEN = 3;
/** A text without a space in its first part is a picture or a file in base64, if it is long. */
const LONG = 4_096;
const LOOKED_AT = 256;
/** Answers of requests that state no limit are rarely longer. */
const DEFAULT_OUTPUT_TOKENS = 4_096;
/** Nothing that a vendor takes is nested deeper. */
const MAX_DEPTH = 64;

/** Reads the size of a request of any protocol. */
export function requestSize(json: Record<string, unknown>): RequestSize {
  const { texts, files } = wordsOf(json);
  const characters = texts.reduce((sum, text) => sum + weight(text), 0);
  return {
    inputTokens: Math.ceil(characters / CHARACTERS_PER_TOKEN) + files * FILE_TOKENS,
    outputTokens: (statedOutput(json) ?? DEFAULT_OUTPUT_TOKENS) * answers(json),
  };
}

/** All texts in a body of any protocol. The few that are no words, such as its model's name, hardly count. */
export function wordsOf(body: unknown): Words {
  const words = { texts: [] as string[], files: 0 };
  collect(body, words, 0);
  return words;
}

function collect(value: unknown, words: { texts: string[]; files: number }, depth: number): void {
  if (typeof value === "string") {
    if (isFile(value)) words.files++;
    else words.texts.push(value);
  } else if (typeof value === "object" && value !== null && depth < MAX_DEPTH) {
    for (const each of Object.values(value)) collect(each, words, depth + 1);
  }
}

function isFile(text: string): boolean {
  return text.startsWith("data:") || text.length > LONG && /^[\w+/=-]*$/.test(text.slice(0, LOOKED_AT));
}

/** A character beyond the alphabets can be a token of its own. */
function weight(text: string): number {
  let wide = 0;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x2e80) wide++;
  return text.length + wide * (CHARACTERS_PER_TOKEN - 1);
}

function statedOutput(json: Record<string, unknown>): number | null {
  const config = configOf(json);
  const stated = [
    json.max_completion_tokens,
    json.max_output_tokens,
    json.max_tokens,
    config.maxOutputTokens,
    config.max_output_tokens,
  ].find((each) => typeof each === "number" && each > 0 && Number.isFinite(each));
  return typeof stated === "number" ? Math.ceil(stated) : null;
}

/** Answers that are asked for at once. */
function answers(json: Record<string, unknown>): number {
  const config = configOf(json);
  const n = json.n ?? config.candidateCount ?? config.candidate_count;
  return typeof n === "number" && n > 1 && n <= 128 ? Math.ceil(n) : 1;
}

function configOf(json: Record<string, unknown>): Record<string, unknown> {
  return asObject(json.generationConfig) ?? asObject(json.generation_config) ?? {};
}
