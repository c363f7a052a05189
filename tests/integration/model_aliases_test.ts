/** Names that a provider's associations may give in place of the model's own. @module */
import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { okGemini } from "../upstream/gemini_fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postGemini, serveGemini } from "./gemini_client.ts";
import { call } from "./openai_client.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

const aliased = (url: string, model_aliases: Record<string, string>, provider_name = "fast") => ({
  url,
  provider: { model_aliases },
  association: { provider_name },
});
const sentModel = (upstream: ScriptedUpstream, index = 0) =>
  (upstream.requests[index]?.json() as { model: string } | undefined)?.model;

Deno.test("an association that gives an alias is called by the model's own name, in requests, log and explanation", async () => {
  await using upstream = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  const { providers: [provider], model } = await gateway.serveModel({
    providers: [aliased(upstream.url, { fast: "vendor/fast-1" })],
  });
  await (await gateway.chat({})).body?.cancel();
  assert.equal(sentModel(upstream), "vendor/fast-1");
  assert.equal((await gateway.logs(1))[0]?.ProviderModel, "vendor/fast-1");
  const { candidates: [candidate] } = await gateway.admin<{ candidates: Row[] }>("POST", "/explain", {
    model: "m",
  });
  assert.deepEqual([candidate?.provider_model, candidate?.alias], ["vendor/fast-1", "fast"]);
  const [association] = await gateway.admin<Row[]>("GET", `/model-providers?model_id=${model.ID}`);
  assert.equal(association?.ProviderModel, "fast");
  const status = `/model-providers/status?provider_id=${provider?.ID}&model_name=m&provider_model=fast`;
  assert.deepEqual(await gateway.admin("GET", status), [true]);
});

Deno.test("a change of the aliases acts at once; without one the association's own name is sent", async () => {
  await using upstream = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  const { providers: [provider] } = await gateway.serveModel({
    providers: [aliased(upstream.url, { fast: "vendor/fast-1" })],
  });
  for (const model_aliases of [{ fast: "vendor/fast-2" }, { other: "x" }, null]) {
    await gateway.admin("PUT", `/providers/${provider?.ID}`, { model_aliases });
    await (await gateway.chat({})).body?.cancel();
  }
  assert.deepEqual([0, 1, 2].map((index) => sentModel(upstream, index)), ["vendor/fast-2", "fast", "fast"]);
});

Deno.test("an alias is resolved once, and the names of an object's own members are none", async () => {
  await using upstream = await ScriptedUpstream.start(() => okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ name: "a", providers: [aliased(upstream.url, { fast: "slow", slow: "fast" })] });
  await gateway.serveModel({ name: "b", providers: [aliased(upstream.url, { x: "y" }, "toString")] });
  for (const model of ["a", "b"]) await (await gateway.chat({ model })).body?.cancel();
  assert.deepEqual([sentModel(upstream), sentModel(upstream, 1)], ["slow", "toString"]);
});

Deno.test("each provider has its own aliases on the way of one request", async () => {
  await using bad = await ScriptedUpstream.start(json(500, { error: { message: "boom" } }));
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [
      { ...aliased(bad.url, { fast: "one" }), association: { provider_name: "fast", weight: 2 } },
      aliased(good.url, { fast: "two" }),
    ],
  });
  await (await gateway.chat({})).body?.cancel();
  assert.deepEqual([sentModel(bad), sentModel(good)], ["one", "two"]);
});

Deno.test("Gemini: the own name stands in the path", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [aliased(upstream.url, { fast: "gemini-flash" })]);
  await (await postGemini(gateway)).body?.cancel();
  assert.equal(upstream.requests[0]?.target, "/v1beta/models/gemini-flash:generateContent");
});

Deno.test("model lists show public names only", async () => {
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [aliased(upstream.url, { fast: "vendor/fast-1" })] });
  const { data } = await (await call(gateway, "GET", "/models")).json() as { data: { id: string }[] };
  assert.deepEqual(data.map(({ id }) => id), ["m"]);
});

Deno.test("what was learnt of one model is forgotten when the alias leads to another", async () => {
  await using upstream = await ScriptedUpstream.start(() =>
    json(404, { error: { message: "no such model", type: "invalid_request_error", code: "model_not_found" } })
  );
  await using gateway = await TestGateway.start();
  const { providers: [provider] } = await gateway.serveModel({
    model: { max_retry: 1 },
    providers: [aliased(upstream.url, { fast: "vendor/wrong" })],
  });
  await (await gateway.chat({})).body?.cancel();
  const tier = async () =>
    (await gateway.admin<{ candidates: Row[] }>("POST", "/explain", { model: "m" })).candidates[0]?.tier;
  assert.equal(await tier(), "cooling");
  await gateway.admin("PUT", `/providers/${provider?.ID}`, { model_aliases: { fast: "vendor/right" } });
  assert.equal(await tier(), "ready");
});
