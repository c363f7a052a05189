/** Token figures of the Messages API (https://docs.claude.com/en/api/messages#response-usage). @module */
import { asCount, asObject } from "../json_access.ts";
import type { Usage } from "../protocol.ts";

/**
 * The figures of one answer while they become known.
 *
 * Input is told in three parts that exclude each other, and a stream may tell one part in `message_start` and another
 * in `message_delta`; so the parts are kept, and their sum is made of what is known of each. All are running totals:
 * a later figure replaces an earlier one, and is never added to it. Null and missing say nothing, nor does a zero after
 * a real figure: relays put it where they do not know.
 */
export class UsageParts {
  #fresh: number | null = null;
  #cacheRead: number | null = null;
  #cacheWrite: number | null = null;
  #output: number | null = null;

  /** Takes the `usage` of an event or an answer. @returns all that is known now; `undefined` without a `usage` */
  take(value: unknown): Usage | undefined {
    const usage = asObject(value);
    if (usage === null) return undefined;
    this.#fresh = newer(this.#fresh, usage.input_tokens);
    this.#cacheRead = newer(this.#cacheRead, usage.cache_read_input_tokens);
    this.#cacheWrite = newer(this.#cacheWrite, usage.cache_creation_input_tokens);
    this.#output = newer(this.#output, usage.output_tokens);
    return this.#sum();
  }

  #sum(): Usage {
    const promptTokens = this.#fresh === null
      ? null
      : this.#fresh + (this.#cacheRead ?? 0) + (this.#cacheWrite ?? 0);
    const completionTokens = this.#output;
    return {
      promptTokens,
      completionTokens,
      totalTokens: promptTokens === null || completionTokens === null
        ? null
        : promptTokens + completionTokens,
      cachedTokens: this.#cacheRead,
      ...(this.#cacheWrite !== null && { cacheWriteTokens: this.#cacheWrite }),
      audioTokens: null,
    };
  }
}

/** The usage of a whole answer; `undefined` when it has none. */
export function messageUsage(usage: unknown): Usage | undefined {
  return new UsageParts().take(usage);
}

function newer(known: number | null, value: unknown): number | null {
  const count = asCount(value);
  return count === null || (count === 0 && known !== null) ? known : count;
}
