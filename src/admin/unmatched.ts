/** Requests that no route takes. @module */
import type { Context, Hono } from "@hono/hono";
import { failure, Fault } from "./envelope.ts";

/** Answers 405 with `Allow` where the path has other methods, else 404. */
export function answerUnmatched(c: Context, app: Pick<Hono, "routes">): Response {
  const methods = methodsAt(c.req.path, app.routes);
  if (methods.length === 0) return failure(c, new Fault(404, `Path not found: ${c.req.path}`));
  c.header("Allow", methods.join(", "));
  return failure(
    c,
    new Fault(405, `Method ${c.req.method} is not allowed here; allowed: ${methods.join(", ")}`),
  );
}

/** Methods of the routes that match a path, `HEAD` with `GET`. */
function methodsAt(path: string, routes: Hono["routes"]): string[] {
  const segments = path.replace(/\/$/, "").split("/");
  const methods = new Set<string>();
  for (const { method, path: pattern } of routes) {
    if (method === "ALL" || !matches(pattern.split("/"), segments)) continue;
    methods.add(method);
    if (method === "GET") methods.add("HEAD");
  }
  return [...methods].sort();
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.length === segments.length &&
    pattern.every((part, index) =>
      part === segments[index] || part.startsWith(":") && segments[index] !== ""
    );
}
