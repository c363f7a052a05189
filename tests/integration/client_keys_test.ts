/** Clients call with keys of their own: what each may use, how much, and what is counted. @module */
import assert from "node:assert/strict";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { okChat, okSse } from "../upstream/fixtures.ts";
import { okGemini } from "../upstream/gemini_fixtures.ts";
import { json, until } from "../upstream/replies.ts";
import { okResponse } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { serveGemini } from "./gemini_client.ts";
import { REQUEST, serveMessages } from "./messages_client.ts";
import { RawConnection } from "./raw_connection.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

interface KeyRow extends Row {
  Key: string;
  UsageCount: number;
  LastUsedAt: string | null;
}

/** Makes a key; it may use everything unless said otherwise. */
function makeKey(gateway: TestGateway, fields: Record<string, unknown> = {}): Promise<KeyRow> {
  return gateway.admin<KeyRow>("POST", "/auth-keys", { name: "team-a", allow_all: true, ...fields });
}

/** A key once the database says that it was used so often. */
async function used(gateway: TestGateway, id: number, count: number): Promise<KeyRow> {
  for (let tries = 0;; tries++) {
    const row = await gateway.admin<KeyRow>("GET", `/auth-keys/${id}`);
    if (row.UsageCount >= count || tries === 200) return row;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until it holds. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 200, "it never held");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

/** The same small request on each protocol's route. */
function everywhere(
  key: string,
): { readonly name: string; readonly path: string; readonly init: RequestInit }[] {
  const post = (path: string, headers: Record<string, string>, body: unknown) => ({
    path,
    init: { method: "POST", headers, body: JSON.stringify(body) },
  });
  const authorization = `Bearer ${key}`;
  const messages = [{ role: "user", content: "hi" }];
  return [
    { name: "chat", ...post("/v1/chat/completions", { authorization }, { model: "m", messages }) },
    { name: "responses", ...post("/v1/responses", { authorization }, { model: "r", input: "hi" }) },
    { name: "messages", ...post("/anthropic/v1/messages", { "x-api-key": key }, { ...REQUEST, model: "a" }) },
    {
      name: "gemini",
      ...post("/gemini/v1beta/models/g:generateContent", { "x-goog-api-key": key }, {
        contents: [{ parts: [{ text: "hi" }] }],
      }),
    },
  ];
}

/** A gateway that serves all four protocols. */
async function serveAll(stack: AsyncDisposableStack): Promise<TestGateway> {
  const start = async (...script: Parameters<typeof ScriptedUpstream.start>) =>
    stack.use(await ScriptedUpstream.start(...script)).url;
  const gateway = stack.use(await TestGateway.start());
  await gateway.serveModel({ name: "m", providers: [await start(okChat())] });
  await gateway.serveModel({
    name: "r",
    providers: [{ url: await start(okResponse()), provider: { type: "openai-res" } }],
  });
  await serveMessages(gateway, [await start(okMessage())], { name: "a" });
  await serveGemini(gateway, [await start(okGemini())], { name: "g" });
  return gateway;
}

Deno.test("a key opens every protocol's routes, in the header of each, and its use is counted and told apart", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = await serveAll(stack);
  const { ID, Key } = await makeKey(gateway);
  for (const { name, path, init } of everywhere(Key)) {
    const response = await fetch(gateway.url + path, init);
    await response.body?.cancel();
    assert.equal(response.status, 200, name);
  }
  const rows = await gateway.logs(4);
  assert.deepEqual(rows.map((row) => [row.AuthKeyID, row.key_name]), Array(4).fill([ID, "team-a"]));
  const row = await used(gateway, ID, 4);
  assert.equal(row.UsageCount, 4);
  assert.ok(row.LastUsedAt !== null);
  const usage = await gateway.admin<{ rows: Row[] }>("GET", "/usage?group_by=key");
  assert.deepEqual(usage.rows.map((each) => [each.auth_key_id, each.requests]), [[ID, 4]]);
});

