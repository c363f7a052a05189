/** Answers `GET …/models/{name}`, in the words of whoever asks. @module */
import type { Context } from "@hono/hono";
import type { Dialect } from "../protocols/protocol.ts";
import type { ClientKey } from "../access/client_keys.ts";
import type { ReadCredential } from "./admission.ts";
import { decodeOnce } from "./client_path.ts";
import type { RoutedModel } from "./routing_table.ts";
import { admitReader, type Connection, refuse, type RouteOptions } from "./serve_operation.ts";

/** How a family of routes looks models up. */
export interface ModelLookUp {
  readonly credential: ReadCredential;
  readonly dialect: Dialect;
  /** The model of that name, if this caller can see it on these routes. */
  find(name: string, key: ClientKey | null): RoutedModel | undefined;
  /** The model in the family's shape. */
  show(model: RoutedModel): Record<string, unknown>;
}

/** Answers with the model that the path names after `prefix`. The name is decoded once and may hold slashes. */
export function answerModelByName(
  c: Context<Connection>,
  prefix: string,
  options: RouteOptions,
  { credential, dialect, find, show }: ModelLookUp,
): Response {
  const reader = admitReader(c.req.raw, options, { credential, dialect });
  if (reader instanceof Response) return reader;
  const name = decodeOnce(c.req.path.slice(prefix.length));
  const model = find(name, reader.key);
  if (model !== undefined) return c.json(show(model));
  return refuse(dialect, {
    status: 404,
    code: "model_not_found",
    message: `the model ${JSON.stringify(name)} does not exist here`,
  });
}
