import assert from "node:assert/strict";
import {
  GEMINI_ANSWER,
  GEMINI_BLOCK,
  GEMINI_TOKENS,
  geminiArray,
  geminiArrayReply,
  geminiChunk,
  geminiError,
  geminiEvent,
  okGemini,
  okGeminiSse,
} from "../upstream/gemini_fixtures.ts";
import { answer, json, type Reply } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { CONTENTS, postGemini, rankedGemini, serveGemini, STREAM } from "./gemini_client.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

const SSE = `${STREAM}?alt=sse`;
const inOut = (row: Row | undefined) => [row?.prompt_tokens, row?.completion_tokens];
const cachedOf = (row: Row | undefined) =>
  (row?.prompt_tokens_details as { cached_tokens: number }).cached_tokens;

Deno.test("gemini request: the provider gets the client's very bytes, the body's own model too, but for extra_body", async () => {
  const body =
    `{ "zebra" : [1.0, 1e400, -0.0], "10":2 ,"2" :3, "big":9007199254740993, "model"\t: "m" , "dup":1,"dup":2,\n` +
    String.raw`"session_id":"s-1","contents":[ {"role":"user","parts":[{"text":"\u00e9\/\ud83d\ude00"}]}]}`;
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [upstream.url, {
    url: upstream.url,
    association: { extra_body: { "generationConfig.seed": 7 } },
  }], {
    model: { strategy: "round_robin" },
  });
  await (await postGemini(gateway, undefined, body)).body?.cancel();
  await (await postGemini(gateway, undefined, body)).body?.cancel();
  const bodies = upstream.requests.map((request) => request.text).sort((a, b) => a.length - b.length);
  assert.deepEqual(bodies, [body, `${body.slice(0, -1)},"generationConfig":{"seed":7}}`]);
  assert.equal((await gateway.logs(2))[0]?.SessionID, "s-1");
});

Deno.test("gemini answer: bytes, status and the vendor's headers pass, and usage is in the row", async () => {
  const body = JSON.stringify(GEMINI_ANSWER, null, 2).replace(
    '"index": 0',
    '"index": 0.0, "10": 9007199254740993',
  );
  await using upstream = await ScriptedUpstream.start(
    answer(200, body, {
      "content-type": "application/json; charset=UTF-8",
      "server-timing": "gfet4t7; dur=9",
    }),
  );
  await using gateway = await rankedGemini([upstream]);
  const response = await postGemini(gateway);
  assert.deepEqual([response.status, await response.text()], [200, body]);
  assert.equal(response.headers.get("server-timing"), "gfet4t7; dur=9");
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Style, row?.Outcome, row?.Name], ["gemini", "completed", "m"]);
  assert.deepEqual(inOut(row), [GEMINI_TOKENS.prompt, GEMINI_TOKENS.completion]);
  assert.deepEqual([row?.total_tokens, cachedOf(row)], [GEMINI_TOKENS.total, GEMINI_TOKENS.cached]);
});

Deno.test("gemini: a blocked prompt is an answer: unchanged, not retried, and no provider's fault", async () => {
  const body = JSON.stringify(GEMINI_BLOCK, null, 2);
  const replies: [string, Reply, string][] = [
    ["/v1beta/models/m:generateContent", answer(200, body, { "content-type": "application/json" }), body],
    [SSE, okGeminiSse([geminiEvent(GEMINI_BLOCK)]), geminiEvent(GEMINI_BLOCK)],
    [STREAM, geminiArrayReply([geminiArray([GEMINI_BLOCK])]), geminiArray([GEMINI_BLOCK])],
  ];
  await using upstream = await ScriptedUpstream.start();
  await using other = await ScriptedUpstream.start(okGemini());
  await using gateway = await rankedGemini([upstream, other]);
  for (const [path, reply, expected] of replies) {
    upstream.enqueue(reply);
    const response = await postGemini(gateway, path);
    assert.deepEqual([response.status, await response.text()], [200, expected]);
  }
  assert.deepEqual([upstream.requests.length, other.requests.length], [3, 0]);
  for (const row of await gateway.logs(3)) {
    assert.deepEqual([row.Status, row.Outcome, ...inOut(row), row.UsageSource], [
      "success",
      "incomplete",
      13,
      0,
      "measured",
    ]);
  }
});

