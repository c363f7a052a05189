/** A budget does not run free because the gateway is killed. @module */
import assert from "node:assert/strict";
import { inFolder } from "../store/fixtures.ts";
import { CHAT_USAGE, okChat } from "../upstream/fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { cannotBeAsked, GatewayProcess } from "./gateway_process.ts";

/** Answers that the budget pays for. */
const PAID = 40;
const LOAD_MS = 1_500;
const PAUSE_MS = 60;
/** The bound in docs/keys.md: what the last flush interval has not written, generously. */
const LOST_MS = 1_000;
const ENOUGH_ROUNDS = 15;

Deno.test(
  "kill -9 gives a key no more than the last second's requests beyond its budget, however often it is done",
  { ignore: cannotBeAsked },
  () =>
    inFolder(async (folder) => {
      await using upstream = await ScriptedUpstream.start(okChat());
      let key = "";
      let mayBeLost = 0;
      let refused = 0;
      for (let round = 0; refused === 0; round++) {
        assert.ok(round < ENOUGH_ROUNDS, "the budget was never spent");
        await using gateway = await GatewayProcess.start(folder);
        if (key === "") key = await furnish(gateway, upstream);
        const { answeredAt, refusals } = await load(gateway, key);
        const killedAt = performance.now();
        await gateway.kill();
        refused += refusals;
        mayBeLost += answeredAt.filter((at) => at > killedAt - LOST_MS).length;
      }
      const served = upstream.requests.length;
      assert.ok(served >= PAID, `only ${served} were served`);
      // One more than the budget pays for can be under way when the last of it is spent.
      assert.ok(served <= PAID + 1 + mayBeLost, `${served} were served, of which ${mayBeLost} may be lost`);
    }),
);

/** @returns the key of a client */
async function furnish(gateway: GatewayProcess, { url }: ScriptedUpstream): Promise<string> {
  const provider = await gateway.admin<{ ID: number }>("POST", "/providers", {
    name: "p",
    type: "openai",
    config: JSON.stringify({ base_url: url, api_key: "sk-upstream-budget" }),
  });
  const model = await gateway.admin<{ ID: number }>("POST", "/models", { name: "m" });
  await gateway.admin("POST", "/model-providers", {
    model_id: model.ID,
    provider_id: provider.ID,
    provider_name: "um",
    output_price: 1_000_000,
    currency: "USD",
  });
  const { Key } = await gateway.admin<{ Key: string }>("POST", "/auth-keys", {
    name: "team",
    allow_all: true,
    budget_total: PAID * CHAT_USAGE.completion_tokens,
  });
  return Key;
}

/** One request after another for a while. */
async function load(
  gateway: GatewayProcess,
  key: string,
): Promise<{ readonly answeredAt: number[]; readonly refusals: number }> {
  const answeredAt: number[] = [];
  const end = performance.now() + LOAD_MS;
  while (performance.now() < end) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "m", max_tokens: 17, messages: [{ role: "user", content: "hi" }] }),
    });
    await response.body?.cancel();
    if (response.status === 402) return { answeredAt, refusals: 1 };
    assert.equal(response.status, 200);
    answeredAt.push(performance.now());
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { answeredAt, refusals: 0 };
}
