/** Which rows of the request log are asked for. @module */
import { z } from "@hono/zod-openapi";
import type { LogFilter } from "../store/logs.ts";
import { idQuery, textQuery } from "./query.ts";

/** The filters that every view of the log takes; exact, and combined with AND. */
export const logFilterQuery = {
  id: idQuery("invalid id parameter", "The row's id."),
  provider_name: textQuery("The provider's name."),
  name: textQuery("The model that the client asked for."),
  status: textQuery("running, success or error."),
  outcome: textQuery("completed, incomplete, client_gone or a failure class."),
  style: textQuery("The protocol."),
  provider_model: textQuery("The model's name at the provider."),
  auth_key_id: idQuery("invalid auth_key_id parameter", "The auth key's id; 0 = admin."),
  trace_id: textQuery("The request's trace id."),
  session_id: textQuery("The session."),
  from: momentQuery("invalid from parameter", "Only requests that started at this time or later"),
  to: momentQuery("invalid to parameter", "Only requests that started before this time"),
};

const querySchema = z.object(logFilterQuery);

/** The filter that validated parameters ask for. */
export function logFilter(query: z.output<typeof querySchema>): LogFilter {
  const filter = {
    id: query.id,
    providerName: query.provider_name,
    name: query.name,
    status: query.status,
    outcome: query.outcome,
    style: query.style,
    providerModel: query.provider_model,
    authKeyId: query.auth_key_id,
    traceId: query.trace_id,
    sessionId: query.session_id,
    fromMs: query.from,
    toMs: query.to,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** An optional time parameter, epoch milliseconds once it is read; empty is the same as absent. */
export function momentQuery(refusal: string, description: string) {
  const message = `${refusal} (RFC 3339 time with a zone, or epoch milliseconds)`;
  return textQuery(`${description}: RFC 3339, or epoch milliseconds.`)
    .transform((text) => text === undefined ? undefined : momentMs(text))
    .refine((at) => at === undefined || Number.isFinite(at), message)
    .openapi({ type: "string" });
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function momentMs(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  // A plus that was not encoded arrives as a blank.
  const time = text.replace(/ (\d\d:\d\d)$/, "+$1");
  return RFC_3339.test(time) ? Date.parse(time.replace(" ", "T").toUpperCase()) : NaN;
}
