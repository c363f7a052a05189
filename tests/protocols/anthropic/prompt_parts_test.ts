import assert from "node:assert/strict";
import fc from "fast-check";
import { promptParts } from "../../../src/protocols/anthropic/prompt_parts.ts";

Deno.test("promptParts() finds all text: system, messages, tool calls, results and tools", () => {
  const { text, images, frames } = promptParts({
    system: [{ type: "text", text: "be brief" }],
    messages: [
      { role: "user", content: "question" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "not charged", signature: "s" },
          { type: "tool_use", id: "t", name: "search", input: { query: "needle" } },
        ],
      },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "found" }] }],
      },
    ],
    tools: [{ name: "search", description: "looks things up", input_schema: { type: "object" } }],
  });
  for (const part of ["be brief", "question", "search", '{"query":"needle"}', "found", "looks things up"]) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(!text.includes("not charged"));
  assert.deepEqual([images, frames], [0, 5]);
});

Deno.test("promptParts() counts pictures and pages, not the bytes that they are sent as", () => {
  const data = "A".repeat(250_000);
  const image = { type: "image", source: { type: "base64", data } };
  const { text, images } = promptParts({
    messages: [{
      content: [
        image,
        { type: "tool_result", content: [image] },
        {
          type: "document",
          title: "report",
          source: { type: "base64", media_type: "application/pdf", data },
        },
        { type: "document", source: { type: "text", data: "plain" } },
        { type: "document", source: { type: "content", content: [{ type: "text", text: "inner" }, image] } },
      ],
    }],
  });
  assert.equal(images, 1 + 1 + 3 + 1);
  assert.ok(text.length < 100, String(text.length));
  for (const part of ["report", "plain", "inner"]) assert.ok(text.includes(part), part);
});

Deno.test("promptParts() takes any JSON object apart without a throw", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
    assert.ok(promptParts(body).frames >= 0);
  }));
  fc.assert(fc.property(fc.array(fc.jsonValue()), (messages) => {
    assert.ok(promptParts({ messages, tools: messages, system: messages }).frames >= messages.length);
  }));
});
