/** The client-facing routes: which path is which protocol and operation. @module */
import { type Context, Hono } from "@hono/hono";
import type { AdminToken } from "../access/admin_token.ts";
import { openaiChat } from "../protocols/openai/chat.ts";
import type { GatewayError, WireProtocol } from "../protocols/protocol.ts";
import { admitBearer } from "./admission.ts";
import { dispatch, type Gateway } from "./dispatch.ts";
import { openaiModel, openaiModelList } from "./model_list.ts";
import { errorResponse } from "./reply.ts";
import type { Caller } from "./request_log.ts";
import { BodyRefused, readBody } from "./request_body.ts";
import { parseClientBody } from "./upstream_request.ts";

/** What the routes need besides the gateway. */
export interface RouteOptions {
  readonly gateway: Gateway;
  /** `null` = no token is set. */
  readonly token: AdminToken | null;
  /** Largest request body, bytes. */
  readonly bodyLimitBytes: number;
}

/** Hono's environment: what the server tells about a connection; empty in tests that call the app itself. */
type Connection = { Bindings: Partial<Deno.ServeHandlerInfo> };

/** An app with all client-facing routes. */
export function gatewayRoutes(options: RouteOptions): Hono<Connection> {
  const app = new Hono<Connection>();
  for (const prefix of ["/v1", "/openai/v1"]) {
    app.post(`${prefix}/chat/completions`, (c) => relayRequest(c, openaiChat, options));
    app.get(`${prefix}/models`, (c) => openaiModels(c, options));
    // A model name may hold slashes.
    app.get(`${prefix}/models/*`, (c) => openaiModelByName(c, `${prefix}/models/`, options));
    app.all(`${prefix}/*`, (c) => noSuchRoute(c, prefix));
  }
  return app;
}

/** Admits, reads and dispatches one request. */
async function relayRequest(
  c: Context<Connection>,
  protocol: WireProtocol,
  { gateway, token, bodyLimitBytes }: RouteOptions,
): Promise<Response> {
  const arrivedAt = performance.now();
  const request = c.req.raw;
  const refusal = admitBearer(request, token);
  if (refusal !== null) return refuse(protocol, refusal);
  let bytes: Uint8Array;
  try {
    bytes = await readBody(request, bodyLimitBytes);
  } catch (error) {
    if (error instanceof BodyRefused) {
      const { status, code, message } = error;
      return refuse(protocol, { status, code, message });
    }
    // The client left while it sent its body: nobody reads this answer.
    return refuse(protocol, {
      status: 400,
      code: "incomplete_body",
      message: "the body did not arrive whole",
    });
  }
  const body = parseClientBody(bytes);
  if (body === null) {
    return refuse(protocol, {
      status: 400,
      code: "invalid_json",
      message: "the body is not a JSON object; send the request as JSON",
    });
  }
  const inspection = protocol.inspect(body.json);
  if (inspection.model === "") {
    return refuse(protocol, {
      status: 400,
      code: "missing_model",
      message: 'the body names no model; set "model" to one of GET /v1/models',
    });
  }
  const caller: Caller = {
    remoteIp: peerAddress(c.env.remoteAddr),
    userAgent: request.headers.get("user-agent") ?? "",
    authKeyId: 0,
  };
  return await dispatch(
    { protocol, inspection, body, headers: request.headers, signal: request.signal, caller, arrivedAt },
    gateway,
  );
}

function openaiModels(c: Context<Connection>, { gateway, token }: RouteOptions): Response {
  const refusal = admitBearer(c.req.raw, token);
  if (refusal !== null) return refuse(openaiChat, refusal);
  return c.json(openaiModelList(gateway.table()));
}

function openaiModelByName(
  c: Context<Connection>,
  prefix: string,
  { gateway, token }: RouteOptions,
): Response {
  const refusal = admitBearer(c.req.raw, token);
  if (refusal !== null) return refuse(openaiChat, refusal);
  const name = decodeName(new URL(c.req.url).pathname.slice(prefix.length));
  const model = gateway.table().model(name);
  if (model !== undefined) return c.json(openaiModel(model));
  return refuse(openaiChat, {
    status: 404,
    code: "model_not_found",
    message: `the model ${JSON.stringify(name)} does not exist here`,
  });
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A path or method that does not exist is said so in the protocol of the path, and nobody is asked. */
function noSuchRoute(c: Context, prefix: string): Response {
  const rest = new URL(c.req.url).pathname.slice(prefix.length);
  const allowed = rest === "/chat/completions" ? "POST" : /^\/models(\/|$)/.test(rest) ? "GET, HEAD" : null;
  if (allowed === null) {
    return refuse(openaiChat, {
      status: 404,
      code: "route_not_found",
      message: `there is no ${c.req.method} ${prefix}${rest} here`,
    });
  }
  const response = refuse(openaiChat, {
    status: 405,
    code: "method_not_allowed",
    message: `${prefix}${rest} takes ${allowed}`,
  });
  response.headers.set("allow", allowed);
  return response;
}

function refuse(protocol: WireProtocol, error: Omit<GatewayError, "traceId">): Response {
  const response = errorResponse(protocol, { ...error, traceId: "" });
  // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
  if (error.status === 401) response.headers.set("www-authenticate", 'Bearer realm="llmio"');
  return response;
}

/** The address that the connection comes from. What headers say of it is anybody's claim. */
function peerAddress(address: Deno.Addr | undefined): string {
  return address !== undefined && "hostname" in address ? address.hostname : "";
}
