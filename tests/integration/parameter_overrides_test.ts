/** Members that a provider forces on the requests to it. @module */
import assert from "node:assert/strict";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { okGemini } from "../upstream/gemini_fixtures.ts";
import { json } from "../upstream/replies.ts";
import { okResponse } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { CONTENTS, postGemini, serveGemini } from "./gemini_client.ts";
import { postMessage, serveMessages } from "./messages_client.ts";
import { call, respond, responsesProvider } from "./openai_client.ts";
import { TestGateway } from "./test_gateway.ts";

const overriding = (parameter_overrides: Record<string, unknown>) => ({ parameter_overrides });

Deno.test("overrides replace a member where it stands, or are added; every other byte stays", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{
      url: upstream.url,
      provider: overriding({ temperature: 0.5, "a.b": [1, { c: null }], user: { "1": 2 } }),
    }],
  });
  const response = await gateway.chat(
    '{ "model" : "m","seed":12345678901234567890, "temperature" : 2 ,"user":"u","2":0,"1":0 }',
  );
  await response.body?.cancel();
  assert.equal(
    upstream.requests[0]?.text,
    '{ "model" : "upstream-model-1","seed":12345678901234567890, "temperature" : 0.5 ,"user":{"1":2},"2":0,"1":0 ' +
      ',"a.b":[1,{"c":null}]}',
  );
});

Deno.test("the association's extra_body has the last word over the provider's overrides", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{
      url: upstream.url,
      provider: overriding({ temperature: 0, thinking: { type: "off", budget: 1 } }),
      association: { extra_body: { temperature: 1, "thinking.budget": 9 } },
    }],
  });
  await (await gateway.chat({})).body?.cancel();
  const { temperature, thinking } = upstream.requests[0]?.json() as Record<string, unknown>;
  assert.deepEqual([temperature, thinking], [1, { type: "off", budget: 9 }]);
});

Deno.test("overrides of a provider that failed are not in the request to the next one", async () => {
  await using bad = await ScriptedUpstream.start(json(500, { error: { message: "boom" } }));
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [
      { url: bad.url, provider: { priority: 1, ...overriding({ temperature: 0, top_k: 1 }) } },
      { url: good.url, provider: overriding({ top_p: 0.5 }) },
    ],
  });
  await (await gateway.chat({ temperature: 2 })).body?.cancel();
  const asked = [bad, good].map(({ requests }) => {
    const { temperature, top_k, top_p } = requests[0]?.json() as Record<string, unknown>;
    return [temperature, top_k, top_p];
  });
  assert.deepEqual(asked, [[0, 1, undefined], [2, undefined, 0.5]]);
});

Deno.test("overrides apply to all main operations, and to no side operation", async () => {
  await using chat = await ScriptedUpstream.start(() => json(200, { object: "list", data: [] }));
  await using responses = await ScriptedUpstream.start(() => okResponse());
  await using messages = await ScriptedUpstream.start(({ target }) =>
    target.endsWith("count_tokens") ? json(200, { input_tokens: 1 }) : okMessage()
  );
  await using gemini = await ScriptedUpstream.start(({ target }) =>
    target.includes("countTokens") ? json(200, { totalTokens: 1 }) : okGemini()
  );
  await using gateway = await TestGateway.start();
  const provider = overriding({ top_k: 3 });
  await gateway.serveModel({ name: "m", providers: [responsesProvider(responses.url, { provider })] });
  await gateway.serveModel({ name: "c", providers: [{ url: chat.url, provider }] });
  await serveMessages(gateway, [{ url: messages.url, provider }], { name: "a" });
  await serveGemini(gateway, [{ url: gemini.url, provider }], { name: "g" });
  for (
    const answered of [
      respond(gateway),
      respond(gateway, { stream: true }),
      postMessage(gateway, { model: "a" }),
      postMessage(gateway, { model: "a" }, { path: "/v1/messages/count_tokens" }),
      postGemini(gateway, "/v1beta/models/g:generateContent"),
      postGemini(gateway, "/v1beta/models/g:countTokens", CONTENTS),
      call(gateway, "POST", "/embeddings", { model: "c", input: "x" }),
    ]
  ) await (await answered).body?.cancel();
  const forced = [responses, messages, gemini, chat].map(({ requests }) =>
    requests.map((request) => (request.json() as { top_k?: number }).top_k)
  );
  assert.deepEqual(forced, [[3, 3], [3, undefined], [3, undefined], [undefined]]);
});

Deno.test("a stream is metered although an override leaves its usage out", async () => {
  await using upstream = await ScriptedUpstream.start(
    okSse(OK_SSE.filter((frame) => !frame.includes("usage"))),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{ url: upstream.url, provider: overriding({ stream_options: { include_usage: false } }) }],
  });
  const text = await (await gateway.chat({ stream: true })).text();
  assert.ok(text.endsWith("data: [DONE]\n\n"));
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, row?.UsageSource], ["completed", "estimated"]);
});
