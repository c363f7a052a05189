/** Answers of vendors, and what each one means. @module */

import type { FailureClass } from "../../src/failover/failure_class.ts";
import type { AnswerOutcome } from "../../src/failover/outcome.ts";

/** An answer with a status, without a body unless one is given. */
export function answer(
  status: number,
  body: unknown = null,
  fields: Partial<AnswerOutcome> = {},
): AnswerOutcome {
  return {
    type: "answer",
    protocol: "openai",
    status,
    headers: new Headers(),
    contentType: "application/json",
    body,
    text: body === null ? "" : JSON.stringify(body),
    ...fields,
  };
}

/** A web page instead of an answer. */
export const HTML: Partial<AnswerOutcome> = {
  contentType: "text/html; charset=utf-8",
  text: "<html>Error</html>",
};
/** An error of OpenAI. */
export const openai = (code: string | null, message = "words", type = "invalid_request_error") => ({
  error: { message, type, param: null, code },
});
const anthropic = (type: string, message = "words") => ({ type: "error", error: { type, message } });
/** An error of Gemini. */
export const gemini = (status: string, message = "words", details: unknown[] = []) => ({
  error: { code: 1, status, message, details },
});

/** What each answer means: status, body, class, reason. */
export const ANSWERS: readonly [
  what: string,
  outcome: AnswerOutcome,
  failure: FailureClass,
  reason: string,
][] = [
  // By status alone.
  ["a bare 400", answer(400), "caller_fault", "invalid_request"],
  ["a bare 405", answer(405), "caller_fault", "invalid_request"],
  ["a bare 409", answer(409), "caller_fault", "invalid_request"],
  ["a bare 411", answer(411), "caller_fault", "invalid_request"],
  ["a bare 413", answer(413), "caller_fault", "invalid_request"],
  ["a bare 415", answer(415), "caller_fault", "invalid_request"],
  ["a bare 422", answer(422), "caller_fault", "invalid_request"],
  ["a bare 401", answer(401), "credential", "key_refused"],
  ["a bare 403", answer(403), "credential", "key_refused"],
  ["a bare 402", answer(402), "quota", "payment_required"],
  ["a bare 408", answer(408), "server", "request_timeout"],
  ["a bare 410", answer(410), "no_model", "gone"],
  ["a bare 424", answer(424), "server", "server_error"],
  ["a bare 429", answer(429), "rate_limit", "rate_limited"],
  ["a bare 451", answer(451), "caller_fault", "content_refused"],
  ["a bare 498", answer(498), "overload", "overloaded"],
  ["a bare 499", answer(499), "server", "server_error"],
  ["a bare 500", answer(500), "server", "internal_error"],
  ["a bare 501", answer(501), "server", "server_error"],
  ["a bare 502", answer(502), "server", "bad_gateway"],
  ["a bare 503", answer(503), "overload", "unavailable"],
  ["a bare 504", answer(504), "server", "gateway_timeout"],
  ["a bare 529", answer(529), "overload", "overloaded"],
  ["a bare 599", answer(599), "server", "server_error"],
  ["520 with a web page", answer(520, null, HTML), "server", "cdn_error"],
  ["522 with a web page", answer(522, null, HTML), "server", "cdn_error"],
  ["524 with a web page", answer(524, null, HTML), "server", "cdn_error"],
  ["a redirect", answer(302), "bad_answer", "redirect"],
  ["a redirect that keeps the method", answer(307), "bad_answer", "redirect"],
  ["304, which nobody asked for", answer(304), "bad_answer", "redirect"],
  ["a status that is none", answer(101), "bad_answer", "unexpected_status"],
  // The caller.
  [
    "OpenAI: context too long",
    answer(400, openai("context_length_exceeded")),
    "caller_fault",
    "context_too_long",
  ],
  [
    "context too long, wrapped in a 500 by a relay",
    answer(500, openai("context_length_exceeded")),
    "caller_fault",
    "context_too_long",
  ],
  [
    "Anthropic: request too large",
    answer(413, anthropic("request_too_large")),
    "caller_fault",
    "context_too_long",
  ],
  [
    "Anthropic: prompt too long",
    answer(400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")),
    "caller_fault",
    "invalid_request",
  ],
  ["Azure: content filter", answer(400, openai("content_filter")), "caller_fault", "content_refused"],
  [
    "OpenRouter: moderation under 403",
    answer(403, { error: { code: 403, message: "flagged", metadata: { reasons: ["x"] } } }),
    "caller_fault",
    "content_refused",
  ],
  [
    "Responses: previous response gone",
    answer(400, openai("previous_response_not_found")),
    "caller_fault",
    "resource_not_found",
  ],
  [
    "Responses: item gone",
    answer(404, openai(null, "Item with id 'rs_1' not found.")),
    "caller_fault",
    "resource_not_found",
  ],
  [
    "Gemini: file of another account",
    answer(
      403,
      gemini("PERMISSION_DENIED", "You do not have permission to access the File x or it may not exist."),
    ),
    "caller_fault",
    "resource_not_found",
  ],
  ["Gemini: bad argument", answer(400, gemini("INVALID_ARGUMENT")), "caller_fault", "invalid_request"],
  [
    "OpenAI: unsupported parameter",
    answer(400, openai("unsupported_parameter")),
    "caller_fault",
    "invalid_request",
  ],
  [
    "Groq: too large for the plan under 413",
    answer(413, openai("rate_limit_exceeded", "Request too large", "tokens")),
    "caller_fault",
    "invalid_request",
  ],
  // Keys.
  ["OpenAI: invalid key", answer(401, openai("invalid_api_key")), "credential", "key_refused"],
  ["an invalid key under 400", answer(400, openai("invalid_api_key")), "credential", "key_refused"],
  [
    "Gemini: invalid key under 400",
    answer(400, gemini("INVALID_ARGUMENT", "API key not valid.", [{ reason: "API_KEY_INVALID" }])),
    "credential",
    "key_refused",
  ],
  [
    "Gemini: invalid key without details",
    answer(400, gemini("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
    "credential",
    "key_refused",
  ],
  ["Gemini: permission denied", answer(403, gemini("PERMISSION_DENIED")), "credential", "key_refused"],
  [
    "xAI: wrong key under 400",
    answer(400, { code: "Client specified an invalid argument", error: "Incorrect API key provided: xa***" }),
    "credential",
    "key_refused",
  ],
  [
    "Anthropic: authentication error",
    answer(401, anthropic("authentication_error")),
    "credential",
    "key_refused",
  ],
  [
    "Anthropic: organization disabled",
    answer(400, anthropic("invalid_request_error", "This organization has been disabled.")),
    "credential",
    "key_refused",
  ],
  [
    "OpenAI: region",
    answer(403, openai("unsupported_country_region_territory")),
    "credential",
    "region_refused",
  ],
  [
    "Gemini: region",
    answer(400, gemini("FAILED_PRECONDITION", "User location is not supported for the API use.")),
    "credential",
    "region_refused",
  ],
  ["a firewall's page under 403", answer(403, null, HTML), "bad_answer", "blocked_page"],
  ["a web server's page under 401", answer(401, null, HTML), "credential", "key_refused"],
  // Money.
  ["OpenAI: insufficient quota", answer(429, openai("insufficient_quota")), "quota", "quota_exhausted"],
  [
    "OpenAI: hard limit under 400",
    answer(400, openai("billing_hard_limit_reached")),
    "quota",
    "quota_exhausted",
  ],
  [
    "Anthropic: credit too low under 400",
    answer(400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")),
    "quota",
    "quota_exhausted",
  ],
  [
    "new-api: user quota under 403",
    answer(403, openai("insufficient_user_quota")),
    "quota",
    "quota_exhausted",
  ],
  ["Zhipu: arrears under 429", answer(429, openai("1113")), "quota", "quota_exhausted"],
  [
    "Gemini: daily quota",
    answer(429, gemini("RESOURCE_EXHAUSTED", "quota", [{ violations: [{ quotaId: "RequestsPerDay" }] }])),
    "quota",
    "daily_quota",
  ],
  // Load.
  [
    "Gemini: quota by the minute, with the text of an empty account",
    answer(429, gemini("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan")),
    "rate_limit",
    "rate_limited",
  ],
  [
    "OpenAI: rate limit",
    answer(429, openai("rate_limit_exceeded", "slow", "tokens")),
    "rate_limit",
    "rate_limited",
  ],
  [
    "Moonshot: engine overloaded under 429",
    answer(429, openai(null, "busy", "engine_overloaded_error")),
    "overload",
    "overloaded",
  ],
  ["Anthropic: overloaded", answer(529, anthropic("overloaded_error")), "overload", "overloaded"],
  ["Anthropic: overloaded under 500", answer(500, anthropic("overloaded_error")), "overload", "overloaded"],
  ["Gemini: unavailable", answer(503, gemini("UNAVAILABLE")), "overload", "overloaded"],
  // The model's name.
  ["OpenAI: model not found", answer(404, openai("model_not_found")), "no_model", "model_not_found"],
  [
    "OpenAI: no access to the model under 403",
    answer(403, openai("model_not_found")),
    "no_model",
    "model_not_found",
  ],
  [
    "Anthropic: not found",
    answer(404, anthropic("not_found_error", "model: claude-x")),
    "no_model",
    "model_not_found",
  ],
  [
    "Anthropic: file not found",
    answer(404, anthropic("not_found_error", "File not found: file_1")),
    "caller_fault",
    "resource_not_found",
  ],
  [
    "Gemini: not found",
    answer(404, gemini("NOT_FOUND", "models/x is not found for API version v1beta")),
    "no_model",
    "model_not_found",
  ],
  [
    "Mistral: invalid model under 400",
    answer(400, { object: "error", type: "invalid_model", code: "1500", message: "Invalid model: x" }),
    "no_model",
    "model_not_found",
  ],
  [
    "DeepSeek: model under 400",
    answer(400, openai("invalid_request_error", "Model Not Exist")),
    "no_model",
    "model_not_found",
  ],
  [
    "OpenRouter: model under 400",
    answer(400, { error: { code: 400, message: "x/y is not a valid model ID" } }),
    "no_model",
    "model_not_found",
  ],
  [
    "vLLM: model under 404",
    answer(404, {
      object: "error",
      type: "NotFoundError",
      code: 404,
      message: "The model `x` does not exist.",
    }),
    "no_model",
    "model_not_found",
  ],
  [
    "Ollama: model under 404",
    answer(404, openai(null, 'model "x" not found, try pulling it first', "api_error")),
    "no_model",
    "model_not_found",
  ],
  [
    "new-api: no channel under 503",
    answer(503, openai("model_not_found", "No available channel")),
    "no_model",
    "model_not_found",
  ],
  ["404 with a web page on the main route", answer(404, null, HTML), "no_model", "route_not_found"],
  [
    "404 of a framework on the main route",
    answer(404, { detail: "Not Found" }),
    "no_model",
    "route_not_found",
  ],
  ["404 without a body on the main route", answer(404), "no_model", "route_not_found"],
  [
    "OpenAI: wrong URL",
    answer(404, openai(null, "Invalid URL (POST /v1/v1/chat/completions)")),
    "no_model",
    "route_not_found",
  ],
  [
    "404 about something else",
    answer(404, openai("vector_store_not_found")),
    "caller_fault",
    "resource_not_found",
  ],
  [
    "404 with a web page on a side route",
    answer(404, null, { ...HTML, mainRoute: false }),
    "caller_fault",
    "not_found",
  ],
  [
    "Anthropic: not found on a side route",
    answer(404, anthropic("not_found_error"), { mainRoute: false }),
    "caller_fault",
    "not_found",
  ],
  ["410 on a side route", answer(410, null, { mainRoute: false }), "caller_fault", "invalid_request"],
];
