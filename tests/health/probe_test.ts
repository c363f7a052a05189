import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { keyId } from "../../src/protocols/provider_config.ts";
import { okChat } from "../upstream/fixtures.ts";
import { answer, hang, json, type Reply, sse } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { MINUTE, Ward } from "./ward.ts";

/** The parsed body of a request. */
function bodyOf(request: UpstreamRequest | undefined): Record<string, unknown> {
  assert.ok(request);
  return request.json() as Record<string, unknown>;
}

const badParameter = (name: string, message = `Unsupported parameter: '${name}' is not supported.`) =>
  json(400, {
    error: { message, type: "invalid_request_error", param: name, code: "unsupported_parameter" },
  });
const noModel = json(404, { error: { message: "The model `x` does not exist", code: "model_not_found" } });

// --- the call ---------------------------------------------------------------------------------------------------

Deno.test("a probe is the smallest real call of its protocol, with the provider's credential", async () => {
  const cases: [type: string, path: string, body: unknown, header: [string, string]][] = [
    ["openai", "/v1/chat/completions", {
      model: "upstream-model",
      messages: [{ role: "user", content: "hi" }],
      max_tokens: 1,
    }, ["authorization", "Bearer sk-canary-1-secret"]],
    ["openai-res", "/v1/responses", {
      model: "upstream-model",
      input: "hi",
      max_output_tokens: 16,
      store: false,
    }, [
      "authorization",
      "Bearer sk-canary-1-secret",
    ]],
    ["anthropic", "/v1/messages", {
      model: "upstream-model",
      max_tokens: 1,
      messages: [{ role: "user", content: "hi" }],
    }, ["x-api-key", "sk-canary-1-secret"]],
    ["gemini", "/v1beta/models/upstream-model:generateContent", {
      contents: [{ role: "user", parts: [{ text: "hi" }] }],
      generationConfig: { maxOutputTokens: 1 },
    }, ["x-goog-api-key", "sk-canary-1-secret"]],
  ];
  for (const [type, path, body, [header, value]] of cases) {
    await using upstream = await ScriptedUpstream.start(json(200, { id: "x" }));
    await using ward = await Ward.start({ url: upstream.url, type });
    await ward.health.checkNow(1);
    const [request] = upstream.requests;
    assert.deepEqual([request?.method, request?.target, bodyOf(request)], ["POST", path, body], type);
    assert.equal(request?.header(header), value);
    assert.equal(request?.header("user-agent"), "llmio/test");
    assert.equal(request?.header("accept-encoding"), "identity");
    assert.equal(ward.state().consecutiveSuccesses, 1, type);
  }
});

Deno.test("a probe sends what the operator adds to requests: headers, body fields, beta, a query of the base URL", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { id: "x" }));
  await using ward = await Ward.start({
    url: `${upstream.url}/v1?api-version=7`,
    type: "anthropic",
    config: { beta: "b-1", version: "2024-01-01" },
    models: [{
      customerHeaders: { "X-Team": "a", "X-Api-Key": "other" },
      extraBody: { "metadata.user": "u" },
    }],
  });
  await ward.health.checkNow(1);
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1/messages?api-version=7");
  assert.deepEqual(
    ["x-team", "anthropic-beta", "anthropic-version", "x-api-key"].map((name) => request?.header(name)),
    ["a", "b-1", "2024-01-01", "sk-canary-1-secret"],
  );
  assert.deepEqual(bodyOf(request).metadata, { user: "u" });
});

Deno.test("a probe calls the cheapest enabled association; of two as cheap the older one", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({
    url: upstream.url,
    models: [
      { providerModel: "dear", inputPrice: 5, outputPrice: 20 },
      { providerModel: "cheap", inputPrice: 1, outputPrice: 2 },
      { providerModel: "as-cheap", inputPrice: 2, outputPrice: 1 },
      { providerModel: "free", inputPrice: 0, outputPrice: 0 },
    ],
  });
  await ward.store.associations.setEnabled(4, false);
  await ward.reload();
  await ward.health.checkNow(1);
  assert.equal(bodyOf(upstream.requests[0]).model, "cheap");
});

