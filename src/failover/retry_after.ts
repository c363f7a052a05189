/** Retry-After in all its spellings. @module */

import type { HeaderReader } from "./outcome.ts";

/** No provider's word is taken for longer than this, ms; cooldowns have tighter caps of their own. */
export const RETRY_AFTER_MAX_MS = 30 * 24 * 60 * 60_000;

/**
 * How long the provider wants to be left alone, ms: what it states, else what its rate-limit headers hint at. `null`
 * when there is nothing usable: absent, junk, zero, negative or in the past.
 *
 * @param body the parsed body; Gemini states its time there
 */
export function parseRetryAfter(headers: HeaderReader, body: unknown, now: number): number | null {
  return statedRetryAfter(headers, body, now) ?? rateLimitReset(headers, now);
}

/** The time that the provider states outright, ms: `retry-after-ms`, `retry-after`, or Gemini's RetryInfo. */
export function statedRetryAfter(headers: HeaderReader, body: unknown, now: number): number | null {
  return retryAfterHeader(headers, now) ?? retryInfo(body);
}

/** The time in `retry-after-ms` (OpenAI's and Azure's finer twin, which their SDKs prefer) or `retry-after`, ms. */
export function retryAfterHeader(headers: HeaderReader, now: number): number | null {
  const fine = usable(decimal(headers.get("retry-after-ms")));
  if (fine !== null) return fine;
  const value = headers.get("retry-after");
  if (value === null) return null;
  const seconds = decimal(value);
  if (seconds !== null) return usable(seconds * 1_000);
  const date = parseDate(value);
  return date === null ? null : usable(date - now);
}

/**
 * The time after which the limit resets, ms, by the headers that go with every answer of some vendors. A hint only:
 * they are there on answers that have nothing to do with a limit, so use it for rate limits alone.
 */
export function rateLimitReset(headers: HeaderReader, now: number): number | null {
  let exhausted: number | null = null;
  let shortest: number | null = null;
  for (const [resetName, remainingName] of RESET_HEADERS) {
    const waitMs = resetTime(headers.get(resetName), now);
    if (waitMs === null) continue;
    if (decimal(headers.get(remainingName)) === 0) exhausted = Math.max(exhausted ?? 0, waitMs);
    shortest = shortest === null ? waitMs : Math.min(shortest, waitMs);
  }
  return exhausted ?? shortest;
}

/** A reset header, and the one that says whether it matters. */
const RESET_HEADERS: readonly (readonly [string, string])[] = [
  // https://platform.openai.com/docs/guides/rate-limits: durations such as "1s" and "6m0s". Groq has the same.
  ["x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"],
  ["x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"],
  // https://docs.anthropic.com/en/api/rate-limits: RFC 3339 times.
  ["anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"],
  ["anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"],
  ["anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"],
  ["anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"],
  // OpenRouter: epoch milliseconds. Others: epoch seconds, or seconds from now.
  ["x-ratelimit-reset", "x-ratelimit-remaining"],
];

function resetTime(value: string | null, now: number): number | null {
  if (value === null) return null;
  const number = decimal(value);
  if (number === null) {
    const durationMs = parseDuration(value);
    if (durationMs !== null) return usable(durationMs);
    const date = parseDate(value);
    return date === null ? null : usable(date - now);
  }
  // A count of seconds since 1970 has ten digits, one of milliseconds thirteen; no wait is that long.
  if (number >= 1e12) return usable(number - now);
  return usable(number >= 1e9 ? number * 1_000 - now : number * 1_000);
}

/** Gemini's `google.rpc.RetryInfo` in `error.details`, ms. https://google.aip.dev/193 */
export function retryInfo(body: unknown): number | null {
  const error = field(Array.isArray(body) ? body[0] : body, "error");
  const details = field(error, "details");
  if (!Array.isArray(details)) return null;
  for (const detail of details) {
    const delay = field(detail, "retryDelay");
    if (typeof delay === "string") return usable(parseDuration(delay));
  }
  return null;
}

/**
 * "Please try again in 1.2s" in the text of an error inside a stream, where there are no headers to state it (OpenAI's
 * Responses). Ms.
 */
export function retryAfterInMessage(message: string): number | null {
  const match = /\btry again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)/i.exec(message);
  return usable(parseDuration(match?.[1] ?? ""));
}

/** A duration such as `120ms`, `1.5s`, `6m0s` or `1h2m3s`, ms; `null` when it is none. */
export function parseDuration(text: string): number | null {
  const value = text.trim().toLowerCase();
  if (!/^(?:\d{1,15}(?:\.\d{1,15})?(?:ms|s|m|h|d))+$/.test(value)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of value.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * unitMs(unit);
  }
  return totalMs;
}

function unitMs(unit: string | undefined): number {
  switch (unit) {
    case "ms":
      return 1;
    case "s":
      return 1_000;
    case "m":
      return 60_000;
    case "h":
      return 3_600_000;
    default:
      return 86_400_000;
  }
}

/** Plain decimals only: `Number` would also take "", "0x10" and "1e9". */
function decimal(value: string | null): number | null {
  const text = value?.trim() ?? "";
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : null;
}

const DATE_FORMS: readonly RegExp[] = [
  // The three forms of RFC 9110, section 5.6.7 ...
  /^[a-z]{3}, \d{2} [a-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/i,
  /^[a-z]{6,9}, \d{2}-[a-z]{3}-\d{2} \d{2}:\d{2}:\d{2} GMT$/i,
  /^[a-z]{3} [a-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/i,
  // ... and RFC 3339.
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/i,
];

/** Epoch ms. `Date.parse` alone would read a date into almost anything ("abc 5" is in May 2001). */
function parseDate(value: string): number | null {
  const text = value.trim();
  const form = DATE_FORMS.findIndex((each) => each.test(text));
  if (form < 0) return null;
  // The asctime form has no zone; HTTP dates are always GMT.
  const date = Date.parse(form === 2 ? `${text} GMT` : text);
  return Number.isNaN(date) ? null : date;
}

function usable(ms: number | null): number | null {
  return ms !== null && ms > 0 ? Math.min(Math.ceil(ms), RETRY_AFTER_MAX_MS) : null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
