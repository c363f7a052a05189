import assert from "node:assert/strict";
import { clientPath } from "../../src/gateway/client_path.ts";

Deno.test("clientPath() takes doubled slashes and a last one for a slip, but not within a model's name", () => {
  const cases: [string, string][] = [
    ["/v1/responses", "/v1/responses"],
    ["/v1/responses/", "/v1/responses"],
    ["//v1/messages", "/v1/messages"],
    ["/v1//chat/completions//?x=//", "/v1/chat/completions"],
    ["/", "/"],
    ["//", "/"],
    ["/v1/models/", "/v1/models"],
    ["//v1//models/org//name/", "/v1/models/org//name/"],
    ["/v1beta/models/a//b:generateContent", "/v1beta/models/a//b:generateContent"],
  ];
  for (const [path, expected] of cases) {
    assert.equal(clientPath(new Request(`http://127.0.0.1:7070${path}`)), expected, path);
  }
});
