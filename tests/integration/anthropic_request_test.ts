import assert from "node:assert/strict";
import { okEvents, okMessage } from "../upstream/anthropic_fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postMessage, ranked, serveMessages } from "./messages_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

Deno.test("messages request: the provider gets the client's bytes, but for the model's name", async () => {
  const body =
    `{ "zebra" : [1.0, 1e400, -0.0], "10":2 ,"2" :3, "big":9007199254740993, "model"\t: "m" ,"dup":1,"dup":2,\n` +
    String.raw`"text":"\u00e9\/\ud83d\ude00","stream":true,"messages":[ {"role":"user","content":"model"} ]}`;
  await using upstream = await ScriptedUpstream.start(okEvents());
  await using gateway = await ranked(upstream);
  await (await postMessage(gateway, body)).body?.cancel();
  assert.equal(upstream.requests[0]?.text, body.replace('"m"', '"upstream-model-1"'));
});

Deno.test("messages request: Claude Code's session is the session of the row", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await ranked(upstream);
  const user_id = JSON.stringify({ device_id: "d", account_uuid: "", session_id: "s-77" });
  await (await postMessage(gateway, { metadata: { user_id } })).body?.cancel();
  assert.equal((await gateway.logs(1))[0]?.SessionID, "s-77");
});

Deno.test("messages headers: with with_header the client's version, betas and query reach the vendor", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{
    url: upstream.url,
    config: { version: "2023-06-01", beta: "b-2025-02-02,ops-2025-03-03" },
    association: { with_header: true },
  }]);
  const { hostname, port } = new URL(gateway.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const body = `{"model":"m"}`;
  await connection.write(new TextEncoder().encode(
    `POST /v1/messages?beta=true&x=a%2Fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Api-Key: ${TOKEN}\r\n` +
      "Anthropic-Beta: a-2025-01-01\r\nAnthropic-Beta: b-2025-02-02\r\nAnthropic-Version: 2031-01-01\r\n" +
      "X-Stainless-Lang: js\r\nUser-Agent: claude-cli/9\r\nIdempotency-Key: k1\r\n" +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  ));
  assert.match(await new Response(connection.readable).text(), /^HTTP\/1\.1 200/);
  const request = upstream.requests[0];
  assert.equal(request?.target, "/v1/messages?beta=true&x=a%2Fb");
  const betas = request?.header("anthropic-beta")?.split(",").map((name) => name.trim());
  assert.deepEqual(betas, ["a-2025-01-01", "b-2025-02-02", "ops-2025-03-03"]);
  assert.deepEqual(
    ["anthropic-version", "x-stainless-lang", "user-agent", "idempotency-key"].map((name) =>
      request?.header(name)
    ),
    ["2031-01-01", "js", "claude-cli/9", "k1"],
  );
});

Deno.test("messages headers: without with_header the vendor gets the configured version and betas", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{ url: upstream.url, config: { version: "2024-04-04", beta: "ops" } }]);
  const headers = { "anthropic-beta": "client", "x-stainless-lang": "js" };
  await (await postMessage(gateway, {}, { headers })).body?.cancel();
  const request = upstream.requests[0];
  assert.deepEqual(
    ["anthropic-version", "anthropic-beta", "x-stainless-lang"].map((name) => request?.header(name)),
    ["2024-04-04", "ops", undefined],
  );
});

Deno.test("messages headers: betas of customer_headers take the place of the client's, the config's are added", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await TestGateway.start();
  await serveMessages(gateway, [{
    url: upstream.url,
    config: { beta: "ops" },
    association: { with_header: true, customer_headers: { "Anthropic-Beta": "only-this" } },
  }]);
  await (await postMessage(gateway, {}, { headers: { "anthropic-beta": "client" } })).body?.cancel();
  assert.equal(upstream.requests[0]?.header("anthropic-beta"), "only-this,ops");
});

Deno.test("messages headers: a vendor that refuses a beta is believed, passed on and not held to blame", async () => {
  const refusal = {
    type: "error",
    error: {
      type: "invalid_request_error",
      message: "Unexpected value(s) `x` for the `anthropic-beta` header",
    },
  };
  await using first = await ScriptedUpstream.start(json(400, refusal));
  await using second = await ScriptedUpstream.start(okMessage());
  await using gateway = await ranked(first, second);
  for (let call = 0; call < 10; call++) {
    const response = await postMessage(gateway, {}, { headers: { "anthropic-beta": "x" } });
    assert.deepEqual([response.status, await response.json()], [400, refusal]);
  }
  first.fallback = okMessage();
  await (await postMessage(gateway)).body?.cancel();
  assert.deepEqual([first.requests.length, second.requests.length], [11, 0]);
});

Deno.test("messages request: both prefixes and slashes too many lead to the same operation", async () => {
  await using upstream = await ScriptedUpstream.start(okMessage());
  await using gateway = await ranked(upstream);
  for (
    const path of [
      "/v1/messages",
      "/v1/messages/",
      "//v1/messages",
      "/anthropic/v1/messages",
      "/anthropic/v1/messages/",
    ]
  ) {
    const response = await postMessage(gateway, {}, { path });
    assert.equal(response.status, 200, path);
    await response.body?.cancel();
  }
  assert.deepEqual(new Set(upstream.requests.map(({ target }) => target)), new Set(["/v1/messages"]));
});

Deno.test("messages request: what cannot be served is refused in Anthropic's shape, with a reason", async () => {
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ name: "of-openai", providers: ["http://127.0.0.1:59999"] });
  const cases: [string, number, string, string?][] = [
    ["{", 400, "invalid_request_error"],
    ["{}", 400, "invalid_request_error"],
    ['{"model":"nobody"}', 404, "not_found_error"],
    ['{"model":"of-openai"}', 503, "api_error"],
    ['{"model":"m"}', 401, "authentication_error", "wrong"],
    ['{"model":"m"}', 401, "authentication_error", ""],
  ];
  for (const [body, status, type, key = TOKEN] of cases) {
    const response = await postMessage(gateway, body, { headers: { "x-api-key": key } });
    const error = await response.json();
    assert.deepEqual([response.status, error.type, error.error.type, error.code], [
      status,
      "error",
      type,
      status,
    ], body);
    assert.equal(error.message, error.error.message);
  }
});
