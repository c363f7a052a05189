/** What was served by an OrchestrationApi goes on after its groups were imported. @module */
import assert from "node:assert/strict";
import { OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const KEY = "sk-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg";

Deno.test("a client of an OrchestrationApi keeps its key, its model names and the order of its groups", async () => {
  await using first = await ScriptedUpstream.start(json(500, { error: { message: "boom" } }));
  await using second = await ScriptedUpstream.start(() => okChat());
  await using other = await ScriptedUpstream.start(() => okSse(OK_SSE));
  await using gateway = await TestGateway.start();
  const group = { provider_type: "openai", models: ["gpt"], model_aliases: { mine: "gpt" } };
  await gateway.admin("POST", "/import/orchestration", {
    groups: [
      {
        ...group,
        id: "b",
        group_name: "Second",
        base_url: second.url,
        api_keys: ["kb"],
        fake_streaming: true,
      },
      { ...group, id: "a", group_name: "First", base_url: first.url, api_keys: ["ka"], priority: 10 },
      { ...group, id: "c", group_name: "Other", base_url: other.url, api_keys: ["kc"], priority: 99 },
    ],
    proxy_keys: [{ key_name: "team", key_value: KEY, allowed_groups: ["a", "b"] }],
  });
  const response = await gateway.chat({ model: "mine", stream: true, tools: [{ type: "function" }] }, {
    headers: { authorization: `Bearer ${KEY}` },
  });
  assert.equal(response.status, 200);
  assert.match(await response.text(), /"content":"Hello"[^]*data: \[DONE\]\n\n$/);
  const asked = [first, second].map(({ requests: [request] }) => {
    const { model, stream } = request?.json() as { model: string; stream: boolean };
    return [model, stream, request?.header("authorization")];
  });
  assert.deepEqual(asked, [["gpt", true, "Bearer ka"], ["gpt", false, "Bearer kb"]]);
  assert.equal(other.requests.length, 0, "the key may not use this group");
});
