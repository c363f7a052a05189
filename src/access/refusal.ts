/** How a request that may not come in is answered. @module */
import type { Context } from "@hono/hono";

/** Answers a refused request; routes that speak a vendor's protocol bring their own. */
export type RefuseAccess = (c: Context, status: 401 | 403, message: string) => Response;

/** The refusal in llmio's envelope, as the admin API and its web UI speak it. */
export const refuseAccess: RefuseAccess = (c, status, message) => c.json({ code: status, message }, status);
