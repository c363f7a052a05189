/**
 * What vendors mean by their errors: the one table of reasons.
 *
 * Rules are tried from the top; the first that matches decides. Names come first, since a vendor's own code is exact;
 * then a few texts, for vendors that have no code for what they say; then the bare status, which always matches.
 *
 * What a loose match would break:
 * - too much `caller_fault`: a broken provider is shown to the client although another one would have answered;
 * - too little: one client's mistake is tried on every account and wears out good providers;
 * - too much `credential` or `quota`: a good key is put away for hours. So a text counts only with the status that the
 *   vendor sends it with, and only where a caller's own words cannot get into it.
 *
 * @module
 */

import type { Rule, StatusRange } from "./rule.ts";
import { BY_STATUS } from "./status_rules.ts";

/** The status of an error inside a 2xx answer that states none. */
export const IN_BAND = 200;

const ANY: readonly StatusRange[] = [[0, 999]];
const CLIENT: readonly StatusRange[] = [[IN_BAND, IN_BAND], [400, 499]];

/** Rules by the vendor's own names. Those of an error inside an answer are read here too. */
const BY_NAME: readonly Rule[] = [
  // --- the caller's request -------------------------------------------------------------------------------------
  {
    reason: "context_too_long",
    class: "caller_fault",
    on: ANY,
    names: ["context_length_exceeded", "string_above_max_length", "request_too_large"],
    why: "OpenAI 400, Anthropic 413; some relays wrap it in a 500. The same prompt is too long everywhere.",
  },
  {
    reason: "content_refused",
    class: "caller_fault",
    on: ANY,
    names: [
      "content_filter",
      "content_policy_violation",
      "responsibleaipolicyviolation",
      "image_content_policy_violation",
      "moderation_blocked",
      "invalid_prompt",
      "data_inspection_failed",
      "sensitive_words_detected",
      "metadata.reasons",
      "1301",
    ],
    why:
      "OpenAI, Azure (innererror), Responses, DashScope, new-api, OpenRouter (403), Zhipu. The caller must hear it; going " +
      "round the refusal by way of other accounts gets those suspended.",
  },
  {
    reason: "resource_not_found",
    class: "caller_fault",
    on: ANY,
    names: ["previous_response_not_found", "invalid_encrypted_content"],
    why:
      "Responses: the caller refers to something that only the account that made it knows. The strategy `sticky` keeps " +
      "such sessions on one account.",
  },
  {
    reason: "resource_not_found",
    class: "caller_fault",
    on: [[403, 404]],
    message:
      /^(?:you do not have permission to access the file|cachedcontent not found|file not found|(?:item|previous response) with id)/i,
    why:
      "Gemini answers 403 PERMISSION_DENIED for a file or cache that is gone; Anthropic and OpenAI 404. It is the " +
      "reference that is wrong, not the key and not the model.",
  },
  // --- money ----------------------------------------------------------------------------------------------------
  {
    reason: "quota_exhausted",
    class: "quota",
    on: CLIENT,
    names: [
      "insufficient_quota",
      "billing_hard_limit_reached",
      "billing_not_active",
      "billing_error",
      "insufficient_user_quota",
      "pre_consume_token_quota_failed",
      "exceeded_current_quota_error",
      "insufficient_balance",
      "arrearage",
      "1113",
      "1308",
      "1310",
    ],
    why:
      "OpenAI (429, and 400 for the hard limit), Anthropic 402, one-api and new-api 403, Moonshot 429, DashScope " +
      "400, Zhipu 429. Waiting a minute does not refill an account.",
  },
  {
    reason: "daily_quota",
    class: "quota",
    on: [[429, 429]],
    dailyQuota: true,
    why:
      "Gemini 429 with a QuotaFailure whose quotaId says PerDay. Its RetryInfo still asks for seconds, which only " +
      "brings the next 429, so that time is not used.",
  },
  // --- the model's name -----------------------------------------------------------------------------------------
  {
    reason: "model_not_found",
    class: "no_model",
    on: ANY,
    names: [
      "model_not_found",
      "deploymentnotfound",
      "invalid_model",
      "unknown_model",
      "model_decommissioned",
      "model_permission_blocked_org",
      "model_permission_blocked_project",
      "invalidendpointormodel.notfound",
      "modelnotopen",
      "1211",
    ],
    why:
      "OpenAI 404 and 403, Azure 404, Mistral 400, GitHub Models 400, Groq 400 and 403, Volcengine 404, Zhipu 400, new-api 503 " +
      "(no channel for the model). The client asked for the public name; the upstream one is the operator's.",
  },
  {
    reason: "model_not_found",
    class: "no_model",
    on: [[IN_BAND, IN_BAND], [404, 404]],
    names: ["not_found_error", "notfounderror", "not_found"],
    mainRoute: true,
    why: "Anthropic, vLLM and Gemini name the kind only; on the main route the thing not found is the model.",
  },
  // --- the key --------------------------------------------------------------------------------------------------
  {
    reason: "region_refused",
    class: "credential",
    on: CLIENT,
    names: ["unsupported_country_region_territory"],
    why: "OpenAI 403. Nothing that this account is asked from here will work.",
  },
  {
    reason: "key_refused",
    class: "credential",
    on: CLIENT,
    names: [
      "invalid_api_key",
      "api_key_invalid",
      "api_key_expired",
      "api_key_service_blocked",
      "api_key_http_referrer_blocked",
      "api_key_ip_address_blocked",
      "consumer_suspended",
      "service_disabled",
      "authentication_error",
      "invalid_authentication_error",
      "incorrect_api_key_error",
      "invalid_iam_token",
      "account_deactivated",
      "unauthenticated",
      "permission_denied",
      "permission_error",
    ],
    why: "OpenAI, Anthropic, Gemini (ErrorInfo reasons; API_KEY_INVALID comes with 400), Moonshot.",
  },
  // --- load -----------------------------------------------------------------------------------------------------
  {
    reason: "overloaded",
    class: "overload",
    on: [[IN_BAND, IN_BAND], [429, 429], [500, 599]],
    names: [
      "overloaded_error",
      "engine_overloaded_error",
      "engine_overloaded",
      "server_is_overloaded",
      "slow_down",
    ],
    why:
      "Anthropic 529, OpenAI 503, Moonshot 429. The vendor as a whole is busy: another key would not help.",
  },
  {
    reason: "overloaded",
    class: "overload",
    on: [[IN_BAND, IN_BAND], [500, 599]],
    names: ["unavailable"],
    why: 'Gemini UNAVAILABLE: "The model is overloaded".',
  },
  {
    reason: "rate_limited",
    class: "rate_limit",
    on: [[IN_BAND, IN_BAND], [429, 429]],
    names: [
      "rate_limit_exceeded",
      "rate_limit_error",
      "rate_limit_reached_error",
      "resource_exhausted",
      "too_many_requests",
    ],
    why:
      "OpenAI, Anthropic, Moonshot, Gemini. Not on 413: there Groq means a request too large for the plan.",
  },
  // --- the caller's request, told inside a 2xx answer -----------------------------------------------------------
  {
    reason: "invalid_request",
    class: "caller_fault",
    on: [[IN_BAND, IN_BAND], [400, 499]],
    names: [
      "unsupported_parameter",
      "unsupported_value",
      "missing_required_parameter",
      "invalid_image",
      "invalid_image_format",
      "invalid_base64_image",
      "invalid_image_url",
      "image_too_large",
      "image_too_small",
      "image_parse_error",
      "invalid_image_mode",
      "image_file_too_large",
      "unsupported_image_media_type",
      "empty_image_file",
      "failed_to_download_image",
      "image_file_not_found",
    ],
    why: "OpenAI 400; Responses says these in `response.failed` under 200, where they mean the same.",
  },
  {
    reason: "invalid_request",
    class: "caller_fault",
    on: [[IN_BAND, IN_BAND]],
    names: ["invalid_request_error", "invalid_argument"],
    why:
      "The kind that 400 has as a real status. Only here: OpenAI uses it as the type of 401, 404 and 429 too.",
  },
];

