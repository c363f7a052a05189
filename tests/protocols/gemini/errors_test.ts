import assert from "node:assert/strict";
import { geminiDialect } from "../../../src/protocols/gemini/errors.ts";

const error = { status: 404, code: "model_not_found", message: "no such model", traceId: "t1" };

Deno.test("geminiDialect words errors as Google does, with llmio's members beside", () => {
  assert.deepEqual(geminiDialect.errorBody(error), {
    error: {
      code: 404,
      message: "no such model",
      status: "NOT_FOUND",
      details: [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "MODEL_NOT_FOUND",
        domain: "llmio",
      }],
    },
    code: 404,
    message: "no such model",
    trace_id: "t1",
  });
  assert.equal(Object.hasOwn(geminiDialect.errorBody({ ...error, traceId: "" }), "trace_id"), false);
});

Deno.test("geminiDialect has a status name for each HTTP status", () => {
  const name = (status: number) =>
    (geminiDialect.errorBody({ ...error, status }).error as { status: string }).status;
  const names: [number, string][] = [
    [400, "INVALID_ARGUMENT"],
    [401, "UNAUTHENTICATED"],
    [403, "PERMISSION_DENIED"],
    [405, "UNIMPLEMENTED"],
    [413, "INVALID_ARGUMENT"],
    [429, "RESOURCE_EXHAUSTED"],
    [500, "INTERNAL"],
    [502, "UNAVAILABLE"],
    [503, "UNAVAILABLE"],
    [504, "DEADLINE_EXCEEDED"],
  ];
  for (const [status, expected] of names) assert.equal(name(status), expected, String(status));
});

Deno.test("geminiDialect's event is one data line", () => {
  assert.match(geminiDialect.errorEvent(error), /^data: \{"error":\{"code":404,[^\n]*\}\n\n$/);
});