Deno.test("a probe calls the provider's check_model, whether an association knows it or not", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({
    url: upstream.url,
    config: { check_model: "ping" },
    models: [{ inputPrice: 0, outputPrice: 0 }, {
      providerModel: "ping",
      customerHeaders: { "x-ping": "1" },
    }],
  }, { url: upstream.url, config: { check_model: "ping" }, models: [] });
  await ward.health.checkNow(1);
  await ward.health.checkNow(2);
  assert.deepEqual(upstream.requests.map((request) => [bodyOf(request).model, request.header("x-ping")]), [
    ["ping", "1"],
    ["ping", undefined],
  ]);
});

Deno.test("a Gemini model's name stays one segment of the path, with its prefix taken off", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { candidates: [] }));
  for (
    const [name, segment] of [["models/gemini-x", "gemini-x"], [
      "../../x?key=1#f",
      "..%2F..%2Fx%3Fkey%3D1%23f",
    ]]
  ) {
    await using ward = await Ward.start({
      url: upstream.url,
      type: "gemini",
      models: [{ providerModel: name ?? "" }],
    });
    await ward.health.checkNow(1);
    assert.equal(upstream.requests.at(-1)?.target, `/v1beta/models/${segment}:generateContent`);
  }
});

Deno.test("a check remembers what it has cost, apart from all client usage", async () => {
  const usages: [type: string, body: unknown, tokens: [number, number]][] = [
    ["openai", { usage: { prompt_tokens: 8, completion_tokens: 250, total_tokens: 258 } }, [8, 250]],
    ["openai-res", { status: "incomplete", usage: { input_tokens: 9, output_tokens: 16 } }, [9, 16]],
    ["anthropic", { usage: { input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 1 } }, [5, 1]],
    ["gemini", { usageMetadata: { promptTokenCount: 2, candidatesTokenCount: 1, thoughtsTokenCount: 4 } }, [
      2,
      5,
    ]],
  ];
  for (const [type, body, [prompt, completion]] of usages) {
    await using upstream = await ScriptedUpstream.start(json(200, body));
    await using ward = await Ward.start({ url: upstream.url, type });
    await ward.health.checkNow(1);
    const [check] = await ward.checks();
    assert.deepEqual([check?.promptTokens, check?.completionTokens, check?.result], [
      prompt,
      completion,
      "ok",
    ], type);
    assert.equal((await ward.store.logs.page({}, { page: 1, pageSize: 10 })).total, 0);
    assert.equal((await ward.row()).total_requests_24h, 0);
  }
});

// --- C01 --------------------------------------------------------------------------------------------------------

/** Refuses every way of keeping an answer short, as a reasoning model behind a strict relay does. */
function picky(request: UpstreamRequest): Reply {
  const body = bodyOf(request);
  if ("max_tokens" in body) return badParameter("max_tokens");
  if ("temperature" in body) return badParameter("temperature");
  const limit = body.max_completion_tokens;
  if (typeof limit !== "number") return okChat();
  if (limit < 16) return badParameter("max_completion_tokens", "max_completion_tokens must be at least 16");
  if (limit <= 64) {
    return json(400, { error: { message: "Could not finish the message because the limit was reached" } });
  }
  return okChat();
}

Deno.test("C01: a model that refuses tiny limits is healthy, and only three shapes of a probe are tried, once", async () => {
  await using upstream = await ScriptedUpstream.start(picky);
  await using ward = await Ward.start({ url: upstream.url });
  for (let round = 0; round < 3; round++) assert.equal((await ward.probe()).isHealthy, true);
  assert.equal((await ward.row()).status, "healthy");
  const shapes = upstream.requests.map((request) => Object.keys(bodyOf(request)).sort().join());
  assert.deepEqual(shapes, [
    "max_tokens,messages,model",
    "max_completion_tokens,messages,model",
    "messages,model",
    "messages,model",
    "messages,model",
  ]);
});

Deno.test("C01: a model that refuses the parameters of every shape is alive all the same", async () => {
  await using upstream = await ScriptedUpstream.start(badParameter("messages"));
  await using ward = await Ward.start({ url: upstream.url });
  const state = await ward.probe();
  assert.deepEqual([state.isHealthy, state.errorCount, state.consecutiveSuccesses, state.lastStatusCode], [
    true,
    0,
    1,
    400,
  ]);
  assert.equal(upstream.requests.length, 3);
  assert.equal((await ward.row()).status, "healthy");
});

// --- C03, C04 ---------------------------------------------------------------------------------------------------

