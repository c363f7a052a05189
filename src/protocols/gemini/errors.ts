/** Errors in Google's shape (https://cloud.google.com/apis/design/errors#http_mapping). @module */
import { openaiLimitHeaders } from "../openai/errors.ts";
import type { Dialect, GatewayError } from "../protocol.ts";

/** How callers of the Gemini routes are told about errors. */
export const geminiDialect: Dialect = {
  protocol: "gemini",
  errorBody: geminiErrorBody,
  // Google's SDKs throw on an event whose data is an error with a number as its code.
  errorEvent: (error) => `data: ${JSON.stringify(geminiErrorBody(error))}\n\n`,
  // Google tells limits in no headers; these are what proxies and tools know best.
  limitHeaders: openaiLimitHeaders,
};

/**
 * Google's `error` object, with the gateway's stable code as an ErrorInfo; beside it llmio's `code` and `message`,
 * which scripts written for llmio read.
 */
function geminiErrorBody(error: GatewayError): Record<string, unknown> {
  return {
    error: {
      code: error.status,
      message: error.message,
      status: statusName(error.status),
      details: [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: error.code.toUpperCase(),
        domain: "llmio",
      }],
    },
    code: error.status,
    message: error.message,
    ...(error.traceId !== "" && { trace_id: error.traceId }),
  };
}

function statusName(status: number): string {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 405:
    case 501:
      return "UNIMPLEMENTED";
    case 409:
      return "ABORTED";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 500:
      return "INTERNAL";
    case 504:
      return "DEADLINE_EXCEEDED";
    default:
      return status >= 500 ? "UNAVAILABLE" : "INVALID_ARGUMENT";
  }
}
