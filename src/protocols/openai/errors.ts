/** Errors in OpenAI's shape (https://platform.openai.com/docs/guides/error-codes/api-errors). @module */
import type { Dialect, GatewayError } from "../protocol.ts";

/** How callers of the OpenAI routes are told about errors. */
export const openaiDialect: Dialect = {
  protocol: "openai",
  errorBody: openaiErrorBody,
  errorEvent: (error) => `data: ${JSON.stringify(openaiErrorBody(error))}\n\n`,
};

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