const notFound = answer(404, '{"detail":"Not Found"}', { "content-type": "application/json" });
const noChat: [what: string, reply: Reply][] = [
  ["404 on chat", notFound],
  ["a 404 page on chat", answer(404, "<html>404</html>", { "content-type": "text/html" })],
  ["400 on chat", json(400, { error: { message: "text-embedding-3 cannot be used for chat" } })],
  ["405 on chat", answer(405, "")],
];
for (const [what, reply] of noChat) {
  Deno.test(`C03: a provider without chat (${what}) is not disabled: "cannot probe" is a state of its own`, async () => {
    await using upstream = await ScriptedUpstream.start(reply);
    await using ward = await Ward.start({ url: upstream.url });
    for (let round = 0; round < 7; round++) await ward.probe();
    const { isHealthy, errorCount, consecutiveSuccesses } = ward.state();
    assert.deepEqual([isHealthy, errorCount, consecutiveSuccesses], [true, 0, 0]);
    assert.deepEqual(new Set((await ward.checks()).map(({ result }) => result)), new Set(["cannot_probe"]));
    const row = await ward.row();
    assert.deepEqual([row.status, row.is_healthy, row.error_message], ["unknown", true, undefined]);
    assert.ok(upstream.requests.every(({ target }) => target === "/v1/chat/completions"));
  });
}

Deno.test("C03: a Responses-only provider is probed by Responses, and no other endpoint gets max_tokens", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target === "/v1/responses" ? json(200, { status: "completed", output: [] }) : notFound
  );
  await using ward = await Ward.start({ url: upstream.url, type: "openai-res" });
  for (let round = 0; round < 3; round++) await ward.probe();
  assert.equal((await ward.row()).status, "healthy");
  assert.deepEqual(new Set(upstream.requests.map(({ target }) => target)), new Set(["/v1/responses"]));
  assert.ok(!upstream.requests.some(({ text }) => text.includes("max_tokens")));
});

Deno.test("C03: without an association the model list is asked for, and none of the models that it names", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { data: [{ id: "slow-image-model" }] }));
  await using ward = await Ward.start({ url: upstream.url, models: [] });
  for (let round = 0; round < 3; round++) await ward.probe();
  assert.equal((await ward.row()).status, "healthy");
  assert.deepEqual(
    new Set(upstream.requests.map(({ method, target }) => `${method} ${target}`)),
    new Set(["GET /v1/models"]),
  );
});

Deno.test("C03: an unhealthy provider that answers again without chat gets traffic back: no probe will tell more", async () => {
  await using upstream = await ScriptedUpstream.start(json(503, {}));
  await using ward = await Ward.start({ url: upstream.url });
  for (let round = 0; round < 5; round++) await ward.probe();
  assert.equal(ward.state().isHealthy, false);
  upstream.fallback = notFound;
  assert.equal((await ward.probe()).isHealthy, true);
});

Deno.test("C04: a provider without a model list is healthy if chat works, and one with a list alone is not", async () => {
  const isList = ({ target }: UpstreamRequest) => target === "/v1/models";
  await using chat = await ScriptedUpstream.start((request) => isList(request) ? notFound : okChat());
  await using list = await ScriptedUpstream.start((request) =>
    isList(request) ? json(200, { data: [] }) : json(401, { error: { code: "invalid_api_key" } })
  );
  await using ward = await Ward.start({ url: chat.url }, { url: list.url });
  for (let round = 0; round < 5; round++) await ward.probe();
  assert.deepEqual((await ward.health.report()).map(({ status }) => status), ["healthy", "unhealthy"]);
});

Deno.test("a missing model list says nothing against a provider without associations", async () => {
  await using upstream = await ScriptedUpstream.start(notFound);
  await using ward = await Ward.start({ url: upstream.url, models: [] });
  assert.equal((await ward.probe()).isHealthy, true);
  assert.equal((await ward.checks())[0]?.result, "cannot_probe");
});

// --- what answers mean ------------------------------------------------------------------------------------------

