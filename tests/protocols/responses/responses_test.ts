import assert from "node:assert/strict";
import fc from "fast-check";
import {
  readResponse,
  readResponseEvent,
  readStoredResponse,
  readStoredResponseEvent,
} from "../../../src/protocols/responses/answer.ts";
import { responsesDialect } from "../../../src/protocols/responses/errors.ts";
import { inspectResponses } from "../../../src/protocols/responses/inspect.ts";
import { storedResponse } from "../../../src/protocols/responses/responses.ts";
import { responseUsage } from "../../../src/protocols/responses/usage.ts";
import { RESPONSE_USAGE, responseObject } from "../../upstream/response_fixtures.ts";

const USAGE = {
  promptTokens: 31,
  completionTokens: 14,
  totalTokens: 45,
  cachedTokens: 12,
  reasoningTokens: 6,
  audioTokens: null,
};

/** What an event means, read with and without its `event` field: vendors leave it out. */
function read(type: string, fields: Record<string, unknown> = {}) {
  const data = JSON.stringify({ type, ...fields });
  const reading = readResponseEvent(type, data);
  for (const name of ["", "message"]) assert.deepEqual(readResponseEvent(name, data), reading, type);
  return reading;
}

Deno.test("inspectResponses() reads model, stream and what the request builds on", () => {
  assert.deepEqual(inspectResponses({ model: "m", stream: true, previous_response_id: "resp_1" }), {
    model: "m",
    stream: true,
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: "",
    previousAnswerId: "resp_1",
  });
  assert.ok(!("previousAnswerId" in inspectResponses({ model: "m", previous_response_id: null })));
});

Deno.test("inspectResponses() asks for tools and structured output only where there are some", () => {
  assert.equal(inspectResponses({ tools: [{ type: "web_search" }] }).tools, true);
  assert.equal(inspectResponses({ tools: [] }).tools, false);
  for (
    const [format, expected] of [
      [undefined, false],
      [null, false],
      [{ type: "text" }, false],
      [{ type: "json_object" }, false],
      [{ type: "json_schema", schema: {} }, true],
    ] as const
  ) {
    assert.equal(inspectResponses({ text: { format } }).structuredOutput, expected, JSON.stringify(format));
  }
});

Deno.test("inspectResponses() finds a picture in any item: a message, what a tool gave back, a screenshot", () => {
  const picture = { type: "input_image", image_url: "data:," };
  const items = [
    { role: "user", content: [{ type: "input_text", text: "x" }, picture] },
    { type: "message", role: "assistant", content: [picture] },
    { type: "function_call_output", call_id: "c", output: [picture] },
    { type: "computer_call_output", call_id: "c", output: { type: "computer_screenshot" } },
  ];
  for (const item of items) assert.equal(inspectResponses({ input: ["x", null, item] }).image, true);
  for (const input of ["input_image", [{ role: "user", content: "input_image" }], null, [3]]) {
    assert.equal(inspectResponses({ input }).image, false);
  }
});

Deno.test("inspectResponses() takes the session from its own field, the conversation, then the cache key", () => {
  const all = { session_id: "s", conversation: { id: "conv_1" }, prompt_cache_key: "k" };
  assert.equal(inspectResponses(all).sessionId, "s");
  assert.equal(inspectResponses({ ...all, session_id: null }).sessionId, "conv_1");
  assert.equal(inspectResponses({ conversation: "conv_2", prompt_cache_key: "k" }).sessionId, "conv_2");
  assert.equal(inspectResponses({ prompt_cache_key: "k" }).sessionId, "k");
  assert.equal(inspectResponses({ conversation: {}, prompt_cache_key: {} }).sessionId, "");
});

Deno.test("responseUsage() counts cache reads within the input, and says null for what is not told", () => {
  assert.deepEqual(responseUsage({ usage: RESPONSE_USAGE }), USAGE);
  assert.equal(responseUsage({ usage: { input_tokens: 2, output_tokens: 3 } })?.totalTokens, 5);
  assert.deepEqual(responseUsage({ usage: { input_tokens: null, output_tokens: "3" } }), {
    promptTokens: null,
    completionTokens: null,
    totalTokens: null,
    cachedTokens: null,
    audioTokens: null,
  });
  assert.equal(responseUsage({ usage: null }), undefined);
});

