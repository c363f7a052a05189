/** The request log. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { ChatIo } from "../store/chat_io.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { logFilter, logFilterQuery } from "./log_query.ts";
import { logRow, logSchema } from "./log_row.ts";
import { idQuery, pageData, pageRequest, pageSchema, pagingQuery, pathId } from "./query.ts";
import { route } from "./route.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const tag = "logs";

const listQuery = z.object({
  ...pagingQuery,
  ...logFilterQuery,
  before_id: idQuery(
    "invalid before_id parameter",
    "The rows that follow the one with this id, in place of page: as quick at the end of a long log as at its " +
      "beginning, and unmoved by new rows. total and pages still count all rows that match.",
  ),
});

const chatIoSchema = z.object({
  ...rowHeadShape,
  LogId: z.int(),
  Input: z.string().openapi({ description: "The body of the request." }),
  OfString: z.string().openapi({ description: "The body of a whole answer; empty for a stream." }),
  OfStringArray: z.array(z.string()).nullable().openapi({
    description: "The events of a stream, each without its `data: `; null for a whole answer.",
  }),
  Style: z.string(),
}).openapi("ChatIO");

/** Registers the routes. */
export function logRoutes(app: OpenAPIHono, { store }: AdminContext): void {
  route(app, {
    method: "get",
    path: "/logs",
    tag,
    summary: "A page of the request log, newest first; filters are exact and combined with AND",
    query: listQuery,
    data: pageSchema(logSchema),
  }, async (c, query) => {
    const request = pageRequest(query);
    const { before_id: beforeId } = query;
    if (beforeId !== undefined && request.page > 1) {
      throw new Fault(400, "page and before_id exclude each other: leave page out");
    }
    const filter = { ...logFilter(query), ...(beforeId === undefined ? {} : { beforeId }) };
    return success(c, pageData(await store.logs.page(filter, request), request, logRow));
  });

  route(app, {
    method: "get",
    path: "/logs/{id}/chat-io",
    tag,
    summary: "The recorded bodies of a request and its answer",
    data: chatIoSchema,
    faults: [404],
  }, async (c) => {
    const io = await store.chatIo.ofLog(pathId(c));
    if (io === null) throw new Fault(404, "ChatIO not found");
    return success(c, chatIoRow(io));
  });

  route(app, {
    method: "get",
    path: "/user-agents",
    tag,
    summary: "Every user agent that the request log knows",
    data: z.array(z.string()),
  }, async (c) => success(c, await store.logs.userAgents()));
}

function chatIoRow(io: ChatIo): z.output<typeof chatIoSchema> {
  return {
    ...rowHead(io),
    LogId: io.logId,
    Input: io.input,
    OfString: io.text,
    OfStringArray: io.events,
    Style: io.style,
  };
}
