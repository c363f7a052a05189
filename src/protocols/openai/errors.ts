/** Errors in OpenAI's shape (https://platform.openai.com/docs/guides/error-codes/api-errors). @module */
import type { Dialect, GatewayError, Standing } from "../protocol.ts";

/** How callers of the OpenAI routes are told about errors. */
export const openaiDialect: Dialect = {
  protocol: "openai",
  errorBody: openaiErrorBody,
  errorEvent: (error) => `data: ${JSON.stringify(openaiErrorBody(error))}\n\n`,
  limitHeaders: openaiLimitHeaders,
};

/** OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers). */
export function openaiLimitHeaders({ requests, tokens }: Standing): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [what, allowance] of [["requests", requests], ["tokens", tokens]] as const) {
    if (allowance === null) continue;
    headers[`x-ratelimit-limit-${what}`] = String(allowance.limit);
    headers[`x-ratelimit-remaining-${what}`] = String(allowance.remaining);
    headers[`x-ratelimit-reset-${what}`] = `${Math.ceil(allowance.resetMs / 1000)}s`;
  }
  return headers;
}

/**
 * OpenAI's `error` object; beside it llmio's `code` and `message`, which scripts written for llmio read.
 */
export function openaiErrorBody(error: GatewayError): Record<string, unknown> {
  return {
    error: { message: error.message, type: openaiErrorType(error.status), param: null, code: error.code },
    code: error.status,
    message: error.message,
    ...(error.traceId !== "" && { trace_id: error.traceId }),
  };
}

/** OpenAI's name for the kind of error that a status stands for. */
export function openaiErrorType(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}