const failures: [what: string, reply: Reply, error: RegExp, status: number | null][] = [
  [
    "a refused key",
    json(401, { error: { message: "Incorrect key", code: "invalid_api_key" } }),
    /401.*Incorrect key/,
    401,
  ],
  ["a forbidden call", json(403, { error: { message: "no access" } }), /403.*no access/, 403],
  ["a server error", json(500, { error: { message: "boom" } }), /500.*boom/, 500],
  ["an overload", json(529, { error: { type: "overloaded_error" } }), /529/, 529],
  ["a reset", [{ end: "reset" }], /./, null],
  ["a web page under 200", answer(200, "<html>", { "content-type": "text/html" }), /web page/, 200],
  ["an error under 200", json(200, { error: { message: "busy" } }), /busy/, 200],
  ["an empty answer", answer(200, ""), /no body/, 200],
  ["a redirect", answer(302, "", { location: "http://127.0.0.1:1/" }), /302/, 302],
];
for (const [what, reply, error, status] of failures) {
  Deno.test(`a probe that meets ${what} is a failure, with the reason shown`, async () => {
    await using upstream = await ScriptedUpstream.start(reply);
    await using ward = await Ward.start({ url: upstream.url });
    const state = await ward.probe();
    assert.deepEqual([state.isHealthy, state.errorCount, state.lastStatusCode], [true, 1, status]);
    assert.match(state.lastError ?? "", error);
    const row = await ward.row();
    assert.equal(row.status, "degraded");
    assert.match(row.error_message ?? "", error);
    const [check] = await ward.checks();
    assert.deepEqual([check?.result, check?.statusCode], ["failed", status]);
  });
}

Deno.test("a match of the provider's error_matcher is a failure, and an event stream is a sign of life", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { status: "439" }));
  await using ward = await Ward.start({ url: upstream.url, provider: { errorMatcher: '"status":"439"' } });
  assert.equal((await ward.probe()).errorCount, 1);
  upstream.fallback = sse(['data: {"choices":[]}\n\n']);
  assert.equal((await ward.probe()).errorCount, 0);
});

Deno.test("a provider whose config cannot be used is a failure that says why, and nobody is called", async () => {
  await using ward = await Ward.start({ url: "ftp://nowhere" });
  assert.match((await ward.probe()).lastError ?? "", /base_url/);
});

Deno.test("429 is alive, but limited: neither a failure nor a success, and the key is left alone as asked", async () => {
  await using upstream = await ScriptedUpstream.start(json(429, { error: {} }, { "retry-after": "7200" }));
  await using ward = await Ward.start({ url: upstream.url });
  const state = await ward.probe();
  assert.deepEqual([state.isHealthy, state.errorCount, state.consecutiveSuccesses], [true, 0, 0]);
  assert.equal((await ward.row()).status, "degraded");
  assert.equal((await ward.checks())[0]?.result, "limited");
  await ward.ticks(30);
  assert.equal(upstream.requests.length, 1, "no probe while the only key rests");
  upstream.fallback = okChat();
  await ward.health.checkNow(1);
  assert.equal(upstream.requests.length, 2, "the operator's check does not wait");
});

Deno.test("404 for the model leaves the provider alive, marks the association, and asks the next one", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    bodyOf(request).model === "gone" ? noModel : okChat()
  );
  await using ward = await Ward.start({
    url: upstream.url,
    models: [{ providerModel: "gone", inputPrice: 0, outputPrice: 0 }, { providerModel: "there" }],
  });
  const state = await ward.probe();
  assert.deepEqual([state.isHealthy, state.consecutiveSuccesses], [true, 1]);
  assert.ok((ward.live.association(1)?.cooldown?.until ?? 0) > ward.now);
  assert.equal(ward.live.association(2)?.cooldown ?? null, null);
  await ward.health.checkNow(1);
  assert.deepEqual(upstream.requests.map((request) => bodyOf(request).model), ["gone", "there", "there"]);
});

Deno.test("404 for the only model is neither a failure nor a success of the provider", async () => {
  await using upstream = await ScriptedUpstream.start(noModel);
  await using ward = await Ward.start({ url: upstream.url });
  for (let round = 0; round < 6; round++) await ward.probe();
  const { isHealthy, errorCount, consecutiveSuccesses } = ward.state();
  assert.deepEqual([isHealthy, errorCount, consecutiveSuccesses], [true, 0, 0]);
  assert.equal((await ward.row()).status, "degraded", "its association cools");
});

