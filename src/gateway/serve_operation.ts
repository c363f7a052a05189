/** Serves one client request for one operation: admit, read, inspect, dispatch. @module */
import type { Context } from "@hono/hono";
import type { AdminToken } from "../access/admin_token.ts";
import type { ClientCall, Dialect, GatewayError, Operation } from "../protocols/protocol.ts";
import { admit, type ReadCredential } from "./admission.ts";
import { type ClientBody, jsonBody } from "./client_body.ts";
import { dispatch, type Gateway } from "./dispatch.ts";
import { errorResponse } from "./reply.ts";
import { BodyRefused, readBody } from "./request_body.ts";

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
}

/** Serves one request. */
export async function serveOperation(
  c: Context<Connection>,
  { operation, credential, pathModel = "" }: OperationRequest,
  { gateway, token, bodyLimitBytes }: RouteOptions,
): Promise<Response> {
  const arrivedAt = performance.now();
  const request = c.req.raw;
  const { dialect } = operation;
  const refusal = admit(request, token, credential);
  if (refusal !== null) return refuse(dialect, refusal);
  const body = await readClientBody(request, bodyLimitBytes);
  if ("status" in body) return refuse(dialect, body);
  const call: ClientCall = {
    pathModel,
    query: queryOf(request.url),
    json: body.kind === "json" ? body.json : {},
    form: new Map(),
  };
  const inspection = operation.inspect(call);
  if (inspection.model === "") {
    return refuse(dialect, {
      status: 400,
      code: "missing_model",
      message: 'the request names no model; set "model" to one of the models that are listed',
    });
  }
  return await dispatch({
    operation,
    method: "POST",
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

async function readClientBody(request: Request, limit: number): Promise<ClientBody | BodyError> {
  let bytes: Uint8Array;
  try {
    bytes = await readBody(request, limit);
  } catch (error) {
    if (error instanceof BodyRefused) return error;
    // The client left while it sent its body: nobody reads this answer.
    return { status: 400, code: "incomplete_body", message: "the body did not arrive whole" };
  }
  return jsonBody(bytes) ?? {
    status: 400,
    code: "invalid_json",
    message: "the body is not a JSON object; send the request as JSON",
  };
}

/** The query without the one credential that clients put there (Gemini's `key`); everything else keeps its bytes. */
function queryOf(url: string): string {
  const at = url.indexOf("?");
  if (at === -1) return "";
  const end = url.indexOf("#", at);
  return url.slice(at + 1, end === -1 ? undefined : end)
    .split("&").filter((pair) => pair !== "" && decodedName(pair) !== "key").join("&");
}

function decodedName(pair: string): string {
  const name = pair.split("=", 1)[0] ?? "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The address that the connection comes from. What headers say of it is anybody's claim. */
function peerAddress(address: Deno.Addr | undefined): string {
  return address !== undefined && "hostname" in address ? address.hostname : "";
}
