/** What `POST /api/explain` foretells, against what then happens. @module */
import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

/** An answer of the route, as far as it is looked at here. */
interface Explanation {
  readonly candidates: readonly {
    readonly provider_name: string;
    readonly tier: string;
    readonly share: number;
    readonly keys: readonly { readonly status: string }[];
  }[];
}

const explain = (gateway: TestGateway, body: Record<string, unknown> = {}) =>
  gateway.admin<Explanation>("POST", "/explain", { model: "m", ...body });

Deno.test("a request whose every attempt fails is tried in the order that was foretold", async () => {
  await using upstream = await ScriptedUpstream.start(json(401, { error: { message: "no" } }));
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [2, 9, 5, 7].map((weight) => ({ url: upstream.url, association: { weight } })),
  });
  await gateway.admin("PATCH", `/providers/${providers[3]?.ID}/status`, { status: false });
  const { candidates } = await explain(gateway);
  const foretold = candidates.map(({ provider_name }) => provider_name);
  assert.deepEqual(foretold, ["provider-2", "provider-3", "provider-1"]);
  assert.equal(upstream.requests.length, 0);
  const response = await gateway.chat({});
  assert.equal(response.status, 502);
  await response.body?.cancel();
  assert.deepEqual((await gateway.logs(3)).map((row) => row.ProviderName), foretold);
  const after = await explain(gateway);
  assert.deepEqual(after.candidates.map(({ tier, keys }) => [tier, keys[0]?.status]), [
    ["unhealthy", "bad"],
    ["unhealthy", "bad"],
    ["unhealthy", "bad"],
  ]);
});

Deno.test("explaining takes nobody's turn and calls nobody", async () => {
  await using one = await ScriptedUpstream.start(okChat());
  await using two = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ model: { strategy: "round_robin" }, providers: [one.url, two.url] });
  for (let i = 0; i < 6; i++) {
    const answers = new Set<string>();
    for (let j = 0; j < 3; j++) answers.add(JSON.stringify(await explain(gateway)));
    assert.equal(answers.size, 1);
    const [next] = (await explain(gateway)).candidates;
    assert.equal(next?.share, 1);
    const response = await gateway.chat({});
    await response.body?.cancel();
    assert.equal(response.headers.get("x-llmio-provider"), next?.provider_name);
    assert.equal(one.requests.length + two.requests.length, i + 1);
  }
  assert.deepEqual([one.requests.length, two.requests.length], [3, 3]);
});
