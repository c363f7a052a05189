import assert from "node:assert/strict";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { answer, hang, json, type Reply, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postMessage, ranked, serveMessages } from "./messages_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const count = (gateway: TestGateway, body: Record<string, unknown> | string = {}, more = "", headers = {}) =>
  postMessage(gateway, body, { path: `/v1/messages/count_tokens${more}`, headers });

const counted = (tokens: number): Reply => json(200, { input_tokens: tokens });

/** Sets the service that counts for those who cannot. */
const useService = (gateway: TestGateway, service: ScriptedUpstream) =>
  gateway.admin("PUT", "/config/anthropic_count_tokens", {
    value: JSON.stringify({ base_url: service.url, api_key: "sk-service", version: "2024-04-04" }),
  });

Deno.test("count_tokens: the client's bytes and query reach the provider, and its answer the client", async () => {
  const body = `{ "10":1, "2":9007199254740993, "model" : "m","messages":[]}`;
  const reply = `{ "input_tokens": 5, "10": 1.0, "2":2 }`;
  await using upstream = await ScriptedUpstream.start(
    answer(200, reply, { "content-type": "application/json", "request-id": "req_9" }),
  );
  await using gateway = await TestGateway.start();
  // The operator's fields are parameters of answers.
  const association = { extra_body: { temperature: 1 }, tool_call: false };
  await serveMessages(gateway, [{ url: upstream.url, association }]);
  const response = await count(gateway, body, "?beta=true");
  assert.deepEqual([await response.text(), response.headers.get("request-id")], [reply, "req_9"]);
  assert.equal(response.headers.get("x-llmio-estimated"), null);
  const [request] = upstream.requests;
  assert.equal(request?.target, "/v1/messages/count_tokens?beta=true");
  assert.equal(request?.text, body.replace('"m"', '"upstream-model-1"'));
  assert.equal(request?.header("x-api-key"), "sk-upstream-1-secret");
});

Deno.test("count_tokens: a provider that cannot count leads to the next one, and is not held to blame", async () => {
  const failures: Reply[] = [
    json(404, { type: "error", error: { type: "not_found_error", message: "Not found" } }),
    answer(404, "<html>not found</html>", { "content-type": "text/html" }),
    json(405, { detail: "Method Not Allowed" }),
    json(501, {}),
    json(429, { type: "error", error: { type: "rate_limit_error", message: "slow down" } }, {
      "retry-after": "60",
    }),
    json(401, { type: "error", error: { type: "authentication_error", message: "no" } }),
    json(500, {}),
    json(200, {}),
    answer(200, "<html>", { "content-type": "text/html" }),
    sse(["data: {}\n\n"]),
  ];
  await using first = await ScriptedUpstream.start(okMessage());
  await using second = await ScriptedUpstream.start(counted(7));
  await using gateway = await ranked(first, second);
  for (const failure of failures) {
    first.enqueue(failure);
    assert.deepEqual(await (await count(gateway)).json(), { input_tokens: 7 });
  }
  assert.deepEqual([first.requests.length, second.requests.length], [failures.length, failures.length]);
  // The first provider answers messages as before.
  await (await postMessage(gateway)).body?.cancel();
  assert.equal(first.requests.length, failures.length + 1);
  const health = await gateway.admin<{ error_count: number }[]>("GET", "/providers/health");
  assert.deepEqual(health.map((row) => row.error_count), [0, 0]);
});

Deno.test("count_tokens: a refusal of the request itself is the client's, in the provider's words", async () => {
  const refusal = { type: "error", error: { type: "invalid_request_error", message: "messages: required" } };
  await using first = await ScriptedUpstream.start(json(400, refusal));
  await using second = await ScriptedUpstream.start(counted(7));
  await using gateway = await ranked(first, second);
  const response = await count(gateway);
  assert.deepEqual([response.status, await response.json()], [400, refusal]);
  assert.equal(second.requests.length, 0);
});

Deno.test("count_tokens: the configured service counts for those who cannot, at once after it is set", async () => {
  await using upstream = await ScriptedUpstream.start(json(404, {}));
  await using service = await ScriptedUpstream.start(counted(11));
  await using gateway = await ranked(upstream);
  await useService(gateway, service);
  const response = await count(gateway, { model: "m" }, "?beta=true", {
    "anthropic-beta": "b",
    "x-private": "p",
  });
  assert.deepEqual(await response.json(), { input_tokens: 11 });
  const request = service.requests[0];
  assert.equal(request?.target, "/v1/messages/count_tokens?beta=true");
  assert.equal((request?.json() as { model: string }).model, "m");
  assert.deepEqual(
    ["x-api-key", "anthropic-version", "anthropic-beta", "x-private"].map((name) => request?.header(name)),
    ["sk-service", "2023-06-01", "b", undefined],
  );
  assert.ok(!new TextDecoder().decode(service.connections[0]?.bytes()).includes(TOKEN));
});

Deno.test("count_tokens: without anybody who can count there is an estimate, and it says that it is one", async () => {
  await using upstream = await ScriptedUpstream.start(json(404, {}));
  await using service = await ScriptedUpstream.start(json(500, {}));
  await using gateway = await ranked(upstream);
  await gateway.serveModel({ name: "of-openai", providers: ["http://127.0.0.1:59999"] });
  const content = "The gateway relays what the provider says. ".repeat(100);
  const sizes: number[] = [];
  for (const model of ["m", "of-openai"]) {
    for (const messages of [[{ role: "user", content: "hi" }], [{ role: "user", content }]]) {
      const response = await count(gateway, { model, messages });
      assert.equal(response.headers.get("x-llmio-estimated"), "input_tokens");
      sizes.push((await response.json()).input_tokens);
    }
    await useService(gateway, service);
  }
  const [short = 0, long = 0, ...others] = sizes;
  assert.ok(short > 0 && short < 20, String(short));
  assert.ok(long > 800 && long < 1_600, String(long));
  assert.deepEqual(others, [short, long]);
  assert.equal(service.requests.length, 2);
});

Deno.test("count_tokens: an unknown model is unknown, unless the service knows it", async () => {
  await using service = await ScriptedUpstream.start(counted(3));
  await using gateway = await TestGateway.start();
  const response = await count(gateway, { model: "nobody" });
  assert.deepEqual([response.status, (await response.json()).error.type], [404, "not_found_error"]);
  await useService(gateway, service);
  assert.deepEqual(await (await count(gateway, { model: "nobody" })).json(), { input_tokens: 3 });
});

Deno.test("count_tokens: it leaves no row and counts as nobody's usage", async () => {
  await using upstream = await ScriptedUpstream.start(counted(7));
  await using gateway = await ranked(upstream);
  await (await count(gateway)).body?.cancel();
  upstream.fallback = okMessage();
  await (await postMessage(gateway)).body?.cancel();
  assert.equal((await gateway.logs(1)).length, 1);
});

Deno.test("count_tokens: a client that leaves ends the call", async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  await using gateway = await ranked(upstream);
  const abort = new AbortController();
  const response = postMessage(gateway, {}, { path: "/v1/messages/count_tokens", signal: abort.signal });
  const request = await upstream.waitForRequest(1);
  abort.abort();
  await assert.rejects(response);
  assert.equal((await request.connection.closed).by, "client");
});
