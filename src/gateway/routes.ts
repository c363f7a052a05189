/** The client-facing routes: which path is which protocol. @module */
import { type Context, Hono } from "@hono/hono";
import { anthropicDialect } from "../protocols/anthropic/errors.ts";
import { openaiDialect } from "../protocols/openai/errors.ts";
import type { Dialect } from "../protocols/protocol.ts";
import {
  anthropicBaseMethods,
  anthropicMethods,
  anthropicRoutes,
  claudeCodeRoutes,
} from "./anthropic_routes.ts";
import { geminiRoutes } from "./gemini_routes.ts";
import { openaiMethods, openaiRoutes } from "./openai_routes.ts";
import { type Connection, refuse, type RouteOptions } from "./serve_operation.ts";

export type { Connection, RouteOptions } from "./serve_operation.ts";

/** Where the client-facing routes are, and nothing else is. */
export const CLIENT_PATHS: readonly string[] = [
  "/v1/*",
  "/v1beta/*",
  "/openai/*",
  "/anthropic/*",
  "/gemini/*",
];

/** An app with all client-facing routes. */
export function gatewayRoutes(options: RouteOptions): Hono<Connection> {
  const app = new Hono<Connection>();
  geminiRoutes(app, options);
  // Before the OpenAI routes, which share `/v1` with these and take what is left of it.
  for (const prefix of ["/v1", "/anthropic/v1"]) {
    anthropicRoutes(app, prefix, options);
    app.all(`${prefix}/messages/*`, (c) => noSuchRoute(c, prefix, anthropicDialect, anthropicMethods));
  }
  claudeCodeRoutes(app, options);
  app.all("/anthropic/*", (c) => noSuchRoute(c, "/anthropic", anthropicDialect, anthropicBaseMethods));
  for (const prefix of ["/v1", "/openai/v1"]) {
    openaiRoutes(app, prefix, options);
    app.all(`${prefix}/*`, (c) => noSuchRoute(c, prefix, openaiDialect, openaiMethods));
  }
  return app;
}

/** A path or method that does not exist is said so in the protocol of the path, and nobody is asked. */
function noSuchRoute(
  c: Context<Connection>,
  prefix: string,
  dialect: Dialect,
  methodsOf: (path: string) => string | null,
): Response {
  const path = c.req.path.slice(prefix.length);
  const allowed = methodsOf(path);
  if (allowed === null) {
    return refuse(dialect, {
      status: 404,
      code: "route_not_found",
      message: `there is no ${c.req.method} ${prefix}${path} here`,
    });
  }
  const response = refuse(dialect, {
    status: 405,
    code: "method_not_allowed",
    message: `${prefix}${path} takes ${allowed}`,
  });
  response.headers.set("allow", allowed);
  return response;
}
