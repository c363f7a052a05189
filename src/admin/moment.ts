/** Moments, epoch milliseconds inside, as the admin API shows them. @module */
import { z } from "@hono/zod-openapi";

/** Schema of {@linkcode momentOf}. */
export const momentSchema = z.iso.datetime().nullable();

/** A moment as RFC 3339 in UTC; `null` when there is none. */
export function momentOf(at: number | null | undefined): string | null {
  return typeof at === "number" ? new Date(at).toISOString() : null;
}
