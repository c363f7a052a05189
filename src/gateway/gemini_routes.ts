/**
 * The Gemini routes, under `/gemini/v1beta` and `/gemini/v1`, and as Google's SDKs build them without a base path, under
 * `/v1beta` and `/v1`.
 *
 * @module
 */
import type { Context, Hono } from "@hono/hono";
import { withoutBlanks } from "../access/admin_token.ts";
import { geminiDialect } from "../protocols/gemini/errors.ts";
import {
  type ModelAction,
  publicName,
  readModelAction,
  withoutCollection,
} from "../protocols/gemini/model_path.ts";
import { GEMINI_ACTIONS } from "../protocols/gemini/operations.ts";
import { bearerCredential, type ReadCredential } from "./admission.ts";
import { decodeOnce } from "./client_path.ts";
import { geminiModel, geminiModelList, listedModels } from "./model_list.ts";
import {
  admitReader,
  type Connection,
  refuse,
  type RouteOptions,
  serveOperation,
} from "./serve_operation.ts";

/** Prefixes that are Gemini's alone. */
const PREFIXES = ["/gemini/v1beta", "/gemini/v1", "/v1beta"];

/** `x-goog-api-key` or `?key=`, as Google's clients send it, or a Bearer token; the first of them that holds something. */
const geminiCredential: ReadCredential = (request) => {
  const key = withoutBlanks(request.headers.get("x-goog-api-key") ?? "") || keyInQuery(request.url);
  if (key !== "") return { ok: true, credential: key };
  const bearer = bearerCredential(request);
  return bearer.ok ? bearer : {
    ok: false,
    message: 'the API key is missing; send "x-goog-api-key: <the gateway\'s token>"',
  };
};

function keyInQuery(url: string): string {
  return withoutBlanks(new URLSearchParams(url.split("?", 2)[1]).get("key") ?? "");
}

/** Adds the routes. They go before those of other protocols, which share `/v1`. */
export function geminiRoutes(app: Hono<Connection>, options: RouteOptions): void {
  for (const prefix of PREFIXES) {
    app.all(`${prefix}/*`, (c) => answer(c, restOf(c, prefix), options));
  }
  app.all("/gemini/*", (c) => noSuchPath(c));
  // Google's newer SDKs call `/v1`, which other protocols share: what calls a model is Gemini's, and the models are told
  // in Gemini's shape to those who come with Google's kind of key.
  for (const path of ["/v1/models", "/v1/models/*", "/v1/tunedModels/*"]) {
    app.on(["GET", "POST"], path, (c, next) => isOurs(c) ? answer(c, restOf(c, "/v1"), options) : next());
  }
}

function isOurs(c: Context<Connection>): boolean {
  if (c.req.method === "POST") return readModelAction(restOf(c, "/v1")) !== null;
  if (c.req.header("authorization") !== undefined) return false;
  return c.req.header("x-goog-api-key") !== undefined || keyInQuery(c.req.raw.url) !== "";
}

/** What follows a prefix, decoded once; a path that cannot be decoded is taken as it stands. */
function restOf(c: Context<Connection>, prefix: string): string {
  return decodeOnce(c.req.path.slice(prefix.length + 1));
}

/** @param path without the prefix */
function answer(
  c: Context<Connection>,
  path: string,
  options: RouteOptions,
): Response | Promise<Response> {
  const called = readModelAction(path);
  if (called !== null && c.req.method === "POST") return callModel(c, called, options);
  if (path === "models" || path.startsWith("models/")) return describeModels(c, path, options);
  return isKnown(called) ? wrongMethod(c, "POST") : noSuchPath(c);
}

function callModel(
  c: Context<Connection>,
  { model, action }: ModelAction,
  options: RouteOptions,
): Response | Promise<Response> {
  const operation = GEMINI_ACTIONS.get(action);
  if (operation === undefined) return noSuchAction(c);
  if (model === "") return namesNoModel(c);
  const table = options.gateway.table();
  const pathModel = publicName(model, (name) => table.model(name) !== undefined);
  return serveOperation(c, { operation, credential: geminiCredential, pathModel }, options);
}

/** The list of models, or one of them. */
function describeModels(c: Context<Connection>, path: string, options: RouteOptions): Response {
  const asked = { credential: geminiCredential, dialect: geminiDialect };
  const reader = admitReader(c.req.raw, options, asked);
  if (reader instanceof Response) return reader;
  const reads = c.req.method === "GET" || c.req.method === "HEAD";
  const table = options.gateway.table();
  if (path === "models") {
    return reads ? c.json(geminiModelList(table, reader.key)) : wrongMethod(c, "GET, HEAD");
  }
  const models = new Map(listedModels(table, ["gemini"], reader.key).map((each) => [each.name, each]));
  const name = publicName(withoutCollection(path), (each) => models.has(each));
  const model = models.get(name);
  if (model !== undefined) return reads ? c.json(geminiModel(model)) : wrongMethod(c, "GET, HEAD");
  return isKnown(readModelAction(path)) ? wrongMethod(c, "POST") : noSuchModel(name);
}

function isKnown(called: ModelAction | null): boolean {
  return called !== null && GEMINI_ACTIONS.has(called.action);
}

function noSuchPath(c: Context<Connection>): Response {
  const message = `there is no ${c.req.method} ${c.req.path} here`;
  return refuse(geminiDialect, { status: 404, code: "route_not_found", message });
}

function noSuchAction(c: Context<Connection>): Response {
  const known = [...GEMINI_ACTIONS.keys()].join(", ");
  const message = `there is no ${c.req.method} ${c.req.path} here; of a model can be called: ${known}`;
  return refuse(geminiDialect, { status: 404, code: "route_not_found", message });
}

function namesNoModel(c: Context<Connection>): Response {
  const message = `${c.req.path} names no model; put one of those that are listed before the colon`;
  return refuse(geminiDialect, { status: 400, code: "missing_model", message });
}

function noSuchModel(name: string): Response {
  const message = `the model ${JSON.stringify(name)} does not exist here`;
  return refuse(geminiDialect, { status: 404, code: "model_not_found", message });
}

function wrongMethod(c: Context<Connection>, allowed: string): Response {
  const message = `${c.req.path} takes ${allowed}`;
  const response = refuse(geminiDialect, { status: 405, code: "method_not_allowed", message });
  response.headers.set("allow", allowed);
  return response;
}
