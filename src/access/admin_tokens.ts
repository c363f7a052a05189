/**
 * Who calls the admin API: the admin token itself, a named token, or this machine when there is no admin token.
 *
 * Named tokens open `/api` and `/metrics` alone, never the routes of clients.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from "@hono/hono";
import { every } from "@hono/hono/combine";
import { type AdminToken, parseBearer } from "./admin_token.ts";
import { requireLoopbackHost } from "./host_guard.ts";
import { hashKey } from "./key_text.ts";
import { type RefuseAccess, refuseAccess } from "./refusal.ts";

/** Somebody who was let in. */
export interface AdminCaller {
  /** `admin` for the admin token, the name of a named one, `local` for this machine without any. */
  readonly name: string;
  /** `read` = look at everything that shows no secret; `write` = change things too. */
  readonly scope: "read" | "write";
  /** Id of the named token; `null` = none was used. */
  readonly tokenId: number | null;
}

/** A named token, as far as the door needs it. */
export interface NamedToken {
  readonly id: number;
  readonly name: string;
  readonly scope: "read" | "write";
  /** SHA-256 of the token in hex. */
  readonly hash: string;
  /** Epoch milliseconds; `null` = never. */
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
}

/** What {@linkcode AdminTokens} works with. */
export interface AdminTokensOptions {
  /** Epoch milliseconds. */
  now(): number;
  /** Told that a token is in use, at most once a minute for each. Must not throw, and nobody waits for it. */
  onUse(id: number, atMs: number): void;
}

/** Names that callers without a named token have in the audit log. */
export const RESERVED_NAMES: readonly string[] = ["admin", "local", "system"];

const ADMIN: AdminCaller = { name: "admin", scope: "write", tokenId: null };
const LOCAL: AdminCaller = { name: "local", scope: "write", tokenId: null };
/** So long one note of a token's use stands for others, milliseconds. */
const NOTE_MS = 60_000;
const CALLER = "adminCaller";

/** The named tokens in force. */
export class AdminTokens {
  readonly #options: AdminTokensOptions;
  #byHash: ReadonlyMap<string, NamedToken> = new Map();
  /** When the use of each token was last noted. */
  #noted = new Map<number, number>();

  constructor(options: AdminTokensOptions) {
    this.#options = options;
  }

  /** Puts these in force, in place of all others. */
  use(tokens: readonly NamedToken[]): void {
    this.#byHash = new Map(tokens.map((token) => [token.hash, token]));
    this.#noted = new Map(
      tokens.map(({ id, lastUsedAtMs }) => [id, this.#noted.get(id) ?? lastUsedAtMs ?? -Infinity]),
    );
  }

  /**
   * Whose token a credential is; `null` = nobody's. The time that it takes tells nothing of a token: it is looked up
   * by its digest, and how a digest differs from another one says nothing of the texts.
   */
  find(credential: string): AdminCaller | "expired" | null {
    const token = this.#byHash.get(hashKey(credential));
    if (token === undefined) return null;
    const now = this.#options.now();
    if (token.expiresAtMs !== null && token.expiresAtMs <= now) return "expired";
    this.#note(token.id, now);
    return { name: token.name, scope: token.scope, tokenId: token.id };
  }

  #note(id: number, now: number): void {
    const last = this.#noted.get(id) ?? -Infinity;
    // A clock that was set back must not keep the note from being written.
    if (last <= now && now - last < NOTE_MS) return;
    this.#noted.set(id, now);
    this.#options.onUse(id, now);
  }
}

/** What opens the admin API. */
export interface AdminAccess {
  /** `null` = none is set; then only this machine may call. */
  readonly token: AdminToken | null;
  readonly adminTokens: AdminTokens;
}

/**
 * Lets a request through when its bearer credential is the admin token or a named one; answers 401 otherwise. Without
 * an admin token everybody on this machine is let in, and a named token still counts with its name and scope.
 */
export function requireAdmin(access: AdminAccess, refuse: RefuseAccess = refuseAccess): MiddlewareHandler {
  async function adminGuard(c: Context, next: () => Promise<void>): Promise<Response | void> {
    const caller = identify(c.req.header("authorization") ?? null, access);
    if (typeof caller !== "string") {
      c.set(CALLER, caller);
      return await next();
    }
    // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
    c.header("WWW-Authenticate", 'Bearer realm="llmio"');
    return refuse(c, 401, caller);
  }
  return access.token === null ? every(requireLoopbackHost(refuse), adminGuard) : adminGuard;
}

/** Who was let in. @throws when no guard has seen the request */
export function callerOf(c: Context): AdminCaller {
  const caller: AdminCaller | undefined = c.get(CALLER);
  if (caller === undefined) throw new Error("nobody has asked who calls");
  return caller;
}

/** The caller, or why there is none. */
function identify(header: string | null, { token, adminTokens }: AdminAccess): AdminCaller | string {
  const bearer = parseBearer(header);
  if (!bearer.ok) return token === null ? LOCAL : bearer.message;
  if (token?.matches(bearer.credential) === true) return ADMIN;
  const caller = adminTokens.find(bearer.credential);
  if (caller === "expired") return "Token has expired";
  return caller ?? (token === null ? LOCAL : "Invalid token");
}