Deno.test("a key that is unknown, off, deleted or expired is refused in the caller's own shape", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = await serveAll(stack);
  const off = await makeKey(gateway, { name: "off", status: false });
  const late = await makeKey(gateway, { name: "late", expires_at: "2020-01-01T00:00:00Z" });
  const gone = await makeKey(gateway, { name: "gone" });
  await gateway.admin("DELETE", `/auth-keys/${gone.ID}`);
  for (const key of ["sk-llmio-unknown", off.Key, gone.Key, late.Key]) {
    for (const { name, path, init } of everywhere(key)) {
      const response = await fetch(gateway.url + path, init);
      const { message, error, type } = await response.json();
      assert.equal(response.status, 401, name);
      assert.equal(message, key === late.Key ? "Token has expired" : "Invalid token", name);
      assert.equal(error.message, message, name);
      if (name === "messages") assert.equal(type, "error");
    }
  }
  await gateway.admin("PATCH", `/auth-keys/${off.ID}/status`);
  const response = await gateway.chat({}, bearer(off.Key));
  await response.body?.cancel();
  assert.equal(response.status, 200);
});

Deno.test("a key sees and uses the models that it may use, of the providers that may serve it", async () => {
  await using one = await ScriptedUpstream.start(okChat());
  await using two = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ name: "both", providers: [one.url, two.url] });
  await gateway.serveModel({ name: "other", providers: [one.url] });
  const narrow = await makeKey(gateway, { allow_all: false, models: ["both", "missing"] });
  const second = await makeKey(gateway, { name: "second", providers: [providers[1]?.ID] });
  const listed = async (key: string) => {
    const response = await fetch(`${gateway.url}/v1/models`, bearer(key));
    return (await response.json()).data.map(({ id }: { id: string }) => id);
  };
  assert.deepEqual(await listed(narrow.Key), ["both"]);
  assert.deepEqual(await listed(second.Key), ["both"]);
  const ask = async (model: string, key: string) => {
    const response = await gateway.chat({ model }, bearer(key));
    return [response.status, (await response.json()).message];
  };
  assert.deepEqual(await ask("other", narrow.Key), [403, "auth key has no permission to use other"]);
  assert.deepEqual(await ask("nowhere", narrow.Key), [403, "auth key has no permission to use nowhere"]);
  assert.equal((await ask("missing", narrow.Key))[0], 404);
  assert.deepEqual(await ask("other", second.Key), [
    403,
    "auth key has no permission to use any provider of other",
  ]);
  for (const path of ["/v1/models/other", "/v1/models/both"]) {
    const response = await fetch(gateway.url + path, bearer(second.Key));
    await response.body?.cancel();
    assert.equal(response.status, path.endsWith("both") ? 200 : 404);
  }
  for (let n = 0; n < 8; n++) assert.equal((await ask("both", second.Key))[0], 200);
  assert.deepEqual([one.requests.length, two.requests.length], [0, 8]);
  // Lists, refusals and answers are all uses.
  assert.equal((await used(gateway, second.ID, 12)).UsageCount, 12);
});

Deno.test("a protocol lists for a key the models that its providers serve on that protocol", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [upstream.url, { url: upstream.url, provider: { type: "anthropic" } }],
  });
  const { Key } = await makeKey(gateway, { providers: [providers[1]?.ID] });
  const listed = async (path: string) => {
    const response = await fetch(gateway.url + path, {
      headers: { "x-api-key": Key, ...bearer(Key).headers },
    });
    return (await response.json()).data.map(({ id }: { id: string }) => id);
  };
  assert.deepEqual(await listed("/anthropic/v1/models"), ["m"]);
  assert.deepEqual(await listed("/openai/v1/models"), []);
});

Deno.test("a limit of tokens counts all of a large request, its longest texts too", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { Key } = await makeKey(gateway, { tokens_per_minute: 300_000 });
  const ask = async (content: string) => {
    const response = await gateway.chat({ messages: [{ role: "user", content }] }, bearer(Key));
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ask("hi"), 200);
  await gateway.logs(1);
  // Three letters to a token are 400,000 tokens: more than what is left of the minute.
  assert.equal(await ask("word ".repeat(240_000)), 429);
  assert.equal(await ask("word ".repeat(100_000)), 200);
});

Deno.test("a provider that may not serve a key is not its failover either", async () => {
  await using down = await ScriptedUpstream.start(json(500, { error: { message: "boom" } }));
  await using up = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    model: { max_retry: 2 },
    providers: [down.url, up.url],
  });
  const { Key } = await makeKey(gateway, { providers: [providers[0]?.ID] });
  const response = await gateway.chat({}, bearer(Key));
  await response.body?.cancel();
  // The provider's own words are all that there is to say.
  assert.equal(response.status, 500);
  assert.equal(up.requests.length, 0);
});

