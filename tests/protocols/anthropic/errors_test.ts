import assert from "node:assert/strict";
import { anthropicDialect } from "../../../src/protocols/anthropic/errors.ts";
import type { GatewayError } from "../../../src/protocols/protocol.ts";

const error = (status: number, code = "some_code"): GatewayError => ({
  status,
  code,
  message: "what is wrong",
  traceId: "t1",
});

Deno.test("anthropicDialect words errors as Anthropic does, and keeps llmio's members beside", () => {
  assert.deepEqual(anthropicDialect.errorBody(error(404)), {
    type: "error",
    error: { type: "not_found_error", message: "what is wrong" },
    request_id: "t1",
    code: 404,
    message: "what is wrong",
    trace_id: "t1",
  });
  const early = anthropicDialect.errorBody({ ...error(401), traceId: "" });
  assert.deepEqual([early.request_id, "trace_id" in early], [null, false]);
});

Deno.test("anthropicDialect chooses the error type by the status", () => {
  const types: [number, string][] = [
    [400, "invalid_request_error"],
    [401, "authentication_error"],
    [403, "permission_error"],
    [404, "not_found_error"],
    [405, "invalid_request_error"],
    [413, "request_too_large"],
    [415, "invalid_request_error"],
    [429, "rate_limit_error"],
    [500, "api_error"],
    [502, "api_error"],
    [503, "overloaded_error"],
    [504, "timeout_error"],
    [529, "overloaded_error"],
  ];
  for (const [status, type] of types) {
    assert.equal(
      (anthropicDialect.errorBody(error(status)).error as { type: string }).type,
      type,
      String(status),
    );
  }
  const nobody = anthropicDialect.errorBody(error(503, "no_provider"));
  assert.equal((nobody.error as { type: string }).type, "api_error");
});

Deno.test("anthropicDialect tells an open stream by an event named error", () => {
  const text = anthropicDialect.errorEvent(error(502));
  assert.match(text, /^event: error\ndata: \{"type":"error","error":\{"type":"api_error",.*\}\n\n$/);
});