Deno.test("gemini: a provider that is down or refuses its key is followed by the next, on every route", async () => {
  const faults = [
    geminiError(503, "UNAVAILABLE", "The model is overloaded."),
    geminiError(429, "RESOURCE_EXHAUSTED", "slow down"),
    geminiError(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
    geminiError(404, "NOT_FOUND", "models/upstream-model-1 is not found for API version v1beta"),
  ];
  const paths = ["/v1beta/models/m:generateContent", SSE, STREAM, "/v1beta/models/m:countTokens"];
  await using bad = await ScriptedUpstream.start();
  await using good = await ScriptedUpstream.start(okGemini());
  for (const [index, fault] of faults.entries()) {
    // On a side route a 404 says that the route is missing; that goes to the client.
    for (const path of index === 3 ? paths.slice(0, 3) : paths) {
      await using gateway = await rankedGemini([bad, good]);
      bad.enqueue(fault);
      assert.deepEqual(await (await postGemini(gateway, path)).json(), GEMINI_ANSWER, `${index} ${path}`);
    }
  }
});

Deno.test("gemini: an answer that is none goes to the next provider", async () => {
  const type = { "content-type": "application/json" };
  const replies: Reply[] = [
    answer(200, "<!doctype html><html></html>", { "content-type": "text/html" }),
    answer(200, "service busy", { "content-type": "text/plain" }),
    json(200, { error: { code: 500, message: "internal", status: "INTERNAL" } }),
    json(200, [{ error: { code: 500, message: "internal", status: "INTERNAL" } }]),
    answer(200, "", type),
    json(200, {}),
    json(200, { usageMetadata: { promptTokenCount: 7 } }),
  ];
  await using good = await ScriptedUpstream.start(okGemini());
  for (const reply of replies) {
    await using bad = await ScriptedUpstream.start(reply);
    await using gateway = await rankedGemini([bad, good]);
    assert.deepEqual(await (await postGemini(gateway)).json(), GEMINI_ANSWER);
    assert.deepEqual((await gateway.logs(2)).map((row) => row.Outcome), ["bad_answer", "completed"]);
  }
});

Deno.test("gemini: the vendor's refusal of a request reaches the client as it was worded, a bad key does not", async () => {
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [upstream.url], { model: { max_retry: 1 } });
  for (
    const [code, status] of [[400, "INVALID_ARGUMENT"], [404, "NOT_FOUND"], [
      429,
      "RESOURCE_EXHAUSTED",
    ]] as const
  ) {
    upstream.enqueue(geminiError(code, status, code === 404 ? "cachedContent not found" : "refused"));
    const response = await postGemini(gateway);
    assert.equal(response.status, code);
    assert.equal((await response.json()).error.status, status);
  }
  const keyFault = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }];
  await using other = await ScriptedUpstream.start(
    geminiError(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", keyFault),
  );
  await using second = await rankedGemini([other]);
  const refused = await postGemini(second);
  assert.equal(refused.status, 502);
  const { error, code, message } = await refused.json();
  assert.deepEqual([error.code, error.status, code, message], [502, "UNAVAILABLE", 502, error.message]);
  assert.equal((await second.logs(1))[0]?.Outcome, "credential");
});

Deno.test("gemini: input means the same as in other protocols, the cached part inside of it", async () => {
  const usageMetadata = {
    promptTokenCount: 80,
    cachedContentTokenCount: 62,
    candidatesTokenCount: 9,
    totalTokenCount: 89,
  };
  await using upstream = await ScriptedUpstream.start(
    json(200, geminiChunk({ parts: [{ text: "x" }], finishReason: "MAX_TOKENS", usageMetadata })),
  );
  await using gateway = await rankedGemini([upstream]);
  await (await postGemini(gateway)).body?.cancel();
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, ...inOut(row), cachedOf(row)], ["incomplete", 80, 9, 62]);
});

Deno.test("gemini: what a request needs decides who may serve it", async () => {
  await using plain = await ScriptedUpstream.start(okGemini());
  await using able = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  const none = { tool_call: false, structured_output: false, image: false };
  await serveGemini(gateway, [{ url: plain.url, association: { weight: 99, ...none } }, able.url], {
    model: { strategy: "rotor" },
  });
  const image = { inline_data: { mime_type: "image/png", data: "iVBORw0KGgo=" } };
  const needs: Record<string, unknown>[] = [
    { ...CONTENTS, tools: [{ functionDeclarations: [{ name: "f" }] }] },
    { ...CONTENTS, generationConfig: { responseSchema: { type: "STRING" } } },
    { contents: [{ role: "user", parts: [image] }] },
  ];
  for (const body of needs) await (await postGemini(gateway, undefined, body)).body?.cancel();
  await (await postGemini(gateway)).body?.cancel();
  assert.deepEqual([plain.requests.length, able.requests.length], [1, needs.length]);
  assert.deepEqual((able.requests[2]?.json() as { contents: unknown }).contents, [{
    role: "user",
    parts: [image],
  }]);
});
