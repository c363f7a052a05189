/** How large a request is and may become, for limits that are checked before it is served. @module */
import { asObject } from "./json_access.ts";

/** Tokens that a request may use at most, roughly. */
export interface RequestSize {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The words of a request or an answer, and what else of it becomes tokens. */
export interface Words {
  readonly texts: readonly string[];
  /** Pictures and other files. */
  readonly files: number;
  /** Characters of the members' names; those of tools are words too. */
  readonly nameCharacters: number;
  /** Numbers in lists: where a vendor takes tokens in place of a text, each is one. */
  readonly listedNumbers: number;
}

/** The largest picture that vendors do not scale down. */
export const FILE_TOKENS = 1_600;
/** Text has more characters than that to a token in all languages with letters. */
const CHARACTERS_PER_TOKEN = 3;
/** A shorter text in the letters of base64 is a word. */
const LONG = 4_096;
/** Answers of requests that state no limit are rarely longer. */
const DEFAULT_OUTPUT_TOKENS = 4_096;
/** No vendor gives more, whatever a request states; what is reckoned from it stays finite. */
const MOST_OUTPUT_TOKENS = 10_000_000;
const MOST_ANSWERS = 128;

/** Reads the size of a request of any protocol. @param json all of its body */
export function requestSize(json: Record<string, unknown>): RequestSize {
  const { texts, files, nameCharacters, listedNumbers } = wordsOf(json);
  const characters = texts.reduce((sum, text) => sum + weight(text), nameCharacters);
  return {
    inputTokens: Math.ceil(characters / CHARACTERS_PER_TOKEN) + files * FILE_TOKENS + listedNumbers,
    outputTokens: Math.min(MOST_OUTPUT_TOKENS, (statedOutput(json) ?? DEFAULT_OUTPUT_TOKENS) * answers(json)),
  };
}

/** All texts in a body of any protocol. The few that are no words, such as its model's name, hardly count. */
export function wordsOf(body: unknown): Words {
  const texts: string[] = [];
  let files = 0, nameCharacters = 0, listedNumbers = 0;
  // What is still to be read; calls would end at some depth, and a body need not.
  const rest: unknown[] = [body];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value === "string") {
      if (isFile(value)) files++;
      else texts.push(value);
    } else if (Array.isArray(value)) {
      for (const each of value) {
        if (typeof each === "number") listedNumbers++;
        else rest.push(each);
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        nameCharacters += name.length;
        rest.push(each);
      }
    }
  }
  return { texts, files, nameCharacters, listedNumbers };
}

/** Base64, in a URL or alone if it is long. A text that only begins like it is none. */
function isFile(text: string): boolean {
  return text.startsWith("data:") ? !/\s/.test(text) : text.length > LONG && /^[\w+/=-]*$/.test(text);
}

/** A character beyond the alphabets can be a token of its own. */
function weight(text: string): number {
  let wide = 0;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x2e80) wide++;
  return text.length + wide * (CHARACTERS_PER_TOKEN - 1);
}

/** The largest limit that is stated: which one of several a vendor goes by is its own affair. */
function statedOutput(json: Record<string, unknown>): number | null {
  const config = configOf(json);
  return largest([
    json.max_completion_tokens,
    json.max_output_tokens,
    json.max_tokens,
    config.maxOutputTokens,
    config.max_output_tokens,
  ]);
}

/** Answers that are asked for at once. */
function answers(json: Record<string, unknown>): number {
  const config = configOf(json);
  const wanted = largest([json.n, json.best_of, config.candidateCount, config.candidate_count]);
  return Math.min(MOST_ANSWERS, wanted ?? 1);
}

/** The largest of what is a number above 0, as a whole one; `null` = nothing is. */
function largest(stated: readonly unknown[]): number | null {
  const numbers = stated.filter((each): each is number => Number.isFinite(each) && Number(each) > 0);
  return numbers.length === 0 ? null : Math.ceil(Math.max(...numbers));
}

function configOf(json: Record<string, unknown>): Record<string, unknown> {
  return asObject(json.generationConfig) ?? asObject(json.generation_config) ?? {};
}
