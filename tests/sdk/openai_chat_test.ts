import assert from "node:assert/strict";
import OpenAI from "openai";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { CHAT_USAGE, FRAME, okChat, okSse, textFrame } from "../upstream/fixtures.ts";
import { json, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const messages = [{ role: "user" as const, content: "hi" }];
const client = (gateway: TestGateway, path = "/v1") =>
  new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}${path}`, maxRetries: 0 });

Deno.test("openai SDK: a chat completion arrives whole, on both base URLs", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const path of ["/v1", "/openai/v1"]) {
    const answer = await client(gateway, path).chat.completions.create({ model: "m", messages });
    assert.equal(answer.choices[0]?.message.content, "Hello");
    assert.equal(answer.usage?.total_tokens, CHAT_USAGE.total_tokens);
  }
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1/chat/completions");
  assert.equal((request?.json() as { model: string }).model, "upstream-model-1");
  assert.equal(request?.header("authorization"), "Bearer sk-upstream-1-secret");
});

Deno.test("openai SDK: a stream arrives piece by piece, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const stream = await client(gateway).chat.completions.create({ model: "m", messages, stream: true });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello");
  // The client did not ask for usage, so it gets none; the gateway did, for its own books.
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
  const [row] = await gateway.logs(1);
  assert.equal(row?.prompt_tokens, CHAT_USAGE.prompt_tokens);
  assert.equal(row?.completion_tokens, CHAT_USAGE.completion_tokens);
  assert.deepEqual(row?.prompt_tokens_details, { cached_tokens: 9, audio_tokens: 0 });
  assert.equal(row?.UsageSource, "measured");
});

Deno.test("openai SDK: a client that asks for usage gets it", async () => {
  await using upstream = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const stream = await client(gateway).chat.completions.create({
    model: "m",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const usages = [];
  for await (const chunk of stream) if (chunk.usage) usages.push(chunk.usage.total_tokens);
  assert.deepEqual(usages, [CHAT_USAGE.total_tokens]);
});

Deno.test("openai SDK: tool calls go there and back", async () => {
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "weather", arguments: '{"city":"Nanjing"}' },
  };
  const choice = {
    index: 0,
    message: { role: "assistant", content: null, tool_calls: [call] },
    finish_reason: "tool_calls",
  };
  await using upstream = await ScriptedUpstream.start(
    json(200, { id: "c", object: "chat.completion", choices: [choice] }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const tools = [{
    type: "function" as const,
    function: { name: "weather", parameters: { type: "object" } },
  }];
  const answer = await client(gateway).chat.completions.create({ model: "m", messages, tools });
  assert.deepEqual(answer.choices[0]?.message.tool_calls, [call]);
  assert.deepEqual((upstream.requests[0]?.json() as { tools: unknown }).tools, tools);
});

Deno.test("openai SDK: streamed tool calls keep their pieces", async () => {
  const piece = (args: string, first = false) =>
    `data: ${
      JSON.stringify({
        choices: [{
          index: 0,
          delta: {
            tool_calls: [{
              index: 0,
              ...(first && { id: "call_1", type: "function" }),
              function: { ...(first && { name: "weather" }), arguments: args },
            }],
          },
          finish_reason: null,
        }],
      })
    }\n\n`;
  await using upstream = await ScriptedUpstream.start(
    okSse([FRAME.role, piece("", true), piece('{"city":'), piece('"Nanjing"}'), FRAME.finish, FRAME.done]),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const stream = client(gateway).chat.completions.stream({ model: "m", messages });
  const final = await stream.finalChatCompletion();
  const [tool] = final.choices[0]?.message.tool_calls ?? [];
  assert.equal(tool?.type === "function" ? tool.function.arguments : "", '{"city":"Nanjing"}');
});

Deno.test("openai SDK: a model that does not exist is a NotFoundError", async () => {
  await using gateway = await TestGateway.start();
  await assert.rejects(client(gateway).chat.completions.create({ model: "nobody", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});

Deno.test("openai SDK: a wrong key is an AuthenticationError, and nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const stranger = new OpenAI({ apiKey: "sk-wrong", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  await assert.rejects(
    stranger.chat.completions.create({ model: "m", messages }),
    OpenAI.AuthenticationError,
  );
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  assert.equal(upstream.requests.length, 0);
});

Deno.test("openai SDK: models are listed and found by name", async () => {
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ name: "org/model:free", providers: ["http://127.0.0.1:59999"] });
  await gateway.admin("POST", "/models", { name: "without-provider" });
  const names = [];
  for await (const model of client(gateway).models.list()) names.push(model.id);
  assert.deepEqual(names, ["org/model:free"]);
  assert.equal((await client(gateway).models.retrieve("org/model:free")).id, "org/model:free");
});

Deno.test("openai SDK: a provider that breaks off in mid-stream is an error, not an end", async () => {
  for (const end of ["close", "reset"] as const) {
    await using upstream = await ScriptedUpstream.start(sse([FRAME.role, FRAME.hel], { end }));
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    const stream = await client(gateway).chat.completions.create({ model: "m", messages, stream: true });
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    }, OpenAI.APIError);
    assert.equal(text, "Hel");
    const [row] = await gateway.logs(1);
    assert.equal(row?.Status, "error");
    assert.ok(row?.Outcome === "bad_answer" || row?.Outcome === "network", String(row?.Outcome));
  }
});

Deno.test("openai SDK: text of any script arrives unharmed wherever the network cuts it", async () => {
  const said = "北京 🌍 é";
  const frames = [FRAME.role, textFrame(said), FRAME.finish, FRAME.done].join("");
  await using upstream = await ScriptedUpstream.start(
    okSse(Array.from(new TextEncoder().encode(frames), (byte) => Uint8Array.of(byte))),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const stream = await client(gateway).chat.completions.create({ model: "m", messages, stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  assert.equal(text, said);
});
