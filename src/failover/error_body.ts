/** What a provider says in an error body, whatever its protocol: names to look up, and a text. @module */

import type { StatedError } from "./outcome.ts";

/** An error as its provider worded it. */
export interface ReadError {
  /** Every machine-readable name in it (codes, types, reasons), in lower case. Empty = unstructured. */
  readonly names: ReadonlySet<string>;
  /** The text for people, `""` when there is none. */
  readonly message: string;
  /** The HTTP status that the error says it stands for, if any. */
  readonly status: number | null;
  /** Gemini says that a limit counted by the day is used up. */
  readonly dailyQuota: boolean;
}

/**
 * Reads an error body of any protocol. The shapes are few and do not contradict each other, and many providers speak
 * one protocol with the errors of another, so the protocol is not asked for.
 *
 * - OpenAI: `{"error": {"message", "type", "param", "code"}}`; Azure adds `innererror.code`
 * - Anthropic: `{"type": "error", "error": {"type", "message"}}`
 * - Gemini: `{"error": {"code", "message", "status", "details": [...]}}`, in streams inside an array
 * - Mistral, vLLM and others: the same fields without `error` around them; xAI: `error` is the text itself
 */
export function readErrorBody(body: unknown): ReadError {
  const top = Array.isArray(body) ? body[0] : body;
  const error = get(top, "error");
  const inner = isObject(error) ? error : top;
  const reader = new NameReader();
  reader.read(inner);
  if (isObject(error)) reader.add(get(top, "code"));
  const message = text(get(inner, "message")) ?? text(error) ?? text(get(top, "detail")) ?? "";
  return { names: reader.names, message, status: reader.status, dailyQuota: reader.dailyQuota };
}

/** Reads an error that was stated inside an answer. */
export function readStatedError(error: StatedError): ReadError {
  const reader = new NameReader();
  reader.add(error.code);
  reader.add(error.type);
  const stated = error.status ?? null;
  return {
    names: reader.names,
    message: error.message ?? "",
    status: stated ?? reader.status,
    dailyQuota: false,
  };
}

/** Collects the names. */
class NameReader {
  readonly names = new Set<string>();
  status: number | null = null;
  dailyQuota = false;

  read(error: unknown): void {
    for (const name of ["code", "type", "status"]) this.add(get(error, name));
    this.add(get(get(error, "innererror"), "code"));
    const details = get(error, "details");
    if (Array.isArray(details)) { for (const detail of details) this.#readDetail(detail); }
    // OpenRouter's moderation has no code of its own: 403 with the reasons in `metadata`.
    // https://openrouter.ai/docs/api-reference/errors
    if (Array.isArray(get(get(error, "metadata"), "reasons"))) this.add("metadata.reasons");
  }

  add(value: unknown): void {
    // `"type": "error"` is Anthropic's envelope (and Mistral's "object"), no name of an error.
    if (typeof value === "string" && /\D/.test(value)) this.names.add(value.toLowerCase());
    else if (typeof value === "string" && value !== "") this.#addNumber(Number(value), value);
    else if (typeof value === "number") this.#addNumber(value, String(value));
  }

  #addNumber(value: number, name: string): void {
    if (value >= 300 && value < 600) this.status ??= value;
    // A vendor's own number ("1113") is a name.
    else this.names.add(name);
  }

  #readDetail(detail: unknown): void {
    this.add(get(detail, "reason"));
    // "Gemini25ProRequestsPerDay"
    if (isDaily(get(get(detail, "metadata"), "quota_limit"))) this.dailyQuota = true;
    const violations = get(detail, "violations");
    if (!Array.isArray(violations)) return;
    // "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    if (violations.some((each) => isDaily(get(each, "quotaId")))) this.dailyQuota = true;
  }
}

function isDaily(quota: unknown): boolean {
  return /perday/i.test(text(quota) ?? "");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function get(value: unknown, name: string): unknown {
  return isObject(value) ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