Deno.test("requests beyond a limit a minute are refused with the limit's name, its headers and when to come again", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = await serveAll(stack);
  for (const { name, path } of everywhere("")) {
    const { Key } = await makeKey(gateway, { name, requests_per_minute: 1 });
    const call = everywhere(Key).find((each) => each.path === path)?.init ?? {};
    const first = await fetch(gateway.url + path, call);
    await first.body?.cancel();
    assert.equal(first.status, 200, name);
    const second = await fetch(gateway.url + path, call);
    const { message, error } = await second.json();
    assert.equal(second.status, 429, name);
    assert.match(message, /1 requests? (a|per) minute/i, name);
    assert.equal(error.message, message, name);
    const wait = Number(second.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 61, `${name} ${wait}`);
    const prefix = name === "messages" ? "anthropic-ratelimit-requests-limit" : "x-ratelimit-limit-requests";
    assert.equal(second.headers.get(prefix), "1", name);
  }
});

Deno.test("of 200 requests at once a limit lets through exactly as many as it says", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { Key } = await makeKey(gateway, { requests_per_minute: 50 });
  const statuses = await Promise.all(Array.from({ length: 200 }, async () => {
    const response = await gateway.chat({}, bearer(Key));
    await response.body?.cancel();
    return response.status;
  }));
  assert.equal(statuses.filter((status) => status === 200).length, 50);
  assert.equal(statuses.filter((status) => status === 429).length, 150);
  assert.equal(upstream.requests.length, 50);
});

Deno.test("a place among the requests at once is held to the end of a stream, and given back however it ends", async () => {
  const gate = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start((request) =>
    request.text.includes("stay")
      ? [...okSse().slice(0, 3), until(gate.promise), ...okSse().slice(3)]
      : okSse()
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { Key } = await makeKey(gateway, { max_concurrent: 1 });
  const call = (content: string, signal?: AbortSignal) =>
    gateway.chat({ stream: true, messages: [{ role: "user", content }] }, {
      ...bearer(Key),
      ...(signal && { signal }),
    });
  const held = await call("stay");
  const refused = await call("go");
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "1");
  await refused.body?.cancel();
  gate.resolve();
  await held.text();
  await (await call("go")).text();
  // A client that leaves gives its place back as well.
  const leaving = new AbortController();
  const left = await call("stay", leaving.signal);
  leaving.abort();
  await left.text().catch(() => {});
  await gateway.logs(3);
  const last = await call("go");
  await last.body?.cancel();
  assert.equal(last.status, 200);
});

Deno.test("a place is taken before the body is read, so a key has no more bodies on their way than requests at once", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ name: "m", providers: [upstream.url] });
  const { Key } = await makeKey(gateway, { max_concurrent: 1 });
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(300_000) }] });
  const head = (length: number) =>
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${Key}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
  const call = (text: string) =>
    fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", body: text, ...bearer(Key) });

  await using uploading = await RawConnection.open(gateway.url);
  uploading.write(head(body.length) + body.slice(0, 100_000));
  // Refused without a byte of a body that is never sent.
  await using waiting = await RawConnection.open(gateway.url);
  waiting.write(head(50_000_000));
  await waiting.until(() => waiting.received.includes("\r\n\r\n{"));
  assert.deepEqual(waiting.statuses, [429]);
  assert.match(waiting.received, /1 request under way at once/);
  // Whoever sends a whole body gets the refusal too, not a broken connection.
  const refused = await Promise.all(Array.from({ length: 20 }, () => call(body)));
  for (const response of refused) {
    assert.equal(response.status, 429);
    assert.equal((await response.json()).error.code, "rate_limit_exceeded");
  }
  assert.equal(upstream.requests.length, 0);
  uploading.write(body.slice(100_000));
  await uploading.until(() => uploading.received.includes("Hello"));
  assert.deepEqual(uploading.statuses, [200]);

  // What is refused for another reason, or breaks off, gives its place back.
  for (const text of ["no JSON", '{"messages":[]}', '{"model":"unknown"}']) {
    const response = await call(text);
    assert.ok([400, 404].includes(response.status), `${text}: ${response.status}`);
    await response.body?.cancel();
  }
  {
    await using broken = await RawConnection.open(gateway.url);
    broken.write(head(1_000) + '{"model":"m"');
  }
  await eventually(async () => {
    const response = await call(body);
    await response.body?.cancel();
    return response.status === 200;
  });
});

