/** Answers `GET …/models/{name}`, in the words of whoever asks. @module */
import type { Context } from "@hono/hono";
import type { Dialect } from "../protocols/protocol.ts";
import { admit, type ReadCredential } from "./admission.ts";
import { decodeOnce } from "./client_path.ts";
import type { RoutedModel } from "./routing_table.ts";
import { type Connection, refuse, type RouteOptions } from "./serve_operation.ts";

/** How a family of routes looks models up. */
export interface ModelLookUp {
  readonly credential: ReadCredential;
  readonly dialect: Dialect;
  /** The model of that name, if callers of these routes can see it. */
  find(name: string): RoutedModel | undefined;
  /** The model in the family's shape. */
  show(model: RoutedModel): Record<string, unknown>;
}

/** Answers with the model that the path names after `prefix`. The name is decoded once and may hold slashes. */
export function answerModelByName(
  c: Context<Connection>,
  prefix: string,
  { token }: RouteOptions,
  { credential, dialect, find, show }: ModelLookUp,
): Response {
  const refusal = admit(c.req.raw, token, credential);
  if (refusal !== null) return refuse(dialect, refusal);
  const name = decodeOnce(c.req.path.slice(prefix.length));
  const model = find(name);
  if (model !== undefined) return c.json(show(model));
  return refuse(dialect, {
    status: 404,
    code: "model_not_found",
    message: `the model ${JSON.stringify(name)} does not exist here`,
  });
}
