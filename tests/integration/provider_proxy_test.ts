import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { answer } from "../upstream/replies.ts";
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
