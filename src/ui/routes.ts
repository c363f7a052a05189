/**
 * The web UI: a folder of static files at `/`, with the page `index.html` for every path that the UI draws itself.
 *
 * The files hold no secrets and need no token; the page asks for the token and sends it to the admin API. Without a
 * token the guard against foreign pages stands before the files too, so that a page under a foreign name is told why
 * nothing works, and is not shown a UI whose every call is refused.
 *
 * @module
 */
import { type Context, Hono } from "@hono/hono";
import { serveStatic } from "@hono/hono/serve-static";
import { getMimeType } from "@hono/hono/utils/mime";
import type { AdminToken } from "../access/admin_token.ts";
import { requireLoopbackHost } from "../access/host_guard.ts";
import { openWithin } from "./folder.ts";

/** What the routes need. */
export interface UiOptions {
  /** The folder; it may be replaced while the server runs. */
  readonly folder: string;
  /** `null` = none is set. */
  readonly token: AdminToken | null;
}

/** First parts of paths that are the gateway's: there is never a file there, and an unknown path stays an error. */
const GATEWAY_PATHS: readonly string[] = [
  "api",
  "v1",
  "v1beta",
  "openai",
  "anthropic",
  "gemini",
  "metrics",
  "healthz",
  "readyz",
];

/** Bundlers put what the page loads here; what is not there is no page. */
const ASSETS = "/assets/";

/** A file named after its contents, e.g. `assets/index-DyyUqIXJ.js`: a hash has a digit or a capital letter. */
const HASHED = /[-.](?=[\w-]*[\dA-Z])[\w-]{6,}\.\w+$/;

/** One year, the longest that caches keep anything, in seconds. */
const FOREVER_SECONDS = 31_536_000;

/**
 * What the page may load. The original UI fetches its font and asks GitHub for its latest release; both fail without
 * harm where there is no Internet. Charts and toasts style themselves inline.
 */
const POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline' https://fonts.googleapis.com",
  "font-src 'self' data: https://fonts.gstatic.com",
  "img-src 'self' data: blob:",
  "connect-src 'self' https://api.github.com",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** On every file: an SVG that is opened by itself is a page too. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
};

/** An app that answers GET and HEAD of files and pages, and leaves everything else to the next. */
export function uiRoutes({ folder, token }: UiOptions): Hono {
  const app = new Hono();
  for (const first of GATEWAY_PATHS) app.get(`/${first}/*`, (c) => c.notFound());
  if (token === null) app.get("*", requireLoopbackHost());
  // The library decodes the path, once, and refuses what could leave the folder in any spelling.
  app.get("*", serveStatic({ root: "", getContent: (path, c) => fileAnswer(c, folder, path) }));
  app.get("*", async (c, next) => {
    if (!isPageRequest(c)) return await next();
    const page = await fileAnswer(c, folder, "/");
    page?.headers.append("vary", "accept");
    return page ?? await next();
  });
  return app;
}

/** Whether somebody opens a page that the UI draws itself; scripts and pictures never say that they take HTML. */
function isPageRequest(c: Context): boolean {
  return !c.req.path.startsWith(ASSETS) && /\btext\/html\b/i.test(c.req.header("accept") ?? "");
}

async function fileAnswer(c: Context, folder: string, path: string): Promise<Response | null> {
  const opened = await openWithin(folder, path);
  if (opened === null) return null;
  const { file, sizeBytes, changedAt } = opened;
  const tag = `W/"${sizeBytes.toString(36)}-${changedAt.getTime().toString(36)}"`;
  const headers = new Headers({
    ...SECURITY_HEADERS,
    etag: tag,
    "last-modified": changedAt.toUTCString(),
    "cache-control": isHashed(path) ? `public, max-age=${FOREVER_SECONDS}, immutable` : "no-cache",
  });
  if (isFresh(c, tag, changedAt)) {
    file.close();
    return new Response(null, { status: 304, headers });
  }
  headers.set("content-type", getMimeType(opened.path) ?? "application/octet-stream");
  headers.set("content-length", String(sizeBytes));
  if (c.req.method !== "HEAD") return new Response(file.readable, { headers });
  file.close();
  return new Response(null, { headers });
}

function isHashed(path: string): boolean {
  return path.startsWith(ASSETS) && HASHED.test(path);
}

/** Whether the client has this very file (RFC 9110, section 13.2.2: a tag that it sends makes its date void). */
function isFresh(c: Context, tag: string, changedAt: Date): boolean {
  const tags = c.req.header("if-none-match");
  if (tags !== undefined) return tags.split(",").some((each) => each.trim() === tag || each.trim() === "*");
  const since = Date.parse(c.req.header("if-modified-since") ?? "");
  // The header has whole seconds.
  return Math.floor(changedAt.getTime() / 1000) * 1000 <= since;
}
