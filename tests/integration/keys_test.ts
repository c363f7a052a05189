/** Key pools, end to end. @module */
import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { json, type Reply } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const A = "sk-canary-aaaa-QKZVBWXJ";
const B = "sk-canary-bbbb-HGTRPLMN";
const C = "sk-canary-cccc-YUDCSEFA";

/** A key as the admin API shows it. */
interface Key {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly cooling_until: string | null;
  readonly last_error: string | null;
  readonly use_count: number;
}

/** Answers by key: these replies for some, a whole chat for the others. */
function byKey(replies: Readonly<Record<string, Reply>>): (request: UpstreamRequest) => Reply {
  return (request) => replies[secretOf(request)] ?? okChat();
}

function secretOf(request: UpstreamRequest): string {
  return request.header("authorization")?.replace("Bearer ", "") ?? "";
}

/** The keys that were used, in order. */
function used(upstream: ScriptedUpstream): string[] {
  return upstream.requests.map(secretOf);
}

/** A provider with a pool. */
function pooled(upstream: ScriptedUpstream, keys: readonly unknown[], config: Record<string, unknown> = {}) {
  return { url: upstream.url, key: "", config: { api_keys: keys, ...config }, association: { weight: 9 } };
}

async function ask(gateway: TestGateway, times = 1): Promise<Response[]> {
  const responses: Response[] = [];
  for (let i = 0; i < times; i++) {
    const response = await gateway.chat({});
    assert.equal(response.status, 200, await response.text());
    responses.push(response);
  }
  return responses;
}

const refused = json(401, {
  error: { message: `Incorrect API key provided: ${A}`, code: "invalid_api_key" },
});

Deno.test("round_robin takes the keys of a provider in smooth turns by weight", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [pooled(upstream, [{ key: A, weight: 2 }, B])] });
  await ask(gateway, 6);
  assert.deepEqual(used(upstream), [A, B, A, A, B, A]);
});

Deno.test("least_used takes the key with the fewest uses; one that is added catches up", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [pooled(upstream, [A, B], { key_policy: "least_used" })],
  });
  await ask(gateway, 4);
  assert.deepEqual(used(upstream), [A, B, A, B]);
  await gateway.admin("POST", `/providers/${providers[0]?.ID}/keys`, { key: C });
  await ask(gateway, 3);
  assert.deepEqual(used(upstream).slice(4), [C, C, A]);
});

Deno.test("random draws the keys by weight", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [
      pooled(upstream, [{ key: A, weight: 3 }, B, { key: C, weight: 0 }], { key_policy: "random" }),
    ],
  });
  await ask(gateway, 200);
  const count = (key: string) => used(upstream).filter((each) => each === key).length;
  // 150 expected; six standard deviations are 37.
  assert.ok(count(A) > 113 && count(A) < 187, `${count(A)} of 200`);
  assert.equal(count(C), 0);
});

Deno.test("a refused key costs the request nothing: the next key of the same provider serves it", async () => {
  await using upstream = await ScriptedUpstream.start(byKey({ [A]: refused }));
  await using other = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [pooled(upstream, [{ key: A, name: "first" }, B]), other.url],
  });
  const path = `/providers/${providers[0]?.ID}/keys`;
  const [response] = await ask(gateway);
  assert.equal(response?.headers.get("x-llmio-attempts"), "2");
  assert.deepEqual(used(upstream), [A, B]);
  assert.deepEqual((await gateway.logs(2)).map((row) => row.Outcome), ["credential", "completed"]);

  // It is not used again, and the provider stays in use.
  await ask(gateway, 4);
  assert.deepEqual(used(upstream), [A, B, B, B, B, B]);
  const keys = await gateway.admin<Key[]>("GET", path);
  assert.deepEqual(keys.map(({ status, use_count }) => [status, use_count]), [["bad", 1], ["usable", 5]]);
  assert.match(keys[0]?.last_error ?? "", /Incorrect API key provided: \*{4}/);
  assert.doesNotMatch(JSON.stringify(keys), /canary/);

  // Put right at the vendor, it comes back by a reset.
  upstream.fallback = okChat();
  assert.equal((await gateway.admin<Key>("POST", `${path}/first/reset`)).status, "usable");
  await ask(gateway, 2);
  assert.deepEqual(used(upstream).slice(6).sort(), [A, B]);
  assert.equal(used(other).length, 0);
});

