import assert from "node:assert/strict";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { ranked, serveMessages } from "./messages_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const post = (gateway: TestGateway, path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(gateway.url + path, { method: "POST", body, headers });

Deno.test("Claude Code's telemetry is taken without a credential, counted and forgotten", async () => {
  await using gateway = await TestGateway.start();
  const events = JSON.stringify({ events: [{ event_type: "a", event_data: {} }, { event_type: "b" }] });
  for (const base of ["/anthropic", ""]) {
    for (const path of ["/api/event_logging/batch", "/api/event_logging/v2/batch"]) {
      const response = await post(gateway, base + path, events);
      assert.deepEqual([response.status, await response.json()], [200, {
        accepted_count: 2,
        rejected_count: 0,
      }]);
    }
  }
});

Deno.test("telemetry that is none or too large is refused, and opens no way into the admin API", async () => {
  await using gateway = await TestGateway.start();
  const path = "/anthropic/api/event_logging/batch";
  const large = JSON.stringify({ events: ["x".repeat(1024 * 1024)] });
  for (const [body, status] of [["{", 400], ["[]", 400], ['{"events":{}}', 400], [large, 413]] as const) {
    const response = await post(gateway, path, body);
    const error = await response.json();
    assert.deepEqual([response.status, error.type, error.code], [status, "error", status]);
  }
  for (const other of ["/api/event_logging", "/api/event_logging/batch/x", "/api/providers"]) {
    const response = await post(gateway, other, "{}");
    assert.equal(response.status, 401, other);
    await response.body?.cancel();
  }
});

Deno.test("HEAD on the base URLs says that somebody is there", async () => {
  await using gateway = await TestGateway.start();
  for (const path of ["/", "/anthropic", "/anthropic/"]) {
    const response = await fetch(gateway.url + path, { method: "HEAD" });
    assert.deepEqual([response.status, await response.text()], [200, ""], path);
  }
});

Deno.test("paths and methods that do not exist are answered in Anthropic's shape, and nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await ranked(upstream);
  const cases: [string, string, number][] = [
    ["GET", "/v1/messages", 405],
    ["DELETE", "/v1/messages/", 405],
    ["GET", "/v1/messages/count_tokens", 405],
    ["POST", "/v1/messages/batches", 404],
    ["GET", "/anthropic", 404],
    ["GET", "/anthropic/", 404],
    ["GET", "/anthropic/v1", 404],
    ["GET", "/anthropic/v1/messages", 405],
    ["POST", "/anthropic/v1/complete", 404],
    ["DELETE", "/anthropic/v1/models", 405],
    ["GET", "/anthropic/api/event_logging/batch", 405],
    ["GET", "/anthropic/v1/models/nobody", 404],
  ];
  for (const [method, path, status] of cases) {
    const response = await fetch(gateway.url + path, { method, headers: { "x-api-key": TOKEN } });
    const error = await response.json();
    assert.deepEqual(
      [response.status, error.type, error.code],
      [status, "error", status],
      `${method} ${path}`,
    );
    assert.equal(error.error.type, status === 404 ? "not_found_error" : "invalid_request_error");
    assert.equal(response.headers.has("allow"), status === 405);
    const head = await fetch(gateway.url + path, { method: "HEAD" });
    assert.equal(await head.text(), "");
  }
  assert.equal(upstream.requests.length, 0);
});

Deno.test("on the shared path the model list is Anthropic's for Anthropic's clients and OpenAI's for others", async () => {
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, ["http://127.0.0.1:59999"], { name: "claude" });
  await gateway.serveModel({ name: "gpt", providers: ["http://127.0.0.1:59998"] });
  const list = async (path: string, headers: Record<string, string>) =>
    await (await fetch(gateway.url + path, { headers })).json();
  const anthropic = { "x-api-key": TOKEN, "anthropic-version": "2023-06-01" };
  const { data, ...rest } = await list("/v1/models", anthropic);
  assert.deepEqual(Object.keys(data[0]).sort(), ["created_at", "display_name", "id", "type"]);
  assert.match(data[0].created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(rest, { first_id: "claude", has_more: false, last_id: "claude" });
  assert.equal((await list("/v1/models/claude", anthropic)).type, "model");
  const openai = await list("/v1/models", { authorization: `Bearer ${TOKEN}` });
  assert.deepEqual([openai.object, openai.data.map(({ id }: { id: string }) => id)], ["list", ["gpt"]]);
  assert.deepEqual((await list("/anthropic/v1/models", { "x-api-key": TOKEN })).data, data);
});
