/** Errors for callers of the Responses API. @module */
import type { Dialect, GatewayError } from "../protocol.ts";
import { openaiErrorBody, openaiErrorType, openaiLimitHeaders } from "../openai/errors.ts";

/** How callers of the Responses routes are told about errors. */
export const responsesDialect: Dialect = {
  protocol: "openai-res",
  errorBody: openaiErrorBody,
  errorEvent,
  errorEventName: "error",
  limitHeaders: openaiLimitHeaders,
};

/**
 * The stream's `error` event (https://platform.openai.com/docs/api-reference/responses-streaming/error). Its readers
 * differ in whether they look for the members in the event or in an `error` object in it, so they stand in both.
 */
function errorEvent({ status, code, message, traceId }: GatewayError): string {
  const error = { type: openaiErrorType(status), code, message, param: null };
  const event = {
    type: "error",
    // How far the provider's own numbers went is not kept; a client that resumes begins anew.
    sequence_number: 0,
    code,
    message,
    param: null,
    error,
    ...(traceId !== "" && { trace_id: traceId }),
  };
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
}
