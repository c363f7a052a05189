/** Who may call the client-facing routes, and with what credential. @module */
import { type AdminToken, parseBearer } from "../access/admin_token.ts";
import type { ClientKey, ClientKeys } from "../access/client_keys.ts";
import { foreignCall } from "../access/host_guard.ts";
import type { GatewayError } from "../protocols/protocol.ts";

/** What opens the client-facing routes. */
export interface ClientAccess {
  /** `null` = no token is set. */
  readonly token: AdminToken | null;
  readonly keys: ClientKeys;
}

/** Why a request may not come in. */
export type Refusal = Omit<GatewayError, "traceId">;

/** Who calls, or why they may not. */
export type Admission =
  /** `key` is `null` for the admin, and for everybody on this machine when no token is set. */
  | { readonly ok: true; readonly key: ClientKey | null }
  | { readonly ok: false; readonly refusal: Refusal };

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
    message: `${bearer.message}; send "Authorization: Bearer <a key of this gateway>"`,
  };
};

const ADMIN: Admission = { ok: true, key: null };

/**
 * Checks a request for a client-facing route: the admin token opens everything, a client's key what it is meant for.
 * Without an admin token everybody on this machine is let in; a key that is known is then still taken for itself, so
 * that its limits hold and its use is counted.
 */
export function admit(request: Request, { token, keys }: ClientAccess, read: ReadCredential): Admission {
  // Without a token everybody on this machine may call, but no foreign web page (DESIGN.md, section 11).
  const foreign = token === null ? foreignCall(request) : null;
  if (foreign !== null) return { ok: false, refusal: { status: 403, ...foreign } };
  const found = read(request);
  if (!found.ok) return token === null ? ADMIN : unauthorized(found.message);
  if (token?.matches(found.credential) === true) return ADMIN;
  const known = keys.find(found.credential);
  if (known.ok) return known;
  if (known.reason === "expired") return unauthorized("Token has expired");
  return token === null ? ADMIN : unauthorized("Invalid token");
}

function unauthorized(message: string): Admission {
  return { ok: false, refusal: { status: 401, code: "invalid_api_key", message } };
}
