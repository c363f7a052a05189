/** The OpenAI routes, under `/openai/v1` and, as llmio has them too, under `/v1`. @module */
import type { Context, Hono } from "@hono/hono";
import { openaiChat } from "../protocols/openai/chat.ts";
import { openaiDialect } from "../protocols/openai/errors.ts";
import * as side from "../protocols/openai/side_routes.ts";
import { compactResponse, countInputTokens, createResponse } from "../protocols/responses/responses.ts";
import type { Operation } from "../protocols/protocol.ts";
import { bearerCredential } from "./admission.ts";
import { answerModelByName } from "./model_by_name.ts";
import { maySee } from "./key_permit.ts";
import { openaiModel, openaiModelList } from "./model_list.ts";
import { responseMethods, responseRoutes } from "./response_routes.ts";
import { admitReader, type Connection, type RouteOptions, serveOperation } from "./serve_operation.ts";

const OPENAI = { credential: bearerCredential, dialect: openaiDialect };

/** Operations whose model the body names, by path. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  "/chat/completions": openaiChat,
  "/responses": createResponse,
  "/responses/compact": compactResponse,
  "/responses/input_tokens": countInputTokens,
  "/completions": side.completions,
  "/embeddings": side.embeddings,
  "/rerank": side.rerank,
  "/moderations": side.moderations,
  "/images/generations": side.imageGenerations,
  "/images/edits": side.imageEdits,
  "/images/variations": side.imageVariations,
  "/audio/speech": side.speech,
  "/audio/transcriptions": side.transcriptions,
  "/audio/translations": side.translations,
};

/** Adds the routes under a prefix. */
export function openaiRoutes(app: Hono<Connection>, prefix: string, options: RouteOptions): void {
  for (const [path, operation] of Object.entries(OPERATIONS)) {
    app.post(prefix + path, (c) => serveOperation(c, { operation, credential: bearerCredential }, options));
  }
  responseRoutes(app, prefix, options);
  app.get(`${prefix}/models`, (c) => listModels(c, options));
  // A model name may hold slashes.
  app.get(`${prefix}/models/*`, (c) => modelByName(c, `${prefix}/models/`, options));
}

/** What a path under an OpenAI prefix takes; `null` = there is no such path. */
export function openaiMethods(path: string): string | null {
  if (Object.hasOwn(OPERATIONS, path)) return "POST";
  return /^\/models(\/|$)/.test(path) ? "GET, HEAD" : responseMethods(path);
}

function listModels(c: Context<Connection>, options: RouteOptions): Response {
  const reader = admitReader(c.req.raw, options, OPENAI);
  return reader instanceof Response ? reader : c.json(openaiModelList(options.gateway.table(), reader.key));
}

function modelByName(c: Context<Connection>, prefix: string, options: RouteOptions): Response {
  return answerModelByName(c, prefix, options, {
    ...OPENAI,
    find: (name, key) => {
      const model = options.gateway.table().model(name);
      return model !== undefined && maySee(key, model) ? model : undefined;
    },
    show: openaiModel,
  });
}
