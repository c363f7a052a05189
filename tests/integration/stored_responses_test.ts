/** Responses that were made before: who is asked about them, and for what builds on them. @module */
import assert from "node:assert/strict";
import { json } from "../upstream/replies.ts";
import { okResponse, okResponseSse, RESPONSE_USAGE, responseEvents } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { call, respond, responsesProvider, statusOf } from "./openai_client.ts";
import { TestGateway } from "./test_gateway.ts";

const MISSING = { error: { message: "Response not found.", type: "invalid_request_error", code: null } };

/** A provider that keeps what it made, all under one prefix, and knows no other. */
function keeper(prefix: string) {
  let made = 0;
  return (request: UpstreamRequest) => {
    if (request.method === "POST" && request.target === "/v1/responses") {
      const id = `${prefix}_${++made}`;
      const { stream } = request.json() as { stream?: boolean };
      return stream === true ? okResponseSse(Object.values(responseEvents(id))) : okResponse({ id });
    }
    const id = /\/responses\/([^/?]+)/.exec(request.target)?.[1] ?? "";
    return id.startsWith(prefix) ? okResponse({ id }) : json(404, MISSING);
  };
}

const secretOf = (request: UpstreamRequest | undefined) => request?.header("authorization");

Deno.test("a response can be asked for while its stream still runs, and after the client has left it", async () => {
  const held = Promise.withResolvers<void>();
  const events = Object.values(responseEvents("resp_s"));
  const [head, ...rest] = okResponseSse(events);
  assert.ok(head);
  await using upstream = await ScriptedUpstream.start((request) =>
    request.method === "GET"
      ? okResponse({ id: "resp_s" })
      : [head, ...rest.slice(0, 5), { until: held.promise }, ...rest.slice(5)]
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const running = await respond(gateway, { stream: true });
  assert.equal(await statusOf(call(gateway, "GET", "/responses/resp_s")), 200);
  await running.body?.cancel();
  held.resolve();
  assert.equal(await statusOf(call(gateway, "GET", "/responses/resp_s")), 200);
});

Deno.test("a response is found again after a restart", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using upstream = await ScriptedUpstream.start(keeper("resp"));
    {
      await using gateway = await TestGateway.start({ db: `${folder}/llmio.db` });
      await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
      await statusOf(respond(gateway));
      await (await respond(gateway, { stream: true })).text();
    }
    await using again = await TestGateway.start({ db: `${folder}/llmio.db` });
    for (const id of ["resp_1", "resp_2"]) {
      assert.equal((await (await call(again, "GET", `/responses/${id}`)).json()).id, id);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what a response cost is booked once, however often it is fetched; in the background, when it is first told", async () => {
  let done = false;
  await using upstream = await ScriptedUpstream.start((request) => {
    const background = request.method === "POST" || !done;
    return okResponse({ id: "resp_bg", ...(background && { status: "queued", output: [], usage: null }) });
  });
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  await statusOf(respond(gateway, { background: true }));
  const fetched = () => statusOf(call(gateway, "GET", "/responses/resp_bg"));
  await fetched();
  done = true;
  await fetched();
  await fetched();
  assert.deepEqual((await gateway.logs(4)).map((row) => row.total_tokens), [
    0,
    0,
    RESPONSE_USAGE.total_tokens,
    0,
  ]);
});

Deno.test("what a client has left early is estimated, and not booked again when it is fetched", async () => {
  const held = Promise.withResolvers<void>();
  const [head, ...rest] = okResponseSse(Object.values(responseEvents("resp_e")));
  assert.ok(head);
  await using upstream = await ScriptedUpstream.start((request) =>
    request.method === "GET"
      ? okResponse({ id: "resp_e" })
      : [head, ...rest.slice(0, 5), { until: held.promise }, ...rest.slice(5)]
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  const running = await respond(gateway, { stream: true });
  await running.body?.cancel();
  const [left] = await gateway.logs(1);
  held.resolve();
  assert.equal(left?.UsageSource, "estimated");
  assert.ok(Number(left?.total_tokens) > 0);
  await statusOf(call(gateway, "GET", "/responses/resp_e"));
  assert.equal((await gateway.logs(2)).at(-1)?.total_tokens, 0);
});

Deno.test("a response that nobody here made is 404 in OpenAI's shape, and nobody is asked", async () => {
  await using upstream = await ScriptedUpstream.start(keeper("resp"));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  for (
    const [method, path] of [
      ["GET", "/responses/resp_1"],
      ["DELETE", "/responses/resp_1"],
      ["POST", "/responses/resp_1/cancel"],
      ["GET", "/responses/resp_1/input_items?limit=1"],
      ["GET", "/responses/..%2Ffiles"],
      ["GET", `/responses/${"x".repeat(2_000)}`],
    ] as const
  ) {
    const response = await call(gateway, method, path);
    assert.equal(response.status, 404, path);
    const { error } = await response.json();
    assert.deepEqual([error.code, error.type], ["response_not_found", "invalid_request_error"], path);
  }
  assert.equal(
    await statusOf(call(gateway, "GET", "/responses/resp_1", undefined, { authorization: "" })),
    401,
  );
  assert.equal(upstream.requests.length, 0);
});

Deno.test("what the provider says about a response passes, and its 404 hurts nobody", async () => {
  await using upstream = await ScriptedUpstream.start();
  upstream.enqueue(okResponse({ id: "resp_1" }));
  upstream.fallback = (request) => request.method === "GET" ? json(404, MISSING) : okResponse();
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ providers: [responsesProvider(upstream.url)] });
  await statusOf(respond(gateway));
  for (let i = 0; i < 6; i++) {
    const response = await call(gateway, "GET", "/responses/resp_1");
    assert.deepEqual([response.status, await response.json()], [404, MISSING]);
  }
  assert.equal(await statusOf(respond(gateway)), 200);
  const health = await gateway.admin<{ error_count: number }>("GET", `/providers/health/${providers[0]?.ID}`);
  assert.equal(health.error_count, 0);
});

