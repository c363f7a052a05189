/** Kinds of fields that several resources have, with the messages of their refusals. @module */
import { z } from "@hono/zod-openapi";

/** Longest name of a provider, model or upstream model, in characters. */
const NAME_LIMIT = 255;
/** Longest free text, in characters. */
const TEXT_LIMIT = 10_000;

/** An error option that tells a missing field from a wrong one. */
export function must(be: string): { error: (issue: { input?: unknown }) => string } {
  return { error: (issue) => issue.input === undefined ? "is required" : `must be ${be}` };
}

/** A name: trimmed, not empty, one line. */
export function nameField(description: string) {
  return z.string(must("a string")).trim()
    .min(1, "must not be empty")
    .max(NAME_LIMIT, `must not be longer than ${NAME_LIMIT} characters`)
    .refine((text) => !/\p{Cc}/u.test(text), "must not contain control characters")
    .refine((text) => text.isWellFormed(), "must be well-formed Unicode")
    .openapi({ description });
}

/** Free text; null is the empty text. */
export function textField(description: string) {
  return z.string(must("a string")).max(TEXT_LIMIT, `must not be longer than ${TEXT_LIMIT} characters`)
    // SQLite ends a text at a NUL.
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be well-formed Unicode without NUL")
    .nullable().transform((text) => text ?? "")
    .openapi({ description });
}

/** A whole number within bounds. */
export function wholeField(min: number, max: number, description: string) {
  const error = must(`a whole number from ${min} to ${max}`);
  return z.int(error).min(min, error).max(max, error).openapi({ description });
}

/** The id of another row. */
export function idField(description: string) {
  const error = must("the id of an existing row, a whole number from 1 on");
  return z.int(error).min(1, error).openapi({ description });
}

/** A switch that older programs may have left NULL; null is off. */
export function flagField(description: string) {
  return z.boolean(must("true or false")).nullable().transform((flag) => flag ?? false).openapi({
    description,
  });
}

/** A price; null is 0. */
export function priceField(description: string) {
  const error = must("a number, 0 or greater");
  return z.number(error).min(0, error).nullable().transform((price) => price ?? 0).openapi({ description });
}

/** A link that the web UI shows, so no other scheme than http(s) may get in. */
export function linkField(description: string) {
  return textField(description).transform((text) => text.trim())
    .refine(
      (text) => text === "" || /^https?:\/\/[^/]/i.test(text) && URL.canParse(text),
      "must be an http or https URL",
    );
}
