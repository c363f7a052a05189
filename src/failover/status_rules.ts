/** What a bare HTTP status means: the end of the table of reasons (see `vendor_errors.ts`). @module */

import type { Rule } from "./rule.ts";

/** The rules, down to one that always matches. */
export const BY_STATUS: readonly Rule[] = [
  {
    reason: "redirect",
    class: "bad_answer",
    on: [[300, 399]],
    why: "Never followed: it would carry the key away.",
  },
  {
    reason: "not_found",
    class: "caller_fault",
    on: [[404, 404]],
    mainRoute: false,
    why:
      "A side route that this provider does not have, or a path that the client made up: nobody's failure.",
  },
  {
    reason: "resource_not_found",
    class: "caller_fault",
    on: [[404, 404]],
    structured: true,
    why: "The vendor understood the request and misses something that it refers to, other than the model.",
  },
  {
    reason: "route_not_found",
    class: "no_model",
    on: [[404, 404]],
    why:
      'A web page, an empty body or a framework\'s "Not Found" on the main route, whose path the client cannot ' +
      "choose: the provider's base URL or an association is wrong. So the next provider is asked; this association " +
      "cools, the provider's health is untouched, and no further round repeats it.",
  },
  {
    reason: "gone",
    class: "no_model",
    on: [[410, 410]],
    mainRoute: true,
    why: "Model hosts use it for models that they have retired.",
  },
  {
    reason: "key_refused",
    class: "credential",
    on: [[401, 401]],
    why: "RFC 9110: the credentials were refused.",
  },
  {
    reason: "payment_required",
    class: "quota",
    on: [[402, 402]],
    why: "DeepSeek, OpenRouter, Anthropic: no credit.",
  },
  {
    reason: "blocked_page",
    class: "bad_answer",
    on: [[403, 403]],
    html: true,
    why:
      "A firewall's web page before the vendor, not the vendor's word on the key: a moment's challenge must not put " +
      "every key of the pool away.",
  },
  {
    reason: "key_refused",
    class: "credential",
    on: [[403, 403]],
    why: "The key may not do this; another may.",
  },
  { reason: "request_timeout", class: "server", on: [[408, 408]], why: "The vendor's own time ran out." },
  {
    reason: "server_error",
    class: "server",
    on: [[424, 425], [499, 499]],
    why:
      "424: a vendor's model backend failed. 425: too early. 499: something upstream hung up; our client did not.",
  },
  { reason: "rate_limited", class: "rate_limit", on: [[429, 429]], why: "RFC 6585, and every vendor." },
  {
    reason: "overloaded",
    class: "overload",
    on: [[498, 498]],
    why: "Groq: capacity of the flex tier exceeded. https://console.groq.com/docs/errors",
  },
  {
    reason: "content_refused",
    class: "caller_fault",
    on: [[451, 451]],
    why: "StepFun refuses content with it.",
  },
  {
    reason: "invalid_request",
    class: "caller_fault",
    on: [[400, 499]],
    why: "The rest of 4xx says that the request is wrong, and it would be wrong elsewhere.",
  },
  {
    reason: "internal_error",
    class: "server",
    on: [[500, 500]],
    why: "Often of this one request or moment.",
  },
  { reason: "bad_gateway", class: "server", on: [[502, 502]], why: "The vendor's front has no backend." },
  {
    reason: "unavailable",
    class: "overload",
    on: [[503, 503]],
    why: "RFC 9110: overloaded or in maintenance.",
  },
  { reason: "gateway_timeout", class: "server", on: [[504, 504]], why: "The vendor's backend was too slow." },
  {
    reason: "cdn_error",
    class: "server",
    on: [[520, 527], [530, 530]],
    why:
      "Cloudflare cannot reach the vendor. https://developers.cloudflare.com/support/troubleshooting/http-status-codes/",
  },
  {
    reason: "overloaded",
    class: "overload",
    on: [[529, 529]],
    why: "Anthropic. https://docs.anthropic.com/en/api/errors",
  },
  { reason: "server_error", class: "server", on: [[500, 599]], why: "RFC 9110: unknown 5xx are like 500." },
  {
    reason: "unexpected_status",
    class: "bad_answer",
    on: [[0, 999]],
    why: "No status that ends an exchange, and no success.",
  },
];
