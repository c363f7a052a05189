import assert from "node:assert/strict";
import fc from "fast-check";
import { inspectGenerate } from "../../../src/protocols/gemini/inspect.ts";

type Body = Record<string, unknown>;
const parts = (...given: unknown[]): Body => ({ contents: [{ role: "user", parts: given }] });

/** Every body, and what it asks for. */
function expectAll(
  member: "tools" | "structuredOutput" | "image",
  cases: readonly (readonly [Body, boolean])[],
) {
  for (const [body, expected] of cases) {
    assert.equal(inspectGenerate(body)[member], expected, JSON.stringify(body));
  }
}

Deno.test("inspectGenerate() asks for nothing when a request is plain", () => {
  assert.deepEqual(inspectGenerate(parts({ text: "inlineData image/png" })), {
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: "",
  });
});

Deno.test("inspectGenerate() sees tools, their settings and their turns in both spellings", () => {
  expectAll("tools", [
    [{ tools: [{ functionDeclarations: [] }] }, true],
    [{ tools: { googleSearch: {} } }, true],
    [{ tools: [] }, false],
    [{ tools: null }, false],
    [{ toolConfig: {} }, true],
    [{ tool_config: { functionCallingConfig: { mode: "ANY" } } }, true],
    [{ toolConfig: null }, false],
    [parts({ text: "x" }, { functionCall: { name: "f" } }), true],
    [parts({ function_call: { name: "f" } }), true],
    [parts({ functionResponse: { name: "f" } }), true],
    [parts({ function_response: { name: "f" } }), true],
    [parts({ functionCall: null }), false],
  ]);
});

Deno.test("inspectGenerate() sees the wish for JSON or a schema wherever Google takes it", () => {
  const wishes: [Body, boolean][] = [
    [{ responseMimeType: "application/json" }, true],
    [{ response_mime_type: "Application/JSON" }, true],
    [{ responseJsonSchema: {} }, true],
    [{ response_json_schema: { type: "object" } }, true],
    [{ responseSchema: { type: "STRING" } }, true],
    [{ response_schema: {} }, true],
    [{ responseMimeType: "text/plain" }, false],
    [{ responseSchema: null }, false],
    [{ temperature: 1 }, false],
  ];
  for (const place of ["generationConfig", "generation_config", "config"]) {
    expectAll("structuredOutput", wishes.map(([config, expected]) => [{ [place]: config }, expected]));
  }
  expectAll("structuredOutput", [[{ responseSchema: {} }, false]]);
});

Deno.test("inspectGenerate() sees images, and not other media", () => {
  expectAll("image", [
    [parts({ text: "x" }, { inlineData: { mimeType: "image/png", data: "" } }), true],
    [parts({ inline_data: { mime_type: "IMAGE/jpeg", data: "" } }), true],
    [parts({ fileData: { mimeType: "image/webp", fileUri: "u" } }), true],
    [parts({ file_data: { mime_type: "image/webp", file_uri: "u" } }), true],
    [parts({ functionResponse: { parts: [{ inlineData: { mimeType: "image/png" } }] } }), true],
    [parts({ inlineData: { mimeType: "application/pdf", data: "" } }), false],
    [parts({ fileData: { fileUri: "x.png" } }), false],
    [{ contents: [{ role: "model", parts: [{ inlineData: { mimeType: "image/png" } }] }] }, true],
  ]);
});

Deno.test("inspectGenerate() reads any scalar as the session", () => {
  assert.equal(inspectGenerate({ session_id: 7 }).sessionId, "7");
  assert.equal(inspectGenerate({ session_id: {} }).sessionId, "");
});

Deno.test("inspectGenerate() never throws, whatever comes", () => {
  const names = [
    "contents",
    "tools",
    "toolConfig",
    "generationConfig",
    "session_id",
    "parts",
    "functionResponse",
  ];
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...names), fc.jsonValue()));
  fc.assert(fc.property(fc.dictionary(fc.constantFrom(...names), value), (body) => {
    inspectGenerate(body);
  }));
});