Deno.test("a rate limit pauses the key that ran into it, and no other", async () => {
  const limited = json(429, { error: { message: "slow down" } }, { "retry-after": "70" });
  await using upstream = await ScriptedUpstream.start(byKey({ [A]: limited }));
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ providers: [pooled(upstream, [A, B])] });
  const before = Date.now();
  await ask(gateway, 3);
  assert.deepEqual(used(upstream), [A, B, B, B]);
  const keys = await gateway.admin<Key[]>("GET", `/providers/${providers[0]?.ID}/keys`);
  assert.deepEqual(keys.map(({ status }) => status), ["cooling", "usable"]);
  const pauseMs = Date.parse(keys[0]?.cooling_until ?? "") - before;
  assert.ok(pauseMs >= 70_000 && pauseMs < 75_000, `${pauseMs} ms`);
});

Deno.test("a provider whose every key is refused is left for another", async () => {
  await using upstream = await ScriptedUpstream.start(byKey({ [A]: refused, [B]: refused }));
  await using other = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [pooled(upstream, [A, B]), other.url],
  });
  const [response] = await ask(gateway);
  assert.equal(response?.headers.get("x-llmio-provider"), "provider-2");
  await ask(gateway, 3);
  assert.deepEqual([used(upstream).length, used(other).length], [2, 4]);
});

Deno.test("keys that are added, weighed and removed are in force for the next request", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ providers: [{ url: upstream.url, key: A }] });
  const path = `/providers/${providers[0]?.ID}/keys`;
  await ask(gateway);
  await gateway.admin("POST", path, { key: B, name: "b" });
  await ask(gateway, 2);
  await gateway.admin("PATCH", `${path}/b`, { weight: 0 });
  await ask(gateway, 2);
  await gateway.admin("POST", path, { key: C });
  const [first] = await gateway.admin<Key[]>("GET", path);
  await gateway.admin("DELETE", `${path}/${first?.id}`);
  await ask(gateway, 2);
  assert.deepEqual(used(upstream).slice(0, 1), [A]);
  assert.deepEqual(used(upstream).slice(1, 3).sort(), [A, B]);
  assert.deepEqual(used(upstream).slice(3), [A, A, C, C]);
});

Deno.test("a key that is removed while a request uses it lets the request go on", async () => {
  const { promise: removed, resolve } = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start(async (request) => {
    if (secretOf(request) !== A) return okChat();
    await removed;
    return refused;
  });
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [pooled(upstream, [{ key: A, name: "a" }, B])],
  });
  const asking = ask(gateway);
  await upstream.waitForRequest(1);
  await gateway.admin("DELETE", `/providers/${providers[0]?.ID}/keys/a`);
  resolve();
  await asking;
  assert.deepEqual(used(upstream), [A, B]);
});

Deno.test("a key that is switched off is sent nowhere, and a provider whose keys are all off is called by nobody", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers, associations } = await gateway.serveModel({
    providers: [pooled(upstream, [{ key: A, enabled: false }, { key: B, name: "b" }])],
  });
  const provider = providers[0]?.ID;
  await ask(gateway, 3);
  assert.deepEqual(used(upstream), [B, B, B]);
  await gateway.admin("PATCH", `/providers/${provider}/keys/b`, { enabled: false });

  const refused = await gateway.chat({});
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).error.message, /has a key that is switched on/);
  const { excluded } = await gateway.admin<{ excluded: { reason: string; message: string }[] }>(
    "POST",
    "/explain",
    { model: "m" },
  );
  assert.deepEqual(excluded.map(({ reason, message }) => [reason, message]), [
    ["no_key", "all keys of the provider are switched off"],
  ]);
  const check = await gateway.admin<{ error_message: string }>("POST", `/health-check/force/${provider}`, {});
  assert.match(check.error_message, /all of its keys are switched off/);
  for (const path of [`/providers/models/${provider}`, `/test/${associations[0]?.ID}`]) {
    const response = await fetch(`${gateway.url}/api${path}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    assert.match(await response.text(), /all of its keys are switched off/, path);
    assert.notEqual(response.status, 200, path);
  }
  assert.equal(upstream.requests.length, 3);

  await gateway.admin("PATCH", `/providers/${provider}/keys/b`, { enabled: true });
  await gateway.admin("POST", `/health-check/force/${provider}`, {});
  await ask(gateway);
  assert.deepEqual([...new Set(used(upstream))], [B]);
});