Deno.test("readResponseEvent() knows an announcement from what the client can see", () => {
  const part = (text: string) => ({ type: "output_text", text });
  const message = (content: unknown[]) => ({ type: "message", content });
  const call = (args: string) => ({ type: "function_call", name: "f", arguments: args });
  const cases: [string, Record<string, unknown>, string][] = [
    ["response.created", { response: responseObject({ usage: null }) }, "preamble"],
    ["response.queued", {}, "preamble"],
    ["response.in_progress", {}, "preamble"],
    ["keepalive", { sequence_number: 3 }, "preamble"],
    ["response.output_item.added", { item: message([]) }, "preamble"],
    ["response.output_item.added", { item: message([part("x")]) }, "output"],
    ["response.output_item.added", { item: { type: "reasoning", summary: [] } }, "preamble"],
    ["response.output_item.added", { item: call("") }, "preamble"],
    ["response.output_item.added", { item: call("{") }, "output"],
    ["response.output_item.added", {}, "preamble"],
    ["response.content_part.added", { part: part("") }, "preamble"],
    ["response.content_part.added", { part: part("x") }, "output"],
    ["response.reasoning_summary_part.added", { part: part("") }, "preamble"],
    ["response.reasoning_summary_text.delta", { delta: "x" }, "output"],
    ["response.output_text.delta", { delta: "x" }, "output"],
    ["response.refusal.delta", { delta: "x" }, "output"],
    ["response.function_call_arguments.delta", { delta: "{" }, "output"],
    ["response.image_generation_call.partial_image", { partial_image_b64: "AA" }, "output"],
    ["response.web_search_call.searching", {}, "output"],
    ["response.output_item.done", { item: { type: "reasoning", summary: [] } }, "preamble"],
    ["response.output_item.done", { item: message([]) }, "preamble"],
    ["response.output_item.done", { item: message([{ type: "refusal", refusal: "no" }]) }, "output"],
    ["response.output_item.done", { item: call("") }, "output"],
    ["response.output_item.done", { item: { type: "image_generation_call", result: "AA" } }, "output"],
    ["vendor.note", {}, "preamble"],
  ];
  for (const [type, fields, kind] of cases) {
    assert.equal(read(type, fields).kind, kind, `${type} ${JSON.stringify(fields)}`);
  }
});

Deno.test("readResponseEvent() knows each of the three ends, with id and figures", () => {
  const response = responseObject();
  assert.deepEqual(read("response.completed", { response }), {
    kind: "end",
    complete: true,
    holdsAnswer: true,
    usage: USAGE,
    answerId: "resp_fixture",
  });
  assert.deepEqual(read("response.incomplete", { response }), {
    kind: "end",
    complete: true,
    holdsAnswer: true,
    incomplete: true,
    usage: USAGE,
    answerId: "resp_fixture",
  });
  const failed = { ...response, status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } };
  assert.deepEqual(read("response.failed", { response: failed }), {
    kind: "error",
    error: { code: "rate_limit_exceeded", type: "", message: "slow", status: null },
    usage: USAGE,
    answerId: "resp_fixture",
  });
});

Deno.test("readResponseEvent() reads an error wherever its members stand", () => {
  const members = { code: "server_error", message: "busy" };
  for (const fields of [members, { error: { ...members } }]) {
    const { kind, error } = read("error", fields);
    assert.deepEqual([kind, error?.code, error?.message], ["error", "server_error", "busy"]);
  }
  const relayed = readResponseEvent("", JSON.stringify({ error: { message: "busy", code: 503 } }));
  assert.equal(relayed.error?.status, 503);
  assert.equal(read("error").kind, "error");
  assert.equal(read("response.failed").kind, "error");
});

Deno.test("readResponseEvent() takes no other protocol's stream for its own", () => {
  assert.equal(readResponseEvent("", '{"choices":[{"delta":{"content":"x"}}]}').kind, "junk");
  assert.equal(readResponseEvent("", "<html>").kind, "junk");
  assert.equal(readResponseEvent("", "[1]").kind, "junk");
  assert.deepEqual(readResponseEvent("", " [DONE]"), { kind: "end" });
});

