import assert from "node:assert/strict";
import { okChat, okSse } from "../upstream/fixtures.ts";
import { answer, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

Deno.test("a provider's calls go through its own HTTP proxy, and only those", async () => {
  // A scripted upstream serves as the proxy: a plain-text call reaches it in absolute form (RFC 9112, section 3.2.2).
  await using proxy = await ScriptedUpstream.start(okChat());
  await using direct = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    name: "far",
    providers: [{ url: "http://provider.example", provider: { proxy: proxy.url } }],
  });
  await gateway.serveModel({ name: "near", providers: [direct.url] });
  for (const model of ["far", "near"]) {
    const response = await gateway.chat({ model });
    assert.equal(response.status, 200, model);
    await response.body?.cancel();
  }
  assert.deepEqual(proxy.requests.map((request) => request.target), [
    "http://provider.example/v1/chat/completions",
  ]);
  assert.equal(proxy.requests[0]?.header("authorization"), "Bearer sk-upstream-1-secret");
  assert.deepEqual(direct.requests.map((request) => request.target), ["/v1/chat/completions"]);
});

Deno.test("a proxy that cannot be used fails closed: the provider is not called directly, the next one is", async () => {
  await using behind = await ScriptedUpstream.start(okChat());
  await using other = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [
      { url: behind.url, association: { weight: 9 }, provider: { proxy: `http://127.0.0.1:${port}` } },
      other.url,
    ],
  });
  const response = await gateway.chat({});
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.deepEqual([behind.requests.length, other.requests.length], [0, 1]);
  assert.equal((await gateway.logs(2))[0]?.Outcome, "network");
});

Deno.test("a proxy's credentials are sent to it and shown to nobody", async () => {
  await using proxy = await ScriptedUpstream.start(answer(502, "no way"));
  await using gateway = await TestGateway.start();
  const { host } = new URL(proxy.url);
  await gateway.serveModel({
    model: { max_retry: 1 },
    providers: [{ url: "http://provider.example", provider: { proxy: `http://user:canary-secret@${host}` } }],
  });
  const text = await (await gateway.chat({})).text();
  assert.equal(
    proxy.requests[0]?.header("proxy-authorization"),
    `Basic ${btoa("user:canary-secret")}`,
  );
  const told = [
    text,
    JSON.stringify(await gateway.logs(1)),
    JSON.stringify(await gateway.admin("GET", "/providers")),
  ];
  assert.ok(!told.join("").includes("canary-secret"));
});

Deno.test("connections through a proxy that no provider has any more are given up, what is under way ends in its time", async () => {
  const gate = Promise.withResolvers<void>();
  await using former = await ScriptedUpstream.start(okChat());
  await using later = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [{ url: "http://provider.example", provider: { proxy: former.url } }],
  });
  former.enqueue([...okSse().slice(0, 3), until(gate.promise), ...okSse().slice(3)]);
  const streamed = await gateway.chat({ stream: true });
  // One more connection, which is idle then.
  await (await gateway.chat({})).text();
  const [busy, idle] = former.connections;
  assert.equal(former.connections.length, 2);
  await gateway.admin("PUT", `/providers/${providers[0]?.ID}`, {
    ...{ name: "provider-1", type: "openai", proxy: later.url },
    config: JSON.stringify({ base_url: "http://provider.example", api_key: "sk-upstream-1-secret" }),
  });
  await idle?.closed;
  await (await gateway.chat({})).text();
  assert.deepEqual([former.requests.length, later.requests.length], [2, 1]);
  gate.resolve();
  assert.match(await streamed.text(), /data: \[DONE\]/);
  await busy?.closed;
});
