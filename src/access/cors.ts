/**
 * CORS for the client API: which web pages may read its answers.
 *
 * Credentials are headers that the page sets itself, so cookies never count and `access-control-allow-credentials` is
 * never sent. A preflight carries no credential and is answered here, before anything is asked for one.
 *
 * @module
 */
import type { MiddlewareHandler } from "@hono/hono";
import { cors } from "@hono/hono/cors";

/** How long a browser may remember a preflight's answer, in seconds. Chromium keeps none longer. */
const MAX_AGE_SECONDS = 7_200;

/**
 * What a page may read beyond the few headers that every page may. `*` covers all for browsers that know it; the
 * names are for those that do not.
 */
const EXPOSED = [
  "*",
  "retry-after",
  "request-id",
  "x-request-id",
  "x-llmio-trace-id",
  "x-llmio-provider",
  "x-llmio-attempts",
  "x-llmio-estimated",
  "openai-processing-ms",
  ...["requests", "tokens"].flatMap((what) =>
    ["limit", "remaining", "reset"].flatMap((figure) => [
      `x-ratelimit-${figure}-${what}`,
      `anthropic-ratelimit-${what}-${figure}`,
    ])
  ),
];

/**
 * Lets pages of the given origins call the routes behind it; every answer to them says so, refusals too.
 *
 * @param origins as browsers write them, e.g. `https://app.example.com` or `app://obsidian.md`; `*` = all
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  const answer = cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "POST", "DELETE"],
    exposeHeaders: EXPOSED,
    maxAge: MAX_AGE_SECONDS,
  });
  return async function crossOrigin(c, next): Promise<Response | void> {
    // An OPTIONS request that asks for no permission is none of a browser's preflights.
    const isPreflight = c.req.header("access-control-request-method") !== undefined;
    if (c.req.method === "OPTIONS" && !isPreflight) return await next();
    return await answer(c, next);
  };
}
