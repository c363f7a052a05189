/**
 * The Anthropic routes, under `/anthropic/v1` and, as llmio has them too, under `/v1`; and what Claude Code calls beside
 * them.
 *
 * @module
 */
import type { Context, Hono } from "@hono/hono";
import { withoutBlanks } from "../access/admin_token.ts";
import { anthropicDialect } from "../protocols/anthropic/errors.ts";
import { anthropicCountTokens, anthropicMessages } from "../protocols/anthropic/messages.ts";
import { asObject } from "../protocols/json_access.ts";
import { bearerCredential, type ReadCredential } from "./admission.ts";
import type { Patience } from "./client_idle.ts";
import { countTokens } from "./count_tokens.ts";
import { answerModelByName } from "./model_by_name.ts";
import { anthropicModel, anthropicModelList, listedModels } from "./model_list.ts";
import { BodyRefused, readBody } from "./request_body.ts";
import {
  admitReader,
  type Connection,
  type OperationRequest,
  refuse,
  type RouteOptions,
  serveOperation,
} from "./serve_operation.ts";

/** `x-api-key`, as Anthropic's clients send it; or a Bearer token, which Claude Code makes of ANTHROPIC_AUTH_TOKEN. */
const anthropicCredential: ReadCredential = (request) => {
  const key = withoutBlanks(request.headers.get("x-api-key") ?? "");
  if (key !== "") return { ok: true, credential: key };
  const bearer = bearerCredential(request);
  return bearer.ok ? bearer : {
    ok: false,
    message:
      'x-api-key is missing; send "x-api-key: <the gateway\'s token>" or "Authorization: Bearer <the token>"',
  };
};

const ANTHROPIC = { credential: anthropicCredential, dialect: anthropicDialect };

/** What is asked for with POST, by path. */
const POSTS: Readonly<Record<string, OperationRequest>> = {
  "/messages": { operation: anthropicMessages, credential: anthropicCredential },
  "/messages/count_tokens": {
    operation: anthropicCountTokens,
    credential: anthropicCredential,
    serve: countTokens,
  },
};

/** Where Claude Code sends its telemetry, older versions and newer ones. */
const EVENT_PATHS = ["/api/event_logging/batch", "/api/event_logging/v2/batch"];
/** Its batches are small; this is the most of it that is read, bytes. */
const EVENTS_LIMIT_BYTES = 1024 * 1024;

/** Adds the routes under a prefix that other protocols may share. */
export function anthropicRoutes(app: Hono<Connection>, prefix: string, options: RouteOptions): void {
  for (const [path, request] of Object.entries(POSTS)) {
    app.post(prefix + path, (c) => serveOperation(c, request, options));
  }
  // Where protocols share a path, this header is what tells Anthropic's clients from others.
  const isOurs = (c: Context<Connection>) =>
    prefix !== "/v1" || c.req.header("anthropic-version") !== undefined;
  app.get(`${prefix}/models`, (c, next) => isOurs(c) ? listModels(c, options) : next());
  // A model name may hold slashes.
  app.get(
    `${prefix}/models/*`,
    (c, next) => isOurs(c) ? modelByName(c, `${prefix}/models/`, options) : next(),
  );
}

/** What a path under an Anthropic prefix takes; `null` = there is no such path. */
export function anthropicMethods(path: string): string | null {
  if (Object.hasOwn(POSTS, path)) return "POST";
  return /^\/models(\/|$)/.test(path) ? "GET, HEAD" : null;
}

/** The same for paths under `/anthropic`. */
export function anthropicBaseMethods(path: string): string | null {
  if (path.startsWith("/v1/")) return anthropicMethods(path.slice("/v1".length));
  return EVENT_PATHS.includes(path) ? "POST" : null;
}

/** Adds what Claude Code calls at its base URL beside the API itself. */
export function claudeCodeRoutes(app: Hono<Connection>, { gateway }: RouteOptions): void {
  for (const base of ["", "/anthropic"]) {
    for (const path of EVENT_PATHS) app.post(base + path, (c) => swallowEvents(c, gateway));
    // It looks whether anybody is there before it starts.
    app.get(base === "" ? "/" : base, (c, next) => c.req.method === "HEAD" ? c.body(null) : next());
  }
}

function listModels(c: Context<Connection>, options: RouteOptions): Response {
  const reader = admitReader(c.req.raw, options, ANTHROPIC);
  return reader instanceof Response
    ? reader
    : c.json(anthropicModelList(options.gateway.table(), reader.key));
}

function modelByName(c: Context<Connection>, prefix: string, options: RouteOptions): Response {
  return answerModelByName(c, prefix, options, {
    ...ANTHROPIC,
    find: (name, key) =>
      listedModels(options.gateway.table(), ["anthropic"], key).find((each) => each.name === name),
    show: anthropicModel,
  });
}

/** Takes telemetry, so that its sender does not keep it and try again, and forgets it. Needs no credential: it has none. */
async function swallowEvents(c: Context<Connection>, patience: Patience): Promise<Response> {
  let events: unknown;
  try {
    const body = await readBody(c.req.raw, EVENTS_LIMIT_BYTES, patience);
    events = asObject(JSON.parse(new TextDecoder().decode(body)))?.events;
  } catch (error) {
    if (error instanceof BodyRefused) return refuse(anthropicDialect, error);
  }
  if (Array.isArray(events)) return c.json({ accepted_count: events.length, rejected_count: 0 });
  return refuse(anthropicDialect, {
    status: 400,
    code: "invalid_events",
    message: 'the body is not a batch of events: {"events": [...]}',
  });
}
