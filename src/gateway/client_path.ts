/** The path by which a request is routed. @module */
import { getPath } from "@hono/hono/utils/url";

/**
 * The path of a request as the routes spell it. Clients join base URLs and paths in all ways, so a doubled or a last
 * slash too many means nothing. What follows `/models/` is a name and stays as it is.
 */
export function clientPath(request: Request): string {
  const path = getPath(request);
  return path.includes("//") || path.endsWith("/") ? plainPath(path) : path;
}

const MODELS = "/models/";

/** A path without slashes that say nothing. */
export function plainPath(path: string): string {
  const at = path.indexOf(MODELS);
  const nameAt = at === -1 ? path.length : at + MODELS.length;
  const plain = path.slice(0, nameAt).replaceAll(/\/{2,}/g, "/");
  const name = path.slice(nameAt);
  return name === "" && plain !== "/" ? plain.replace(/\/$/, "") : plain + name;
}

/** A part of a URL without its percent signs; one that is badly written stays as it is. */
export function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
