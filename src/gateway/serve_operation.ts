/** Serves one client request for one operation: admit, read, inspect, dispatch. @module */
import type { Context } from "@hono/hono";
import type { AdminToken } from "../access/admin_token.ts";
import type { ClientCall, Dialect, GatewayError, ModelPlace, Operation } from "../protocols/protocol.ts";
import { admit, type ReadCredential } from "./admission.ts";
import { type ClientBody, NO_BODY, seenOf, understoodBody } from "./client_body.ts";
import { decodeOnce } from "./client_path.ts";
import { type ClientRequest, dispatch, type Gateway } from "./dispatch.ts";
import { errorResponse } from "./reply.ts";
import { BodyRefused, readBody } from "./request_body.ts";
import { preferOwner, type Tie } from "./response_owners.ts";
import type { UpstreamCall } from "./upstream.ts";

/** What the client-facing routes need. */
export interface RouteOptions {
  readonly gateway: Gateway;
  /** `null` = no token is set. */
  readonly token: AdminToken | null;
  /** Largest request body, bytes. */
  readonly bodyLimitBytes: number;
}

/** Hono's environment: what the server tells about a connection; empty in tests that call the app itself. */
export type Connection = { Bindings: Partial<Deno.ServeHandlerInfo> };

/** What a route knows of a request before its body is read. */
export interface OperationRequest {
  readonly operation: Operation;
  /** Where the caller's credential stands. */
  readonly credential: ReadCredential;
  /** The model that the path names; `""` = the body does. */
  readonly pathModel?: string;
  /** Of a call that takes no body. @default POST, with a body */
  readonly bodiless?: UpstreamCall["method"];
  /** What keeps the request with one provider. */
  readonly tie?: Tie;
  /** What answers it, once it is admitted and read. @default dispatch */
  readonly serve?: (request: ClientRequest, gateway: Gateway) => Promise<Response>;
}

/** Serves one request. */
export async function serveOperation(
  c: Context<Connection>,
  { operation, credential, pathModel = "", bodiless, tie, serve = dispatch }: OperationRequest,
  { gateway, token, bodyLimitBytes }: RouteOptions,
): Promise<Response> {
  const arrivedAt = performance.now();
  const request = c.req.raw;
  const { dialect } = operation;
  const refusal = admit(request, token, credential);
  if (refusal !== null) return refuse(dialect, refusal);
  const body = bodiless === undefined
    ? await readClientBody(request, operation.modelPlace, bodyLimitBytes)
    : NO_BODY;
  if ("status" in body) return refuse(dialect, body);
  const call: ClientCall = {
    pathModel,
    query: queryOf(request.url),
    ...seenOf(body),
  };
  const inspection = operation.inspect(call);
  if (inspection.model === "") {
    return refuse(dialect, {
      status: 400,
      code: "missing_model",
      message: 'the request names no model; set "model" to one of the models that are listed',
    });
  }
  return await serve({
    operation,
    method: bodiless ?? "POST",
    call,
    inspection,
    body,
    headers: request.headers,
    signal: request.signal,
    caller: {
      remoteIp: peerAddress(c.env?.remoteAddr),
      userAgent: request.headers.get("user-agent") ?? "",
      authKeyId: 0,
    },
    arrivedAt,
    tie: tie ?? await preferOwner(inspection.previousAnswerId, gateway.owners),
  }, gateway);
}

/** The refusal of a request, in the caller's own shape. */
export function refuse(dialect: Dialect, error: Omit<GatewayError, "traceId">): Response {
  const { status, code, message } = error;
  // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
  const headers: Record<string, string> = status === 401
    ? { "www-authenticate": 'Bearer realm="llmio"' }
    : {};
  return errorResponse(dialect, { status, code, message, traceId: "" }, headers);
}

type BodyError = Omit<GatewayError, "traceId">;

async function readClientBody(
  request: Request,
  place: ModelPlace,
  limit: number,
): Promise<ClientBody | BodyError> {
  let bytes: Uint8Array;
  try {
    bytes = await readBody(request, limit);
  } catch (error) {
    if (error instanceof BodyRefused) return error;
    // The client left while it sent its body: nobody reads this answer.
    return { status: 400, code: "incomplete_body", message: "the body did not arrive whole" };
  }
  return understoodBody(bytes, request.headers.get("content-type") ?? "", place);
}

/** The query without the one credential that clients put there (Gemini's `key`); everything else keeps its bytes. */
function queryOf(url: string): string {
  const at = url.indexOf("?");
  if (at === -1) return "";
  const end = url.indexOf("#", at);
  return url.slice(at + 1, end === -1 ? undefined : end)
    .split("&").filter((pair) => pair !== "" && decodeOnce(pair.split("=", 1)[0] ?? "") !== "key").join("&");
}

/** The address that the connection comes from. What headers say of it is anybody's claim. */
function peerAddress(address: Deno.Addr | undefined): string {
  return address !== undefined && "hostname" in address ? address.hostname : "";
}
