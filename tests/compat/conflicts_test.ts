/** Where the two Go programs disagree, the clients of both are served (compat/admin-api.md, section 12). @module */
import assert from "node:assert/strict";
import { type SeededGateway, startSeeded, TOKEN } from "./seeded_gateway.ts";

type Row = Record<string, unknown>;

/** What holds, one entry for each line of the section that is about `/api`. */
const RULES: readonly [what: string, holds: (seeded: SeededGateway) => Promise<void>][] = [
  ["GET /api/models is an array without a query and a page with any parameter", async ({ call, spare }) => {
    await spare("models");
    const plain = await call("GET", "/api/models");
    const ids = plain.data.map(({ ID }: Row) => ID);
    assert.deepEqual(ids, ids.toSorted((one: number, other: number) => one - other), "oldest first");
    for (const query of ["page=1", "page_size=20", "search=", "strategy=", "page=1&page_size=1&search=gpt"]) {
      const { data } = await call("GET", `/api/models?${query}`);
      assert.deepEqual(Object.keys(data), ["data", "total", "page", "page_size", "pages"], query);
    }
    const newest = (await call("GET", "/api/models?page_size=1")).data.data[0].ID;
    assert.equal(newest, ids.at(-1), "newest first");
  }],
  ["bad input has code 400 whatever the route, and the message says what is wrong", async ({ call }) => {
    const cases = [
      ["GET", "/api/models?page=0", undefined, "invalid page parameter"],
      ["GET", "/api/logs?page_size=101", undefined, "invalid page_size parameter (1-100)"],
      ["GET", "/api/model-providers", undefined, "model_id query parameter is required"],
      ["PUT", "/api/providers/x", {}, "Invalid ID format"],
      ["PATCH", "/api/models/order", { model_ids: [] }, "model_ids cannot be empty"],
      ["GET", "/api/providers/health/x", undefined, "Invalid provider ID format"],
    ] as const;
    for (const [method, path, body, message] of cases) {
      const answer = await call(method, path, body);
      assert.deepEqual([answer.status, answer.code, answer.message], [400, 400, message], path);
    }
  }],
  ["GET /api/providers lists the newest first and filters", async ({ call, spare }) => {
    const id = await spare("providers");
    const ids = (await call("GET", "/api/providers")).data.map(({ ID }: Row) => ID);
    assert.equal(ids[0], id);
    assert.deepEqual(ids, ids.toSorted((one: number, other: number) => other - one));
    assert.equal((await call("GET", "/api/providers?name=ACME&type=openai")).data.length, 1);
    assert.deepEqual((await call("GET", "/api/providers?name=ACME&type=gemini")).data, []);
  }],
  ["GET /api/logs lists the newest id first", async ({ call, gateway }) => {
    for (let count = 2; count <= 3; count++) {
      await (await gateway.chat({ model: "gpt-4o" })).body?.cancel();
      await gateway.logs(count);
    }
    const ids = (await call("GET", "/api/logs")).data.data.map(({ ID }: Row) => ID);
    assert.ok(ids.length >= 3);
    assert.deepEqual(ids, ids.toSorted((one: number, other: number) => other - one));
  }],
  ["a list of models that cannot be had is a failure of the provider, not of the gateway", async (seeded) => {
    const { call, vendor, providerId } = seeded;
    const { data } = await call("GET", `/api/providers/models/${providerId}`);
    assert.deepEqual(data, [{ id: "a", object: "model", created: 1, owned_by: "acme" }]);
    assert.ok(vendor.requests.some(({ target }) => target === "/v1/models"));
    const lost = await seeded.gateway.admin<Row>("POST", "/providers", {
      name: "lost",
      type: "openai",
      config: JSON.stringify({ base_url: `${vendor.url}/missing/v1`, api_key: "k" }),
    });
    vendor.answer("/missing/v1/models", () => [{ end: "close" }]);
    const answer = await call("GET", `/api/providers/models/${lost.ID}`);
    assert.deepEqual([answer.status, answer.code], [502, 502]);
    assert.match(answer.message, /^Failed to get models: /);
  }],
  ["the fork's beta stays in a config that has it, and goes along as anthropic-beta", async (seeded) => {
    const { call, gateway, vendor } = seeded;
    const config = {
      base_url: `${vendor.url}/v1`,
      api_key: "sk-beta-key",
      beta: "tools-2024",
      version: "2023-06-01",
    };
    const provider = await gateway.admin<Row>("POST", "/providers", {
      name: "beta",
      type: "anthropic",
      config: JSON.stringify(config),
    });
    assert.equal(JSON.parse(String(provider.Config)).beta, "tools-2024");
    const association = await gateway.admin<Row>("POST", "/model-providers", {
      model_id: seeded.modelId,
      provider_id: provider.ID,
      provider_name: "claude-beta",
      status: false,
    });
    const before = vendor.requests.length;
    await call("GET", `/api/test/${association.ID}`);
    const sent = vendor.requests.slice(before).find(({ target }) => target === "/v1/messages");
    assert.equal(sent?.header("anthropic-beta"), "tools-2024");
  }],
  ["export, import and batch-import are paths and no settings", async ({ call }) => {
    const cases = [
      ["PUT", "export", "GET, HEAD"],
      ["GET", "import", "POST"],
      ["PUT", "import", "POST"],
      ["GET", "batch-import", "POST"],
      ["PUT", "batch-import", "POST"],
    ] as const;
    for (const [method, key, allow] of cases) {
      const answer = await call(method, `/api/config/${key}`, method === "PUT" ? { value: "{}" } : undefined);
      assert.deepEqual([answer.status, answer.code, answer.headers.get("allow")], [405, 405, allow], key);
    }
    assert.ok(!Object.hasOwn(JSON.parse((await call("GET", "/api/config/export")).text), "code"));
  }],
  [
    "clearing logs by the fork's route removes them for good and leaves a line in the history",
    async ({ call }) => {
      const cleared = await call("DELETE", "/api/logs/clear?days=0");
      assert.ok(cleared.data.deleted_count >= 1);
      assert.equal((await call("GET", "/api/logs")).data.total, 0);
      assert.equal(
        (await call("GET", "/api/logs/cleanup/history")).data.data[0].DeletedCount,
        cleared.data.deleted_count,
      );
    },
  ],
  ["a token in the URL opens nothing", async ({ gateway }) => {
    for (const path of ["/api/providers", "/api/config/export", "/api/logs/export"]) {
      const response = await fetch(`${gateway.url}${path}?token=${TOKEN}`);
      await response.body?.cancel();
      assert.equal(response.status, 401, path);
    }
  }],
  ["a duplicate model is refused by its name", async ({ call }) => {
    const answer = await call("POST", "/api/models", { name: "gpt-4o" });
    assert.deepEqual([answer.status, answer.message], [409, "Model: gpt-4o already exists"]);
  }],
];

Deno.test("conflicts: the clients of both programs are served", async (t) => {
  await using seeded = await startSeeded();
  for (const [what, holds] of RULES) await t.step(what, () => holds(seeded));
});
