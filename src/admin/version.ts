/** The program's version. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { AdminContext } from "./context.ts";
import { success } from "./envelope.ts";
import { route } from "./route.ts";

/** Registers the route. */
export function versionRoutes(app: OpenAPIHono, { version }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/version",
    tag: "system",
    summary: "The program's version; `dev` for a build without one",
    data: z.string(),
  }, (c) => success(c, version));
}
