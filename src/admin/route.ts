/** One route: its handler and its documentation, declared in one place so that neither can be forgotten. @module */
import type { Context } from "@hono/hono";
import { bodyLimit } from "@hono/hono/body-limit";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { type AdminCaller, callerOf } from "../access/admin_tokens.ts";
import { type Audit, trailOf } from "./audit_trail.ts";
import { BODY_LIMIT_BYTES } from "./body.ts";
import { failure, failureSchema, Fault, type FaultStatus, successSchema } from "./envelope.ts";
import { validQuery } from "./query.ts";

/** What a route is. */
export interface RouteDescription<Query extends z.ZodObject> {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** OpenAPI form, below `/api`: `/providers/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly query?: Query;
  /** Schema of the body, for the documentation; the handler reads and validates it. */
  readonly body?: z.ZodType;
  /** Media type of the body. @default {"application/json"} */
  readonly bodyMedia?: string;
  /** Largest body taken, in bytes. @default {1048576} */
  readonly bodyLimitBytes?: number;
  /** Schema of `data`; without it the answer has none. */
  readonly data?: z.ZodType;
  /** Media types of an answer that is a file, beside the envelope if there is `data`, else in its place. */
  readonly media?: readonly string[];
  /** Statuses that this route refuses with, beside the ones that every route has. */
  readonly faults?: readonly FaultStatus[];
  /** What it leaves in the audit log. Every route that is no GET has this or `reads`. */
  readonly audit?: Audit;
  /** This changes nothing although it is no GET, so the scope `read` is enough. */
  readonly reads?: true;
  /** This GET shows what the scope `read` may not see. */
  readonly write?: true;
  /** Lets a caller with the scope `read` do this to what is its own. */
  readonly own?: (caller: AdminCaller, c: Context) => boolean;
}

/** Where the admin API lives. */
export const BASE_PATH = "/api";

const FAULT_MEANINGS: Readonly<Record<FaultStatus, string>> = {
  400: "A parameter or field is malformed",
  401: "The admin token is missing or wrong",
  403: "The token's scope is too small; or, without a token: the request does not come from this machine",
  404: "No such row",
  405: "The path has no such method",
  409: "The name is taken",
  413: "The body is too large",
  415: "The body is encoded",
  422: "The request is well-formed but refers to something that is not there or cannot be used",
  500: "Internal failure",
  502: "The provider could not be asked",
};

/** Registers a route and its documentation. */
export function route<Query extends z.ZodObject = z.ZodObject>(
  app: OpenAPIHono,
  description: RouteDescription<Query>,
  handler: (c: Context, query: z.output<Query>) => Promise<Response> | Response,
): void {
  const { method, path, query, body, bodyLimitBytes: maxSize = BODY_LIMIT_BYTES } = description;
  app.openAPIRegistry.registerPath({
    method,
    path: BASE_PATH + path,
    tags: [description.tag],
    summary: description.summary,
    security: [{ adminToken: [] }],
    "x-scope": scopeOf(description),
    ...(description.audit === undefined ? {} : { "x-audit": description.audit.action }),
    request: {
      ...pathParameters(path),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined ? {} : {
        body: {
          required: true,
          content: { [description.bodyMedia ?? "application/json"]: { schema: body } },
        },
      }),
    },
    responses: responses(description),
  });
  const schema = query ?? z.object({}) as z.ZodObject as Query;
  app.on(
    method.toUpperCase(),
    BASE_PATH + path.replaceAll(/\{(\w+)\}/g, ":$1"),
    async (c, next) => {
      checkScope(c, description);
      await next();
    },
    bodyLimit({ maxSize, onError: (c) => tooLarge(c, maxSize) }),
    async (c) => {
      const answer = async () => await handler(c, validQuery(c, schema));
      return description.audit === undefined
        ? await answer()
        : await trailOf(c).follow(c, description.audit, answer);
    },
  );
}

/** What a description says of who may call. */
type Permission = Pick<RouteDescription<z.ZodObject>, "method" | "reads" | "write" | "own">;

function scopeOf({ method, reads, write }: Permission): AdminCaller["scope"] {
  return reads || method === "get" && !write ? "read" : "write";
}

/** @throws {Fault} when the caller's token does not open this route. */
function checkScope(c: Context, permission: Permission): void {
  const caller = callerOf(c);
  if (caller.scope === "write" || scopeOf(permission) === "read" || permission.own?.(caller, c)) return;
  throw new Fault(
    403,
    'This needs the scope "write", and your token has "read"; use the admin token or one with the scope "write"',
  );
}

/** `{id}` is the number of a row, any other parameter a text. */
function pathParameters(path: string): { params?: z.ZodObject } {
  const names = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = ""]) => name);
  if (names.length === 0) return {};
  const shape = names.map((name) => [name, name === "id" ? z.int().min(1) : z.string()] as const);
  return { params: z.object(Object.fromEntries(shape)) };
}

function responses<Query extends z.ZodObject>(
  { path, query, body, data, media = [], faults = [] }: RouteDescription<Query>,
) {
  const statuses = new Set<FaultStatus>([401, 403, 500, ...faults]);
  if (path.includes("{id}") || query !== undefined) statuses.add(400);
  if (body !== undefined) { for (const status of [400, 413, 415] as const) statuses.add(status); }
  const refusals = [...statuses].sort().map((status) =>
    [String(status), { description: FAULT_MEANINGS[status], content: json(failureSchema) }] as const
  );
  return {
    200: {
      description: "Success",
      content: {
        ...(media.length === 0 || data !== undefined ? json(successSchema(data)) : {}),
        ...Object.fromEntries(media.map((type) => [type, { schema: z.string() }])),
      },
    },
    ...Object.fromEntries(refusals),
  };
}

function json(schema: z.ZodType) {
  return { "application/json": { schema } };
}

function tooLarge(c: Context, limitBytes: number): Response {
  return failure(
    c,
    new Fault(413, `Invalid request body: it is larger than ${limitBytes / 1024 / 1024} MiB`),
  );
}
