import assert from "node:assert/strict";
import { passableRequestHeaders, responseHeaders } from "../../src/gateway/headers.ts";

const passed = (given: Record<string, string>) =>
  Object.fromEntries(passableRequestHeaders(new Headers(given)));

Deno.test("passableRequestHeaders() keeps what speaks to the vendor", () => {
  const headers = {
    "anthropic-beta": "a,b",
    "openai-beta": "assistants=v2",
    "idempotency-key": "k",
    "user-agent": "x",
    "x-stainless-os": "Linux",
    "x-custom": "1",
  };
  assert.deepEqual(passed(headers), headers);
});

Deno.test("passableRequestHeaders() drops credentials, cookies, framing, hop-by-hop headers and those that Connection names", () => {
  assert.deepEqual(
    passed({
      authorization: "Bearer x",
      "x-api-key": "x",
      "x-goog-api-key": "x",
      "api-key": "x",
      cookie: "x",
      "proxy-authorization": "x",
      "accept-encoding": "gzip",
      "content-encoding": "gzip",
      te: "trailers",
      "x-forwarded-for": "1.2.3.4",
      "x-forwarded-host": "h",
      forwarded: "for=1",
      "sec-fetch-mode": "cors",
      origin: "https://a",
      connection: "keep-alive, X-Hop",
      "x-hop": "1",
      "X-Kept": "1",
    }),
    { "x-kept": "1" },
  );
});

Deno.test("responseHeaders() keeps request ids, limits and retry times, and drops what is for the gateway", () => {
  const headers = responseHeaders(
    new Headers({
      "x-request-id": "r",
      "retry-after": "7",
      "x-ratelimit-limit-requests": "9",
      "content-type": "application/json",
      "set-cookie": "a=b",
      "content-length": "5",
      "content-encoding": "gzip",
      "transfer-encoding": "chunked",
      "strict-transport-security": "x",
      "access-control-allow-origin": "*",
      connection: "x-hop",
      "x-hop": "1",
    }),
  );
  assert.deepEqual(headers, {
    "content-type": "application/json",
    "retry-after": "7",
    "x-ratelimit-limit-requests": "9",
    "x-request-id": "r",
  });
});
