import assert from "node:assert/strict";
import { startLive } from "./live_harness.ts";

Deno.test("POST /api/explain reads a Messages request as the gateway does", async () => {
  await using admin = await startLive();
  await admin.call("POST", "/models", { name: "claude" });
  for (const [number, structured_output] of [[1, false], [2, true]] as const) {
    await admin.call("POST", "/providers", {
      name: `p${number}`,
      type: "anthropic",
      config: `{"base_url":"https://p${number}.example/v1","api_key":"sk-${number}"}`,
    });
    await admin.call("POST", "/model-providers", {
      model_id: 1,
      provider_id: number,
      provider_name: "upstream",
      tool_call: true,
      structured_output,
    });
  }
  const candidates = async (request: Record<string, unknown>) => {
    const { status, data, text } = await admin.call("POST", "/explain", { protocol: "anthropic", request });
    assert.equal(status, 200, text);
    return data.candidates.map((each: { provider_name: string }) => each.provider_name).sort();
  };
  const request = { model: "claude", tools: [{ name: "f" }] };
  assert.deepEqual(await candidates(request), ["p1", "p2"]);
  const format = { type: "json_schema", schema: {} };
  assert.deepEqual(await candidates({ ...request, output_config: { format } }), ["p2"]);
  assert.deepEqual(await candidates({ model: "claude", messages: [{ content: [{ type: "image" }] }] }), []);
});
