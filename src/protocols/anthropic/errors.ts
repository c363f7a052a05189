/** Errors of the Messages API (https://docs.claude.com/en/api/errors), those of the gateway and those of providers. @module */
import { asObject, asString, type JsonObject, scalarText } from "../json_access.ts";
import type { Dialect, GatewayError, InBandError, Standing } from "../protocol.ts";

/** The documented types and the status that each comes with. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["billing_error", 402],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["request_too_large", 413],
  ["rate_limit_error", 429],
  ["api_error", 500],
  ["timeout_error", 504],
  ["overloaded_error", 529],
]);
const TYPE_OF: ReadonlyMap<number, string> = new Map(
  Array.from(STATUS_OF, ([type, status]) => [status, type]),
);

/** How callers of the Anthropic routes are told about errors. */
export const anthropicDialect: Dialect = {
  protocol: "anthropic",
  errorBody: anthropicErrorBody,
  // The SDK looks at the name of the event and throws.
  errorEvent: (error) => `event: error\ndata: ${JSON.stringify(anthropicErrorBody(error))}\n\n`,
  errorEventName: "error",
  limitHeaders,
};

/** Anthropic's headers (https://docs.claude.com/en/api/rate-limits#response-headers). */
function limitHeaders({ requests, tokens }: Standing, now: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [what, allowance] of [["requests", requests], ["tokens", tokens]] as const) {
    if (allowance === null) continue;
    headers[`anthropic-ratelimit-${what}-limit`] = String(allowance.limit);
    headers[`anthropic-ratelimit-${what}-remaining`] = String(allowance.remaining);
    headers[`anthropic-ratelimit-${what}-reset`] = new Date(now + allowance.resetMs).toISOString();
  }
  return headers;
}

/** Anthropic's error; beside it llmio's `code` and `message`, which scripts written for llmio read. */
function anthropicErrorBody(error: GatewayError): Record<string, unknown> {
  return {
    type: "error",
    error: { type: errorType(error), message: error.message },
    request_id: error.traceId === "" ? null : error.traceId,
    code: error.status,
    message: error.message,
    ...(error.traceId !== "" && { trace_id: error.traceId }),
  };
}

function errorType({ status, code }: GatewayError): string {
  // Trying again helps with a busy or stopping gateway, but not where nobody is configured.
  if (status === 503) return code === "no_provider" ? "api_error" : "overloaded_error";
  return TYPE_OF.get(status) ?? (status >= 500 ? "api_error" : "invalid_request_error");
}

/**
 * The error of an answer or event, if it is one: `{"type": "error", "error": {…}}`, or what relays make of it. A null
 * `error` beside a real answer is none.
 */
export function inBandError(body: JsonObject): InBandError | null {
  const stated = body.error ?? null;
  if (body.type !== "error" && (stated === null || stated === "")) return null;
  const error = asObject(stated);
  const type = error === null ? "" : asString(error.type);
  return {
    code: scalarText(error?.code),
    type,
    message: error === null ? scalarText(stated) || scalarText(body.message) : scalarText(error.message),
    status: STATUS_OF.get(type) ?? null,
  };
}
