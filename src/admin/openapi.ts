/** The description of the admin API, made from the schemas that validate it. @module */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AdminContext } from "./context.ts";
import { BASE_PATH, route } from "./route.ts";

const DESCRIPTION =
  "Every answer is an envelope whose code repeats the HTTP status. Fields of bodies may be named as " +
  "documented here or as rows show them (`max_retry` or `MaxRetry`), so a row can be sent back as it was read.";

/** Registers the route. It describes whatever has been registered when it is first called. */
export function openapiRoutes(app: OpenAPIHono, { version }: AdminContext): void {
  let document: unknown;
  route(app, {
    method: "get",
    path: "/openapi.json",
    tag: "system",
    summary: "This description (OpenAPI 3.1), without the envelope",
  }, (c) => {
    document ??= describe(app, version);
    return c.json(document);
  });
}

function describe(app: OpenAPIHono, version: string): unknown {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "adminToken", { type: "http", scheme: "bearer" });
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "LLMIO admin API", version, description: DESCRIPTION },
  });
  // The only answer that is no envelope.
  const own = document.paths?.[`${BASE_PATH}/openapi.json`]?.get?.responses?.["200"];
  if (own !== undefined) {
    own.content = { "application/json": { schema: { type: "object" } } };
  }
  return document;
}