Deno.test("a refused key is marked and the next usable one is tried; only without one left the provider fails", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.header("authorization") === "Bearer sk-good-2222" ? okChat() : json(401, { error: {} })
  );
  await using ward = await Ward.start({
    url: upstream.url,
    key: "sk-bad-1111",
    config: { api_keys: ["sk-good-2222"] },
  });
  assert.equal((await ward.probe()).errorCount, 0);
  assert.ok(ward.live.key(`1:${keyId("sk-bad-1111")}`)?.badUntil);
  assert.equal((await ward.row()).status, "degraded", "a bad key in the pool");
  upstream.requests.length = 0;
  ward.now += 10 * MINUTE;
  await ward.health.tick();
  assert.deepEqual(upstream.requests.map((request) => request.header("authorization")), [
    "Bearer sk-good-2222",
  ]);
  upstream.fallback = json(401, { error: {} });
  assert.equal((await ward.probe()).errorCount, 1);
});

Deno.test("an error that quotes the key shows it nowhere", async () => {
  const echo = (request: UpstreamRequest) =>
    json(500, {
      error: { message: `bad ${request.header("authorization")} ${request.header("x-secret-token")}` },
    });
  await using upstream = await ScriptedUpstream.start(echo);
  await using ward = await Ward.start({
    url: upstream.url,
    models: [{ customerHeaders: { "X-Secret-Token": "canary-in-a-header" } }],
  });
  await ward.probe();
  ward.traffic(1, "failed", { error: "HTTP 500: sk-canary-1-secret and canary-in-a-header" });
  const shown = JSON.stringify([
    ward.state(),
    await ward.row(),
    await ward.checks(),
    await ward.store.health.states(),
  ]);
  assert.match(shown, /bad Bearer \*\*\*\*/);
  assert.ok(!shown.includes("canary-1") && !shown.includes("canary-in"), shown);
});

// --- time and load ----------------------------------------------------------------------------------------------

Deno.test("a provider that does not answer within 10 s fails, and its connection is closed", async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  const clock = FakeTimers.install({ toFake: ["Date"] });
  try {
    await using ward = await Ward.start({ url: upstream.url });
    const check = ward.health.checkNow(1);
    await upstream.waitForRequest(1);
    clock.tick(9_900);
    assert.equal(ward.live.health(1), undefined);
    clock.tick(200);
    await check;
    assert.match(ward.state().lastError ?? "", /no answer within/);
    assert.equal((await upstream.connections[0]?.closed)?.by, "client");
  } finally {
    clock.uninstall();
  }
});

Deno.test("C10: a provider that is serving requests well is not marked down by a probe that has to queue", async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  const clock = FakeTimers.install({ toFake: ["Date"] });
  try {
    await using ward = await Ward.start({ url: upstream.url });
    const [route = assert.fail()] = buildRoutingTable(await ward.store.routing()).models[0]?.routes ?? [];
    const [key = assert.fail()] = route.keys;
    const stream = ward.live.started({ route, key, tier: "ready", trial: false }, ward.now);
    ward.live.answered(stream, 300);
    for (let round = 1; round <= 6; round++) {
      const check = ward.health.checkNow(1);
      await upstream.waitForRequest(round);
      clock.tick(10_100);
      await check;
    }
    assert.deepEqual([ward.state().isHealthy, ward.state().errorCount], [true, 0]);
    assert.equal((await ward.checks())[0]?.result, "busy");
    ward.live.ended(stream, null, {}, ward.now);
    const check = ward.health.checkNow(1);
    await upstream.waitForRequest(7);
    clock.tick(10_100);
    await check;
    assert.equal(ward.state().errorCount, 1, "idle, it has no excuse");
  } finally {
    clock.uninstall();
  }
});

Deno.test("C10: one miss does not make a provider unhealthy, and a slow first answer is none", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  upstream.enqueue([hang]);
  const clock = FakeTimers.install({ toFake: ["Date"] });
  try {
    const check = ward.health.checkNow(1);
    await upstream.waitForRequest(1);
    clock.tick(10_100);
    await check;
    assert.deepEqual([ward.state().isHealthy, (await ward.row()).status], [true, "degraded"]);
    const { promise, resolve } = Promise.withResolvers<void>();
    upstream.enqueue([{ until: promise }, ...okChat()]);
    const slow = ward.health.checkNow(1);
    await upstream.waitForRequest(2);
    clock.tick(7_000);
    resolve();
    await slow;
    assert.equal((await ward.row()).status, "healthy");
  } finally {
    clock.uninstall();
  }
});
