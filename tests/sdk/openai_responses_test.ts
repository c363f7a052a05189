import assert from "node:assert/strict";
import OpenAI from "openai";
import { responsesProvider } from "../integration/openai_client.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { answer, byteByByte, json, sse } from "../upstream/replies.ts";
import {
  EVENT,
  OK_RESPONSE_SSE,
  okResponse,
  okResponseSse,
  RESPONSE_USAGE,
  responseEvent,
  responseEvents,
  responseObject,
} from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const client = (gateway: TestGateway, path = "/v1") =>
  new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}${path}`, maxRetries: 0 });

const ask = { model: "m", input: "hi" } as const;

Deno.test("openai SDK, Responses: an answer arrives whole, on both base URLs, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  for (const path of ["/v1", "/openai/v1"]) {
    const response = await client(gateway, path).responses.create(ask);
    assert.equal(response.output_text, "Hello");
    assert.equal(response.usage?.output_tokens_details.reasoning_tokens, 6);
  }
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1/responses");
  assert.equal((request?.json() as { model: string }).model, "upstream-model-1");
  assert.equal(request?.header("authorization"), "Bearer sk-upstream-1-secret");
  const [row] = await gateway.logs(2);
  assert.deepEqual(
    [row?.prompt_tokens, row?.completion_tokens, row?.total_tokens, row?.UsageSource],
    [RESPONSE_USAGE.input_tokens, RESPONSE_USAGE.output_tokens, RESPONSE_USAGE.total_tokens, "measured"],
  );
  assert.deepEqual(row?.prompt_tokens_details, { cached_tokens: 12, audio_tokens: 0 });
});

Deno.test("openai SDK, Responses: a stream arrives event by event, and its usage is in the log", async () => {
  await using upstream = await ScriptedUpstream.start(okResponseSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const types = [];
  let text = "";
  for await (const event of await client(gateway).responses.create({ ...ask, stream: true })) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, "Hello");
  assert.equal(types.length, OK_RESPONSE_SSE.length);
  assert.equal(types.at(-1), "response.completed");
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Status, row?.total_tokens], ["success", RESPONSE_USAGE.total_tokens]);
});

Deno.test("openai SDK, Responses: the streaming helper puts the answer together", async () => {
  await using upstream = await ScriptedUpstream.start(okResponseSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const final = await client(gateway).responses.stream(ask).finalResponse();
  assert.equal(final.output_text, "Hello");
  assert.equal(final.usage?.total_tokens, RESPONSE_USAGE.total_tokens);
});

Deno.test("openai SDK, Responses: tools, pictures and structured output go there and tool calls back", async () => {
  const toolCall = {
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "weather",
    arguments: '{"city":"Nanjing"}',
    status: "completed",
  };
  await using upstream = await ScriptedUpstream.start(okResponse({ output: [toolCall] }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const asked = {
    model: "m",
    input: [{
      role: "user" as const,
      content: [
        { type: "input_text" as const, text: "what is it?" },
        { type: "input_image" as const, image_url: "data:image/png;base64,AAAA", detail: "auto" as const },
      ],
    }],
    tools: [{
      type: "function" as const,
      name: "weather",
      parameters: { type: "object", properties: {} },
      strict: false,
    }],
    text: { format: { type: "json_schema" as const, name: "s", schema: { type: "object" } } },
  };
  const response = await client(gateway).responses.create(asked);
  assert.deepEqual(response.output, [toolCall]);
  const sent = upstream.requests[0]?.json() as Record<string, unknown>;
  assert.deepEqual(sent.tools, asked.tools);
  assert.deepEqual(sent.input, asked.input);
  assert.deepEqual(sent.text, asked.text);
});

Deno.test("openai SDK, Responses: streamed tool calls keep their pieces", async () => {
  const item = (args: string, status: string) => ({
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "weather",
    arguments: args,
    status,
  });
  const at = { item_id: "fc_1", output_index: 0 };
  await using upstream = await ScriptedUpstream.start(okResponseSse([
    EVENT.created,
    responseEvent("response.output_item.added", { output_index: 0, item: item("", "in_progress") }),
    responseEvent("response.function_call_arguments.delta", { ...at, delta: '{"city":' }),
    responseEvent("response.function_call_arguments.delta", { ...at, delta: '"Nanjing"}' }),
    responseEvent("response.function_call_arguments.done", { ...at, arguments: '{"city":"Nanjing"}' }),
    responseEvent("response.output_item.done", {
      output_index: 0,
      item: item('{"city":"Nanjing"}', "completed"),
    }),
    responseEvent("response.completed", {
      response: responseObject({ output: [item('{"city":"Nanjing"}', "completed")] }),
    }),
  ]));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const pieces = [];
  for await (const event of await client(gateway).responses.create({ ...ask, stream: true })) {
    if (event.type === "response.function_call_arguments.delta") pieces.push(event.delta);
  }
  assert.deepEqual(pieces, ['{"city":', '"Nanjing"}']);
});

Deno.test("openai SDK, Responses: a wrong key and an unknown model are the SDK's own errors", async () => {
  await using upstream = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const stranger = new OpenAI({ apiKey: "sk-wrong", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.responses.create(ask), OpenAI.AuthenticationError);
  await assert.rejects(client(gateway).responses.create({ ...ask, model: "nobody" }), OpenAI.NotFoundError);
  assert.equal(upstream.requests.length, 0);
});

Deno.test("openai SDK, Responses: a provider's refusal arrives with its status and words", async () => {
  const error = { message: "Invalid type for 'input'.", type: "invalid_request_error", param: "input" };
  await using upstream = await ScriptedUpstream.start(json(400, { error }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  await assert.rejects(client(gateway).responses.create({ ...ask, stream: true }), (thrown) => {
    assert.ok(thrown instanceof OpenAI.BadRequestError);
    assert.equal(thrown.param, "input");
    return true;
  });
});

Deno.test("openai SDK, Responses: a provider that breaks off in mid-stream is an error, not an end", async () => {
  for (const end of ["clean", "close", "reset"] as const) {
    await using upstream = await ScriptedUpstream.start(
      sse([EVENT.created, EVENT.hel], { end }),
    );
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
    let text = "";
    await assert.rejects(async () => {
      for await (const event of await client(gateway).responses.create({ ...ask, stream: true })) {
        if (event.type === "response.output_text.delta") text += event.delta;
      }
    }, (thrown) => {
      assert.ok(thrown instanceof OpenAI.APIError, String(thrown));
      assert.equal(thrown.code, "upstream_stream_broken");
      return true;
    });
    assert.equal(text, "Hel");
    assert.equal((await gateway.logs(1))[0]?.Status, "error");
  }
});

Deno.test("openai SDK, Responses: a stream that begins with an error is answered by the next provider", async () => {
  const failures = [
    [responseEvent("error", { code: "server_error", message: "no capacity", param: null })],
    [responseEvent("error", { error: { type: "server_error", code: null, message: "no capacity" } })],
    [
      EVENT.created,
      EVENT.inProgress,
      EVENT.itemAdded,
      EVENT.partAdded,
      responseEvent("response.failed", {
        response: responseObject({
          status: "failed",
          output: [],
          error: { code: "server_error", message: "no capacity" },
        }),
      }),
    ],
    [EVENT.created],
    [],
  ];
  for (const events of failures) {
    await using bad = await ScriptedUpstream.start(okResponseSse(events));
    await using good = await ScriptedUpstream.start(
      okResponseSse(Object.values(responseEvents("resp_good"))),
    );
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      model: { strategy: "rotor" },
      providers: [
        responsesProvider(bad.url, { association: { weight: 9 } }),
        responsesProvider(good.url),
      ],
    });
    const stream = await client(gateway).responses.create({ ...ask, stream: true });
    const ids = new Set<string>();
    for await (const event of stream) if ("response" in event) ids.add(event.response.id);
    assert.deepEqual([...ids], ["resp_good"]);
    const rows = await gateway.logs(2);
    assert.deepEqual(rows.map((row) => row.Outcome), ["bad_answer", "completed"]);
  }
});

Deno.test("openai SDK, Responses: text of any script arrives unharmed wherever the network cuts it", async () => {
  const said = "北京 🌍 é";
  const events = OK_RESPONSE_SSE.join("").replaceAll("Hel", said);
  await using upstream = await ScriptedUpstream.start(okResponseSse(byteByByte(events)));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  let text = "";
  for await (const event of await client(gateway).responses.create({ ...ask, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, `${said}lo`);
});

Deno.test("openai SDK, Responses: a response is fetched, listed, cancelled and deleted where it was made", async () => {
  await using first = await ScriptedUpstream.start((request) =>
    reply(request.method, request.target, "resp_1")
  );
  await using second = await ScriptedUpstream.start((request) =>
    reply(request.method, request.target, "resp_2")
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "round_robin" },
    providers: [responsesProvider(first.url), responsesProvider(second.url)],
  });
  const { responses } = client(gateway);
  const made = [await responses.create(ask), await responses.create(ask)];
  assert.deepEqual(new Set(made.map(({ id }) => id)), new Set(["resp_1", "resp_2"]));
  for (const [id, upstream, other] of [["resp_1", first, second], ["resp_2", second, first]] as const) {
    const before = other.requests.length;
    assert.equal((await responses.retrieve(id, { include: ["reasoning.encrypted_content"] })).id, id);
    const items = await responses.inputItems.list(id, { limit: 5 });
    assert.equal(items.data[0]?.id, "msg_in");
    assert.equal((await responses.cancel(id)).status, "cancelled");
    await responses.delete(id);
    assert.equal(other.requests.length, before);
    assert.deepEqual(upstream.requests.slice(1).map(({ method, target }) => `${method} ${target}`), [
      `GET /v1/responses/${id}?include%5B%5D=reasoning.encrypted_content`,
      `GET /v1/responses/${id}/input_items?limit=5`,
      `POST /v1/responses/${id}/cancel`,
      `DELETE /v1/responses/${id}`,
    ]);
  }
});

function reply(method: string, target: string, id: string) {
  if (target.includes("/input_items")) {
    const item = { id: "msg_in", type: "message", role: "user", content: [] };
    return json(200, {
      object: "list",
      data: [item],
      first_id: "msg_in",
      last_id: "msg_in",
      has_more: false,
    });
  }
  if (method === "DELETE") return answer(204, "");
  if (target.endsWith("/cancel")) return okResponse({ id, status: "cancelled", output: [] });
  return okResponse({ id });
}

Deno.test("openai SDK, Responses: a background stream can be taken up again where it broke off", async () => {
  const events = Object.values(responseEvents("resp_bg"));
  await using upstream = await ScriptedUpstream.start((request) =>
    request.method === "GET"
      ? okResponseSse(events.slice(5))
      : okResponseSse(events.slice(0, 5), { end: "reset" })
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const { responses } = client(gateway);
  const seen: string[] = [];
  let id = "";
  await assert.rejects(async () => {
    for await (const event of await responses.create({ ...ask, background: true, stream: true })) {
      if ("response" in event) id = event.response.id;
      if (event.type === "response.output_text.delta") seen.push(event.delta);
    }
  });
  const rest = await responses.retrieve(id, { stream: true, starting_after: 4 });
  for await (const event of rest) if (event.type === "response.output_text.delta") seen.push(event.delta);
  assert.deepEqual(seen, ["Hel", "lo"]);
  assert.equal(upstream.requests.at(-1)?.target, "/v1/responses/resp_bg?stream=true&starting_after=4");
  // What it cost is told by the second stream alone.
  const rows = await gateway.logs(2);
  assert.deepEqual(rows.map((row) => row.total_tokens), [0, RESPONSE_USAGE.total_tokens]);
});