/** Rules by text, for what has no name. Each is bound to the status that the vendor sends it with. */
const BY_MESSAGE: readonly Rule[] = [
  {
    reason: "quota_exhausted",
    class: "quota",
    on: [[400, 400]],
    message: /^your credit balance is too low/i,
    why: "Anthropic sends this as a 400 invalid_request_error.",
  },
  {
    reason: "key_refused",
    class: "credential",
    on: [[400, 400]],
    message:
      /^(?:api key not valid|api key expired|incorrect api key provided|this organization has been disabled)/i,
    why:
      "Gemini without details, xAI, Anthropic. A bad key under 400 would otherwise be shown to every client.",
  },
  {
    reason: "region_refused",
    class: "credential",
    on: [[400, 400]],
    message: /^user location is not supported/i,
    why: "Gemini 400 FAILED_PRECONDITION: where the gateway runs, not what the caller asked.",
  },
  {
    reason: "model_not_found",
    class: "no_model",
    on: [[400, 400]],
    message:
      /^(?:the )?model [^ ]{1,200} (?:does not exist|not found)|^model not exist|^[^ ]{1,200} is not a valid model id|^invalid model name passed in/i,
    why: "vLLM and Ollama relays, DeepSeek, OpenRouter, LiteLLM: 400 without a name for it.",
  },
  {
    reason: "model_not_found",
    class: "no_model",
    on: [[404, 404]],
    message: /\bmodel\b.{0,250}(?:not found|not exist|no access|not have access|not supported)/i,
    mainRoute: true,
    why:
      "Ollama, vLLM, Gemini and OpenAI's older texts. Looser than above: a 404 can hardly be about anything else.",
  },
  {
    reason: "route_not_found",
    class: "no_model",
    on: [[404, 404]],
    message: /^invalid url|^unknown request url/i,
    mainRoute: true,
    why: "OpenAI and Groq: the base URL is wrong. See the unstructured 404 below.",
  },
];

/** The table. */
export const RULES: readonly Rule[] = [...BY_NAME, ...BY_MESSAGE, ...BY_STATUS];
