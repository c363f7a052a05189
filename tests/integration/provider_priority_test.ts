/** Providers with a larger priority serve first. @module */
import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

async function statusOf(gateway: TestGateway): Promise<number> {
  const response = await gateway.chat({});
  await response.body?.cancel();
  return response.status;
}

Deno.test("the provider with the larger priority serves all requests, whatever the weights", async () => {
  await using low = await ScriptedUpstream.start(() => okChat());
  await using high = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [
      { url: low.url, association: { weight: 1_000 } },
      { url: high.url, provider: { priority: 1 } },
    ],
  });
  for (let i = 0; i < 10; i++) assert.equal(await statusOf(gateway), 200);
  assert.deepEqual([low.requests.length, high.requests.length], [0, 10]);
});

Deno.test("a request goes down the priorities when the higher ones fail, and a change of them acts at once", async () => {
  await using first = await ScriptedUpstream.start(() => json(500, { error: { message: "boom" } }));
  await using second = await ScriptedUpstream.start(() => json(429, { error: {} }, { "retry-after": "60" }));
  await using third = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    providers: [
      { url: third.url, provider: { priority: -1 } },
      { url: second.url },
      { url: first.url, provider: { priority: 7 } },
    ],
  });
  assert.equal(await statusOf(gateway), 200);
  const names = (await gateway.logs(3)).map((row) => row.ProviderName);
  assert.deepEqual(names, ["provider-3", "provider-2", "provider-1"]);
  // The second one cools now: it comes after all that are ready, whatever its priority.
  await gateway.admin("PUT", `/providers/${providers[1]?.ID}`, { priority: 1000 });
  await gateway.admin("PUT", `/providers/${providers[0]?.ID}`, { priority: 500 });
  const { candidates } = await gateway.admin<{ candidates: Row[] }>("POST", "/explain", { model: "m" });
  assert.deepEqual(
    candidates.map(({ provider_name: name, priority, share, tier }) => [name, priority, share, tier]),
    [["provider-1", 500, 1, "ready"], ["provider-3", 7, 0, "ready"], ["provider-2", 1000, 0, "cooling"]],
  );
  assert.equal(await statusOf(gateway), 200);
  assert.deepEqual([first, second, third].map(({ requests }) => requests.length), [1, 1, 2]);
});