Deno.test("readResponse() tells an answer from a failure and from nothing", () => {
  assert.deepEqual(readResponse(responseObject()), {
    kind: "output",
    incomplete: false,
    usage: USAGE,
    answerId: "resp_fixture",
  });
  assert.equal(readResponse(responseObject({ status: "incomplete" })).incomplete, true);
  assert.equal(readResponse(responseObject({ status: "queued", output: [], usage: null })).kind, "output");
  const failed = readResponse(responseObject({ status: "failed", error: { code: "x", message: "y" } }));
  assert.deepEqual([failed.kind, failed.error?.code, failed.error?.message], ["error", "x", "y"]);
  assert.equal(readResponse(responseObject({ status: "failed" })).kind, "error");
  assert.equal(readResponse({ error: { message: "x" } }).kind, "error");
  assert.equal(readResponse({}).kind, "empty");
  assert.equal(readResponse([]).kind, "empty");
});

Deno.test("a response that the vendor does not keep has no id to ask for it by", () => {
  const kept = responseObject({ store: true });
  assert.equal(readResponse(kept).answerId, "resp_fixture");
  const response = responseObject({ store: false });
  assert.ok(!("answerId" in readResponse(response)));
  assert.ok(!("answerId" in read("response.created", { response })));
});

Deno.test("a stored response that has failed is what was asked for, whole and as a stream", () => {
  const response = responseObject({ status: "failed", error: { code: "x", message: "y" } });
  assert.equal(readStoredResponse(response).kind, "output");
  assert.equal(readStoredResponse({ error: { message: "x" } }).kind, "error");
  const data = JSON.stringify({ type: "response.failed", response });
  assert.deepEqual(readStoredResponseEvent("response.failed", data), {
    kind: "end",
    complete: true,
    holdsAnswer: true,
    answerId: "resp_fixture",
    usage: USAGE,
  });
  assert.equal(readStoredResponseEvent("error", '{"type":"error","message":"x"}').kind, "error");
});

Deno.test("storedResponse() keeps an id within its segment of the path, and passes the query on", () => {
  const call = { pathModel: "m", query: "include[]=a&limit=2", json: {}, form: new Map() };
  assert.equal(
    storedResponse("input_items", "a/../b?c").path(call, "pm"),
    "/responses/a%2F..%2Fb%3Fc/input_items?include[]=a&limit=2",
  );
  const streams = (query: string) => storedResponse("retrieve", "r").inspect({ ...call, query }).stream;
  assert.deepEqual([streams("stream=true&starting_after=4"), streams("stream=false"), streams("")], [
    true,
    false,
    false,
  ]);
});

Deno.test("errors of the gateway have the form of the stream's own error event", () => {
  const text = responsesDialect.errorEvent({ status: 502, code: "c", message: "m", traceId: "t" });
  const [, data] = /^event: error\ndata: (.*)\n\n$/.exec(text) ?? [];
  const { kind, error } = readResponseEvent("error", data ?? "");
  assert.deepEqual([kind, error?.code, error?.message], ["error", "c", "m"]);
  assert.equal(typeof JSON.parse(data ?? "").sequence_number, "number");
});

Deno.test("the readers never throw, whatever the vendor sends", () => {
  const types = fc.constantFrom(
    "error",
    "response.completed",
    "response.failed",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.created",
    "",
  );
  const members = fc.dictionary(
    fc.constantFrom("response", "item", "part", "error", "usage", "id", "content", "type", "status", "code"),
    fc.jsonValue({ maxDepth: 3 }),
  );
  fc.assert(
    fc.property(types, members, fc.jsonValue(), fc.string(), (type, fields, value, text) => {
      const data = JSON.stringify({ ...fields, ...(type !== "" && { type }) });
      for (const each of [data, JSON.stringify(value), text]) {
        readResponseEvent(type, each);
        readStoredResponseEvent("", each);
      }
      readResponse(value);
      readStoredResponse(fields);
      inspectResponses({ input: value, text: value, tools: value, conversation: value });
    }),
    { numRuns: 500 },
  );
});
