/** Who may call the client-facing routes, and with what credential. @module */
import { type AdminToken, parseBearer } from "../access/admin_token.ts";
import { isLoopbackHost, isSameOrigin } from "../access/host_guard.ts";
import type { GatewayError } from "../protocols/protocol.ts";

/** Why a request may not come in; `null` = it may. */
export type Refusal = Omit<GatewayError, "traceId"> | null;

/** A caller's credential, or what is wrong with it. */
export type Credential = { readonly ok: true; readonly credential: string } | {
  readonly ok: false;
  readonly message: string;
};

/** Finds the credential where a family of routes expects it. */
export type ReadCredential = (request: Request) => Credential;

/** `Authorization: Bearer …`, as OpenAI's clients send it. */
export const bearerCredential: ReadCredential = ({ headers }) => {
  const bearer = parseBearer(headers.get("authorization"));
  return bearer.ok ? bearer : {
    ok: false,
    message: `${bearer.message}; send "Authorization: Bearer <the gateway's token>"`,
  };
};

/** Checks a request for a client-facing route. */
export function admit(request: Request, token: AdminToken | null, read: ReadCredential): Refusal {
  if (token === null) return guardWithoutToken(request);
  const found = read(request);
  if (found.ok && token.matches(found.credential)) return null;
  return { status: 401, code: "invalid_api_key", message: found.ok ? "Invalid token" : found.message };
}

/** Without a token everybody on this machine may call, but no foreign web page (DESIGN.md, section 11). */
function guardWithoutToken(request: Request): Refusal {
  const host = request.headers.get("host") ?? new URL(request.url).host;
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
