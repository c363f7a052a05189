/** The routes about responses that were made before: each goes to the provider that made it. @module */
import type { Context, Hono, Next } from "@hono/hono";
import { responsesDialect } from "../protocols/responses/errors.ts";
import {
  STORED_RESPONSE_CALLS,
  storedResponse,
  type StoredResponseCall,
} from "../protocols/responses/responses.ts";
import type { StoredResponseOwner } from "../store/response_owners.ts";
import { admit, bearerCredential } from "./admission.ts";
import { onlyOwner } from "./response_owners.ts";
import type { RoutingTable } from "./routing_table.ts";
import { type Connection, refuse, type RouteOptions, serveOperation } from "./serve_operation.ts";

/** Adds the routes under a prefix. */
export function responseRoutes(app: Hono<Connection>, prefix: string, options: RouteOptions): void {
  for (const call of Object.keys(STORED_RESPONSE_CALLS) as StoredResponseCall[]) {
    const { method, tail } = STORED_RESPONSE_CALLS[call];
    app.on(method, `${prefix}/responses/:id${tail}`, (c, next) => serveStored(c, call, options, next));
  }
}

/** What a path about a response takes; `null` = it is no such path. */
export function responseMethods(path: string): string | null {
  const tail = /^\/responses\/[^/]+(\/.*)?$/.exec(path);
  if (tail === null) return null;
  const methods = Object.values(STORED_RESPONSE_CALLS).filter((each) => each.tail === (tail[1] ?? ""));
  return methods.length === 0 ? null : methods.map(({ method }) => method).join(", ");
}

async function serveStored(
  c: Context<Connection, string>,
  call: StoredResponseCall,
  options: RouteOptions,
  next: Next,
): Promise<Response | void> {
  // The router takes HEAD for GET; but what a provider would have to be asked for, nobody wants the head of.
  if (c.req.method === "HEAD") return await next();
  const { gateway } = options;
  const admission = admit(c.req.raw, options, bearerCredential);
  if (!admission.ok) return refuse(responsesDialect, admission.refusal);
  const { key } = admission;
  const id = c.req.param("id") ?? "";
  let owner: StoredResponseOwner | null;
  try {
    owner = await gateway.owners.find(id);
  } catch {
    return refuse(responsesDialect, {
      status: 503,
      code: "response_owner_unknown",
      message: "the database that knows who made this response does not answer; try again",
    });
  }
  // What another key has made is as good as unknown.
  if (owner === null || key !== null && owner.authKeyId !== key.id) return refuse(responsesDialect, UNKNOWN);
  const way = wayTo(owner, gateway.table());
  if (typeof way !== "string") return refuse(responsesDialect, way);
  return await serveOperation(c, {
    operation: storedResponse(call, id),
    credential: bearerCredential,
    pathModel: way,
    bodiless: STORED_RESPONSE_CALLS[call].method,
    tie: onlyOwner(owner),
  }, options);
}

interface NoWay {
  readonly status: 404 | 503;
  readonly code: string;
  readonly message: string;
}

const UNKNOWN: NoWay = {
  status: 404,
  code: "response_not_found",
  message: "no such response was made through this gateway in the last 30 days",
};

/**
 * The model by which the owner is reached: the one that made the response, or else any that leads to the same
 * provider, since the account is what counts.
 */
function wayTo(owner: StoredResponseOwner, table: RoutingTable): string | NoWay {
  let off: string | null = null;
  let way: string | null = null;
  for (const { name, routes } of table.models) {
    for (const { providerId, providerName, protocol, enabled, associationId } of routes) {
      if (providerId !== owner.providerId || protocol !== responsesDialect.protocol) continue;
      if (!enabled) off = providerName;
      else if (associationId === owner.associationId) return name;
      else way ??= name;
    }
  }
  if (way !== null) return way;
  return off === null
    ? {
      status: 404,
      code: "response_provider_gone",
      message: "the provider that made this response is not set up here any more",
    }
    : {
      status: 503,
      code: "response_provider_off",
      message: `provider ${off}, which made this response, is switched off`,
    };
}