Deno.test("a passing trouble of the provider that has the response is waited out; nobody else is asked", async () => {
  await using owner = await ScriptedUpstream.start(keeper("one"));
  await using other = await ScriptedUpstream.start(keeper("two"));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [responsesProvider(owner.url, { association: { weight: 9 } }), responsesProvider(other.url)],
  });
  await statusOf(respond(gateway));
  owner.enqueue(json(503, { error: { message: "busy" } }));
  assert.equal((await (await call(gateway, "GET", "/responses/one_1")).json()).id, "one_1");
  assert.deepEqual([owner.requests.length, other.requests.length], [3, 0]);
});

Deno.test("a provider that is switched off or gone is told as the reason why its responses cannot be had", async () => {
  await using upstream = await ScriptedUpstream.start(keeper("resp"));
  await using other = await ScriptedUpstream.start(keeper("other"));
  await using gateway = await TestGateway.start();
  const { providers, associations } = await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [
      responsesProvider(upstream.url, { name: "keeper", association: { weight: 9 } }),
      responsesProvider(other.url),
    ],
  });
  await statusOf(respond(gateway));
  const asked = upstream.requests.length;
  const refusal = async () => {
    const response = await call(gateway, "GET", "/responses/resp_1");
    return [response.status, (await response.json()).error.code];
  };
  await gateway.admin("PATCH", `/model-providers/${associations[0]?.ID}/status`, { status: false });
  assert.deepEqual(await refusal(), [503, "response_provider_off"]);
  await gateway.admin("DELETE", `/providers/${providers[0]?.ID}`);
  assert.deepEqual(await refusal(), [404, "response_provider_gone"]);
  assert.deepEqual([upstream.requests.length, other.requests.length], [asked, 0]);
});

Deno.test("a response stays reachable when its model is renamed, or served by the same provider under another name", async () => {
  await using upstream = await ScriptedUpstream.start(keeper("resp"));
  await using gateway = await TestGateway.start();
  const { model, providers, associations } = await gateway.serveModel({
    providers: [responsesProvider(upstream.url)],
  });
  await statusOf(respond(gateway));
  await gateway.admin("PUT", `/models/${model.ID}`, { ...model, Name: "renamed" });
  assert.equal(await statusOf(call(gateway, "GET", "/responses/resp_1")), 200);
  const second = await gateway.admin<{ ID: number }>("POST", "/models", { name: "second" });
  await gateway.admin("POST", "/model-providers", {
    model_id: second.ID,
    provider_id: providers[0]?.ID,
    provider_name: "upstream-model-2",
    weight: 1,
  });
  await gateway.admin("DELETE", `/model-providers/${associations[0]?.ID}`);
  assert.equal(await statusOf(call(gateway, "GET", "/responses/resp_1")), 200);
});

