import assert from "node:assert/strict";
import fc from "fast-check";
import { inspectCount, inspectMessage } from "../../../src/protocols/anthropic/inspect.ts";

Deno.test("inspectMessage() reads model, stream and session", () => {
  assert.deepEqual(inspectMessage({ model: "m", stream: true, session_id: 7 }), {
    model: "m",
    stream: true,
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: "7",
  });
  assert.deepEqual([inspectMessage({}).model, inspectMessage({ model: 3 }).model], ["", ""]);
  assert.equal(inspectMessage({ stream: false }).stream, false);
});

Deno.test("inspectMessage() asks for tools only when there are some, and not for structured output with them", () => {
  for (const [tools, expected] of [[[], false], [null, false], [[{ name: "f" }], true]] as const) {
    const { tools: needed, structuredOutput } = inspectMessage({ tools });
    assert.deepEqual([needed, structuredOutput], [expected, false], JSON.stringify(tools));
  }
  assert.equal(inspectMessage({ mcp_servers: [{ url: "https://tools.example" }] }).tools, true);
});

Deno.test("inspectMessage() asks for structured output where the answer has a schema, in both spellings", () => {
  const format = { type: "json_schema", schema: {} };
  assert.equal(inspectMessage({ output_config: { format } }).structuredOutput, true);
  assert.equal(inspectMessage({ output_format: format }).structuredOutput, true);
  for (const output_config of [null, {}, { effort: "low" }, { format: null }, { format: { type: "text" } }]) {
    assert.equal(inspectMessage({ output_config }).structuredOutput, false, JSON.stringify(output_config));
  }
});

Deno.test("inspectMessage() finds an image in any message, in tool results and in documents of blocks", () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AA==" } };
  const contents: unknown[] = [
    [{ type: "text", text: "x" }, image],
    [{ type: "tool_result", tool_use_id: "t", content: [image] }],
    [{ type: "document", source: { type: "content", content: [image] } }],
  ];
  for (const content of contents) {
    for (const role of ["user", "assistant"]) {
      assert.equal(inspectMessage({ messages: [{ role, content }] }).image, true, JSON.stringify(content));
    }
  }
  const others = [
    "image",
    [{ type: "document", source: { type: "url", url: "https://a.example/b.pdf" } }],
    null,
  ];
  for (const content of others) assert.equal(inspectMessage({ messages: [{ content }, 3] }).image, false);
});

Deno.test("inspectMessage() finds the session that Claude Code names, in the form of each version", () => {
  const session = "1c9d3a52-6a0e-4f7c-9a51-0b8e3f1d2c44";
  const users: [unknown, string][] = [
    [`user_${"ab".repeat(32)}_account__session_${session}`, session],
    [`user_${"ab".repeat(32)}_account_11111111-2222_session_${session}`, session],
    [JSON.stringify({ device_id: "d", account_uuid: "", session_id: session }), session],
    [JSON.stringify({ device_id: "d" }), ""],
    ["{broken", ""],
    ["somebody", ""],
    [null, ""],
    [7, ""],
  ];
  for (const [user_id, expected] of users) {
    assert.equal(inspectMessage({ metadata: { user_id } }).sessionId, expected, String(user_id));
  }
  assert.equal(inspectMessage({ session_id: "own", metadata: { user_id: users[0]?.[0] } }).sessionId, "own");
});

Deno.test("inspectCount() needs nothing of a model but the protocol", () => {
  const body = {
    model: "m",
    tools: [{}],
    output_config: { format: { type: "json_schema" } },
    messages: [{ content: [{ type: "image" }] }],
  };
  const { model, tools, structuredOutput, image, stream } = inspectCount(body);
  assert.deepEqual([model, tools, structuredOutput, image, stream], ["m", false, false, false, false]);
});

Deno.test("inspectMessage() reads any JSON object without a throw", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
    assert.equal(typeof inspectMessage(body).model, "string");
    assert.equal(typeof inspectCount(body).sessionId, "string");
  }));
});
