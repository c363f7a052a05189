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

/** Refuses, with 403, requests that a foreign web page caused. For use when no admin token is set. */
export function requireLoopbackHost(refuse: RefuseAccess = refuseAccess): MiddlewareHandler {
  return async function hostGuard(c: Context, next): Promise<Response | void> {
    const url = new URL(c.req.url);
    const host = c.req.header("host") ?? url.host;
    if (!isLoopbackHost(host)) {
      return refuse(
        c,
        403,
        "Host is not a loopback name; call 127.0.0.1 or localhost, or set TOKEN to use other names",
      );
    }
    const origin = c.req.header("origin");
    if (origin !== undefined && !isSameOrigin(origin, url.protocol, host)) {
      return refuse(c, 403, "Origin is foreign; set TOKEN to let other web pages use this gateway");
    }
    return await next();
  };
}

/** A `Host` value as a URL; `null` when it holds anything but a name and a port. */
function parseHost(host: string, scheme = "http:"): URL | null {
  if (!/^[^\s/?#@\\]+$/.test(host)) return null;
  return URL.parse(`${scheme}//${host}`);
}