Deno.test("a response is asked for with the key that made it; a key that is gone is stood in for by another", async () => {
  await using upstream = await ScriptedUpstream.start(keeper("resp"));
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [
      responsesProvider(upstream.url, { key: "sk-a-secret", config: { api_keys: ["sk-b-secret"] } }),
    ],
  });
  const made = [];
  for (let i = 0; i < 4; i++) {
    const { id } = await (await respond(gateway)).json();
    made.push([id, secretOf(upstream.requests.at(-1))]);
  }
  assert.equal(new Set(made.map(([, secret]) => secret)).size, 2);
  for (const [id, secret] of [...made, ...made]) {
    await statusOf(call(gateway, "GET", `/responses/${id}`));
    assert.equal(secretOf(upstream.requests.at(-1)), secret);
  }
  await gateway.admin("PUT", `/providers/${providers[0]?.ID}`, {
    ...providers[0],
    Config: JSON.stringify({ base_url: upstream.url, api_key: "sk-c-secret" }),
  });
  assert.equal(await statusOf(call(gateway, "GET", `/responses/${made[0]?.[0]}`)), 200);
  assert.equal(secretOf(upstream.requests.at(-1)), "Bearer sk-c-secret");
});

Deno.test("a request that builds on a response goes to the provider and key that made it, whatever the weights", async () => {
  await using one = await ScriptedUpstream.start(keeper("one"));
  await using two = await ScriptedUpstream.start(keeper("two"));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "round_robin" },
    providers: [
      responsesProvider(one.url, { key: "sk-a-secret", config: { api_keys: ["sk-b-secret"] } }),
      responsesProvider(two.url),
    ],
  });
  const first = [];
  for (let i = 0; i < 4; i++) first.push((await (await respond(gateway)).json()).id as string);
  for (const id of first) {
    const upstream = id.startsWith("one") ? one : two;
    const secret = secretOf(
      upstream.requests.filter(({ method }) => method === "POST")[Number(id.slice(4)) - 1],
    );
    let previous = id;
    for (let turn = 0; turn < 3; turn++) {
      const asked = [one.requests.length, two.requests.length];
      const body = await (await respond(gateway, { previous_response_id: previous, stream: false })).json();
      previous = body.id;
      assert.equal(previous.slice(0, 3), id.slice(0, 3));
      assert.equal(secretOf(upstream.requests.at(-1)), secret);
      assert.equal(one.requests.length + two.requests.length, (asked[0] ?? 0) + (asked[1] ?? 0) + 1);
    }
  }
});

Deno.test("a request that builds on a response nobody can serve any more is served like any other", async () => {
  await using one = await ScriptedUpstream.start(keeper("one"));
  await using two = await ScriptedUpstream.start(keeper("two"));
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [responsesProvider(one.url, { association: { weight: 9 } }), responsesProvider(two.url)],
  });
  const { id } = await (await respond(gateway)).json();
  await gateway.admin("DELETE", `/providers/${providers[0]?.ID}`);
  for (const previous_response_id of [id, "resp_unknown"]) {
    const body = await (await respond(gateway, { previous_response_id })).json();
    assert.match(body.id, /^two/);
    assert.equal(
      (two.requests.at(-1)?.json() as Record<string, unknown>).previous_response_id,
      previous_response_id,
    );
  }
});

Deno.test("a refused key of the provider that made a response leads to its next key, not to another provider", async () => {
  await using one = await ScriptedUpstream.start(keeper("one"));
  await using two = await ScriptedUpstream.start(keeper("two"));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [
      responsesProvider(one.url, {
        key: "sk-a-secret",
        config: { api_keys: ["sk-b-secret"] },
        association: { weight: 9 },
      }),
      responsesProvider(two.url),
    ],
  });
  const { id } = await (await respond(gateway)).json();
  const refused = secretOf(one.requests.at(-1));
  one.enqueue(json(401, { error: { code: "invalid_api_key", message: "no" } }));
  const body = await (await respond(gateway, { previous_response_id: id })).json();
  assert.match(body.id, /^one/);
  assert.notEqual(secretOf(one.requests.at(-1)), refused);
  assert.equal(two.requests.length, 0);
});
