/** Serves one client request for one operation: admit, read, inspect, dispatch. @module */
import type { Context } from "@hono/hono";
import type { ClientAddresses } from "../access/client_address.ts";
import type { ClientKey } from "../access/client_keys.ts";
import type { ClientCall, Dialect, ModelPlace, Operation } from "../protocols/protocol.ts";
import { admit, type ClientAccess, type ReadCredential, type Refusal } from "./admission.ts";
import { type ClientBody, NO_BODY, seenOf, understoodBody } from "./client_body.ts";
import type { Patience } from "./client_idle.ts";
import { decodeOnce } from "./client_path.ts";
import type { ClientRequest, Gateway } from "./client_request.ts";
import { dispatch } from "./dispatch.ts";
import type { HeaderRecord } from "./headers.ts";
import { enterLimits, type KeyEntrance, takePermit, whyForbidden } from "./key_permit.ts";
import { errorResponse } from "./reply.ts";
import { BodyRefused, readBody } from "./request_body.ts";
import type { Caller } from "./request_log.ts";
import { OF_ANOTHER_KEY, preferOwner, type Tie } from "./response_owners.ts";
import type { UpstreamCall } from "./upstream.ts";

/** What the client-facing routes need. */
export interface RouteOptions extends ClientAccess {
  readonly gateway: Gateway;
  /** Largest request body, bytes. */
  readonly bodyLimitBytes: number;
  /** Finds where a request comes from. */
  readonly addresses: ClientAddresses;
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
  request: OperationRequest,
  options: RouteOptions,
): Promise<Response> {
  const arrivedAt = performance.now();
  const { dialect } = request.operation;
  const admission = admit(c.req.raw, options, request.credential);
  if (!admission.ok) return refuse(dialect, admission.refusal);
  const { key } = admission;
  const served = await serveWithin(c, request, options, { key, arrivedAt });
  if (served instanceof Response) return served;
  if (key !== null) options.gateway.recorder.keyUsed(key.id, Date.now());
  return refuse(dialect, served.refusal, served.headers);
}

/** A refusal after the door: nobody was asked, and no row is left. */
interface LateRefusal {
  readonly refusal: Refusal;
  readonly headers?: Record<string, string>;
}

/** Serves a request within the limits of its key. */
async function serveWithin(
  c: Context<Connection>,
  request: OperationRequest,
  options: RouteOptions,
  { key, arrivedAt }: { readonly key: ClientKey | null; readonly arrivedAt: number },
): Promise<Response | LateRefusal> {
  if (key === null) return await serveEntered(c, request, options, { entrance: null, arrivedAt });
  const entrance = enterLimits(key, request.operation.dialect);
  if (!entrance.ok) return entrance;
  try {
    return await serveEntered(c, request, options, { entrance, arrivedAt });
  } finally {
    entrance.leave();
  }
}

async function serveEntered(
  c: Context<Connection>,
  { operation, pathModel = "", bodiless, tie, serve = dispatch }: OperationRequest,
  { gateway, bodyLimitBytes, addresses }: RouteOptions,
  { entrance, arrivedAt }: { readonly entrance: KeyEntrance | null; readonly arrivedAt: number },
): Promise<Response | LateRefusal> {
  const key = entrance?.key ?? null;
  const request = c.req.raw;
  const body = bodiless === undefined
    ? await readClientBody(request, operation.modelPlace, bodyLimitBytes, gateway)
    : NO_BODY;
  if ("status" in body) return { refusal: body };
  const call: ClientCall = { pathModel, query: queryOf(request.url), ...seenOf(body) };
  const inspection = operation.inspect(call);
  if (inspection.model === "") return { refusal: NAMES_NO_MODEL };
  const forbidden = key === null ? null : whyForbidden(key, inspection.model, gateway.table());
  if (forbidden !== null) return { refusal: forbidden };
  const preferred = tie ?? await preferOwner(inspection.previousAnswerId, gateway.owners, key);
  if (preferred === OF_ANOTHER_KEY) return { refusal: NO_SUCH_PREVIOUS };
  const permit = entrance === null
    ? null
    : takePermit(entrance, operation.dialect, { body, inspection }, gateway);
  if (permit?.ok === false) return permit;
  const caller: Caller = {
    remoteIp: addresses.of(request.headers, c.env?.remoteAddr),
    userAgent: request.headers.get("user-agent") ?? "",
    authKeyId: key?.id ?? 0,
    recordsIo: key?.ioLog ?? false,
    providers: key?.providers ?? null,
    permit,
  };
  const { headers, signal } = request;
  const method = bodiless ?? "POST";
  return await serve(
    { operation, method, call, inspection, body, headers, signal, caller, arrivedAt, tie: preferred },
    gateway,
  );
}

const NAMES_NO_MODEL: Refusal = {
  status: 400,
  code: "missing_model",
  message: 'the request names no model; set "model" to one of the models that are listed',
};

const NO_SUCH_PREVIOUS: Refusal = {
  status: 404,
  code: "previous_response_not_found",
  message: "no response of this id was made with this key",
};

/**
 * Admits a request that only looks at what there is.
 *
 * @returns the caller's key, `null` for the admin; or the answer that refuses it
 */
export function admitReader(
  request: Request,
  options: RouteOptions,
  { credential, dialect }: { readonly credential: ReadCredential; readonly dialect: Dialect },
): { readonly key: ClientKey | null } | Response {
  const admission = admit(request, options, credential);
  if (!admission.ok) return refuse(dialect, admission.refusal);
  if (admission.key !== null) options.gateway.recorder.keyUsed(admission.key.id, Date.now());
  return admission;
}

/** The refusal of a request, in the caller's own shape. */
export function refuse(dialect: Dialect, error: Refusal, headers: Record<string, string> = {}): Response {
  const { status, code, message } = error;
  return errorResponse(dialect, { status, code, message, traceId: "" }, {
    ...headers,
    ...HEADERS_OF[status],
  });
}

const HEADERS_OF: Readonly<Record<number, HeaderRecord>> = {
  // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
  401: { "www-authenticate": 'Bearer realm="llmio"' },
  // Section 15.5.9: the rest of the body is not waited for.
  408: { connection: "close" },
};

async function readClientBody(
  request: Request,
  place: ModelPlace,
  limit: number,
  patience: Patience,
): Promise<ClientBody | Refusal> {
  let bytes: Uint8Array;
  try {
    bytes = await readBody(request, limit, patience);
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
