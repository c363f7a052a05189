import assert from "node:assert/strict";
import { startLive } from "./live_harness.ts";

Deno.test("POST /api/explain reads a Responses request as the gateway does", async () => {
  await using admin = await startLive();
  await admin.call("POST", "/models", { name: "gpt" });
  for (const [number, image] of [[1, false], [2, true]] as const) {
    await admin.call("POST", "/providers", {
      name: `p${number}`,
      type: "openai-res",
      config: `{"base_url":"https://p${number}.example/v1","api_key":"sk-${number}"}`,
    });
    await admin.call("POST", "/model-providers", {
      model_id: 1,
      provider_id: number,
      provider_name: "upstream",
      image,
    });
  }
  const candidates = async (request: Record<string, unknown>) => {
    const { status, data, text } = await admin.call("POST", "/explain", { protocol: "openai-res", request });
    assert.equal(status, 200, text);
    return data.candidates.map((each: { provider_name: string }) => each.provider_name).sort();
  };
  assert.deepEqual(await candidates({ model: "gpt", input: "hi" }), ["p1", "p2"]);
  const picture = { role: "user", content: [{ type: "input_image", image_url: "data:," }] };
  assert.deepEqual(await candidates({ model: "gpt", input: [picture] }), ["p2"]);
  assert.deepEqual(await candidates({ model: "gpt", tools: [{ type: "web_search" }] }), []);
});
