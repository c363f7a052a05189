/**
 * llmio's envelope: every answer is `{"code", "message", "data"}`, and `code` repeats the HTTP status.
 *
 * @module
 */
import type { Context } from "@hono/hono";
import { z } from "@hono/zod-openapi";

/** HTTP statuses that the admin API refuses with. */
export type FaultStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 500 | 502;

/** A refusal: thrown by a handler, answered in the envelope. */
export class Fault extends Error {
  override readonly name = "Fault";
  /** @param message What is wrong, where, and how to mend it; it is shown to the caller. */
  constructor(readonly status: FaultStatus, message: string) {
    super(message);
  }
}

/** Answers 200. Without `data` the member is absent, as the web UI expects of deletions. */
export function success(c: Context, data?: unknown): Response {
  return c.json({ code: 200, message: "success", ...(data === undefined ? {} : { data }) }, 200);
}

/** Answers a refusal. Internal failures carry their text twice, as llmio's clients read it. */
export function failure(c: Context, fault: Fault): Response {
  const { status, message } = fault;
  return c.json({ code: status, message, ...(status === 500 ? { error: message } : {}) }, status);
}

/** Schema of a successful answer. */
export function successSchema(data: z.ZodType | undefined): z.ZodType {
  const envelope = { code: z.literal(200), message: z.literal("success") };
  return data === undefined ? z.object(envelope) : z.object({ ...envelope, data });
}

/** Schema of a refusal. */
export const failureSchema: z.ZodType = z.object({
  code: z.int().openapi({ description: "The HTTP status again." }),
  message: z.string(),
  error: z.string().optional().openapi({ description: "The message again; only with 500." }),
}).openapi("Failure");