Deno.test("requests at once do not run past a budget, and only an operator can help when all of it is spent", async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start(async () => {
    await gate;
    return okChat();
  });
  await using gateway = await TestGateway.start();
  const prices = { input_price: 1_000, cache_read_price: 1_000, output_price: 1_000, currency: "USD" };
  await gateway.serveModel({ providers: [{ url: upstream.url, association: prices }] });
  const { ID, Key } = await makeKey(gateway, { budget_total: 0.2, budget_currency: "USD" });
  // 0.06 at the most, by some 40 tokens in and 20 out, and 0.04 in fact: four fit in at once, five in all.
  const content = "word ".repeat(16);
  const call = async () => {
    const body = { max_tokens: 20, messages: [{ role: "user", content }] };
    const response = await gateway.chat(body, bearer(Key));
    return [response.status, (await response.json()).error?.code, response.headers.get("retry-after")];
  };
  const calls = Array.from({ length: 50 }, call);
  setTimeout(open, 500);
  const results = await Promise.all(calls);
  assert.equal(results.filter(([status]) => status === 200).length, 4);
  for (const result of results.filter(([status]) => status !== 200)) {
    assert.deepEqual(result, [429, "insufficient_quota", "1"]);
  }
  assert.equal((await call())[0], 200);
  assert.deepEqual(await call(), [402, "insufficient_quota", null]);
  await used(gateway, ID, 52);
  await gateway.logs(5);
  const { Spent } = await gateway.admin<{ Spent: { total: number } }>("GET", `/auth-keys/${ID}`);
  assert.ok(Math.abs(Spent.total - 0.2) < 1e-9, `${Spent.total}`);
  await gateway.admin("POST", `/auth-keys/${ID}/reset-budget`);
  assert.equal((await call())[0], 200);
});

Deno.test("what a key has used is remembered over a restart", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using upstream = await ScriptedUpstream.start(okChat());
    const flags = { db: `${folder}/llmio.db` };
    let key = "";
    let spender = "";
    {
      await using gateway = await TestGateway.start(flags);
      await gateway.serveModel({
        providers: [{ url: upstream.url, association: { output_price: 1_000_000, currency: "USD" } }],
      });
      key = (await makeKey(gateway, { requests_per_minute: 2 })).Key;
      spender = (await makeKey(gateway, { name: "spender", budget_day: 10 })).Key;
      for (const each of [key, key, spender]) {
        await (await gateway.chat({ max_tokens: 20 }, bearer(each))).body?.cancel();
      }
    }
    await using gateway = await TestGateway.start(flags);
    const limited = await gateway.chat({ max_tokens: 20 }, bearer(key));
    assert.deepEqual([limited.status, (await limited.json()).error.code], [429, "rate_limit_exceeded"]);
    const poor = await gateway.chat({ max_tokens: 20 }, bearer(spender));
    assert.deepEqual([poor.status, (await poor.json()).error.code], [429, "insufficient_quota"]);
    assert.ok(Number(poor.headers.get("retry-after")) >= 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a response that was made with one key is none to another, and the admin sees it", async () => {
  await using upstream = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: upstream.url, provider: { type: "openai-res" } }] });
  const [mine, theirs] = [await makeKey(gateway), await makeKey(gateway, { name: "team-b" })];
  const call = (key: string, path: string, body?: unknown) =>
    fetch(`${gateway.url}/v1/responses${path}`, {
      ...bearer(key),
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    });
  await (await call(mine.Key, "", { model: "m", input: "hi" })).body?.cancel();
  const asked = async (response: Promise<Response>) => {
    const { status, body } = await response;
    await body?.cancel();
    return status;
  };
  const follow = { model: "m", input: "go on", previous_response_id: "resp_fixture" };
  assert.equal(await asked(call(theirs.Key, "/resp_fixture")), 404);
  assert.equal(await asked(call(theirs.Key, "", follow)), 404);
  assert.equal(upstream.requests.length, 1);
  assert.equal(await asked(call(mine.Key, "/resp_fixture")), 200);
  assert.equal(await asked(call(mine.Key, "", follow)), 200);
});
