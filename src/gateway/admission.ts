/** Who may call the client-facing routes, and with what credential. @module */
import { type AdminToken, parseBearer } from "../access/admin_token.ts";
import { isLoopbackHost, isSameOrigin } from "../access/host_guard.ts";
import type { GatewayError } from "../protocols/protocol.ts";

/** Why a request may not come in; `null` = it may. */
export type Refusal = Omit<GatewayError, "traceId"> | null;

/** Checks a request for the OpenAI routes, whose credential is `Authorization: Bearer …`. */
export function admitBearer(request: Request, token: AdminToken | null): Refusal {
  if (token === null) return guardWithoutToken(request);
  const bearer = parseBearer(request.headers.get("authorization"));
  if (bearer.ok && token.matches(bearer.credential)) return null;
  const message = bearer.ok
    ? "Invalid token"
    : `${bearer.message}; send "Authorization: Bearer <the gateway's token>"`;
  return { status: 401, code: "invalid_api_key", message };
}

/** Without a token everybody on this machine may call, but no foreign web page (DESIGN.md, section 11). */
function guardWithoutToken(request: Request): Refusal {
  const host = request.headers.get("host") ?? "";
  if (!isLoopbackHost(host)) {
    return {
      status: 403,
      code: "host_not_allowed",
      message: "Host is not a loopback name; call 127.0.0.1 or localhost, or set TOKEN to use other names",
    };
  }
  const origin = request.headers.get("origin");
  if (origin === null || isSameOrigin(origin, "http:", host)) return null;
  return {
    status: 403,
    code: "origin_not_allowed",
    message: "Origin is foreign; set TOKEN to let other web pages use this gateway",
  };
}
