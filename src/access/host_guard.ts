/**
 * Protection of a gateway that runs without a token.
 *
 * It listens on loopback only, but every web page that its user opens runs on the same machine. A page may send
 * requests to `http://localhost:7070` (then `Origin` names the page), and may make its own name resolve to 127.0.0.1
 * so that the browser takes it for the same origin (DNS rebinding; then `Host` holds the page's name). Both are
 * refused; programs that are not browsers send a loopback `Host` and no `Origin`.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from "@hono/hono";
import { type RefuseAccess, refuseAccess } from "./refusal.ts";

/** Whether a `Host` value (name or address, any port) means this machine and can mean nothing else. */
export function isLoopbackHost(host: string): boolean {
  const url = parseHost(host);
  if (url === null) return false;
  const name = url.hostname.replace(/\.$/, "");
  // RFC 6761, section 6.3: names under "localhost" are loopback everywhere.
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  if (/^127\.\d+\.\d+\.\d+$/.test(name)) return true;
  return name === "[::1]" || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(name);
}

/** Whether an `Origin` value is the very origin that was called: same scheme, host and port. */
export function isSameOrigin(origin: string, scheme: string, host: string): boolean {
  const called = parseHost(host, scheme);
  return called !== null && URL.canParse(origin) && new URL(origin).origin === called.origin;
}

/** What makes a request look like one that a foreign web page has caused. */
export interface ForeignCall {
  readonly code: "host_not_allowed" | "origin_not_allowed";
  readonly message: string;
}

/** What is foreign about a request; `null` = it comes from a program on this machine, or from the gateway's own page. */
export function foreignCall(request: Request): ForeignCall | null {
  const { protocol, host: called } = new URL(request.url);
  const host = request.headers.get("host") ?? called;
  if (!isLoopbackHost(host)) {
    return {
      code: "host_not_allowed",
      message: "Host is not a loopback name; call 127.0.0.1 or localhost, or set TOKEN to use other names",
    };
  }
  const origin = request.headers.get("origin");
  if (origin === null || isSameOrigin(origin, protocol, host)) return null;
  return {
    code: "origin_not_allowed",
    message: "Origin is foreign; set TOKEN to let other web pages use this gateway",
  };
}

/** Refuses, with 403, requests that a foreign web page may have caused. For use when no admin token is set. */
export function requireLoopbackHost(refuse: RefuseAccess = refuseAccess): MiddlewareHandler {
  return async function hostGuard(c: Context, next): Promise<Response | void> {
    const foreign = foreignCall(c.req.raw);
    return foreign === null ? await next() : refuse(c, 403, foreign.message);
  };
}

/** A `Host` value as a URL; `null` when it holds anything but a name and a port. */
function parseHost(host: string, scheme = "http:"): URL | null {
  if (!/^[^\s/?#@\\]+$/.test(host)) return null;
  return URL.parse(`${scheme}//${host}`);
}
