/** Faults of accounting and administration that users of other gateways reported, on a whole gateway. @module */
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { postMessage, serveMessages } from "../integration/messages_client.ts";
import { postGemini, serveGemini } from "../integration/gemini_client.ts";
import { respond, responsesProvider } from "../integration/openai_client.ts";
import { type Row, TestGateway } from "../integration/test_gateway.ts";
import { inFolder, sql } from "../store/fixtures.ts";
import { MESSAGE } from "../upstream/anthropic_fixtures.ts";
import { CHAT_COMPLETION, FRAME, okChat, okSse } from "../upstream/fixtures.ts";
import { geminiChunk } from "../upstream/gemini_fixtures.ts";
import { json, type Reply, until } from "../upstream/replies.ts";
import { responseObject } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";

/** One row of a report of usage. */
interface UsageRow {
  readonly day: string;
  readonly style: string;
  readonly model: string;
  readonly auth_key_id: number;
  readonly provider_id: number;
  readonly provider_name: string;
  readonly requests: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
  readonly total_tokens: number;
}

async function usage(gateway: TestGateway, groups: string): Promise<UsageRow[]> {
  return (await gateway.admin<{ rows: UsageRow[] }>("GET", `/usage?days=3&group_by=${groups}`)).rows;
}

async function done(response: Promise<Response>): Promise<void> {
  const { status, text } = await response.then(async (it) => ({ status: it.status, text: await it.text() }));
  assert.equal(status, 200, text);
}

Deno.test("input means the same in the daily report, whichever protocol and dialect told it", async () => {
  const replies: Readonly<Record<string, Reply>> = {
    openai: json(200, {
      ...CHAT_COMPLETION,
      usage: { prompt_tokens: 100, completion_tokens: 10, prompt_tokens_details: { cached_tokens: 75 } },
    }),
    deepseek: json(200, {
      ...CHAT_COMPLETION,
      usage: {
        prompt_tokens: 100,
        completion_tokens: 10,
        prompt_cache_hit_tokens: 75,
        prompt_cache_miss_tokens: 25,
      },
    }),
    responses: json(
      200,
      responseObject({
        usage: { input_tokens: 100, input_tokens_details: { cached_tokens: 75 }, output_tokens: 10 },
      }),
    ),
    anthropic: json(200, {
      ...MESSAGE,
      usage: { input_tokens: 25, cache_read_input_tokens: 75, output_tokens: 10 },
    }),
    gemini: json(
      200,
      geminiChunk({
        parts: [{ text: "hi" }],
        finishReason: "STOP",
        usageMetadata: { promptTokenCount: 100, cachedContentTokenCount: 75, candidatesTokenCount: 10 },
      }),
    ),
  };
  await using upstream = await ScriptedUpstream.start(({ target }) =>
    replies[target.split("/")[2] ?? ""] ?? []
  );
  await using gateway = await TestGateway.start();
  const at = (name: string) => `${upstream.url}/vendor/${name}/api`;
  await gateway.serveModel({ providers: [at("openai")] });
  await gateway.serveModel({ name: "deepseek", providers: [at("deepseek")] });
  await gateway.serveModel({ name: "responses", providers: [responsesProvider(at("responses"))] });
  await serveMessages(gateway, [at("anthropic")], { name: "anthropic" });
  await serveGemini(gateway, [at("gemini")], { name: "gemini" });
  await done(gateway.chat({}));
  await done(gateway.chat({ model: "deepseek" }));
  await done(respond(gateway, { model: "responses" }));
  await done(postMessage(gateway, { model: "anthropic" }));
  await done(postGemini(gateway, "/v1beta/models/gemini:generateContent"));
  await gateway.logs(5);
  const rows = await usage(gateway, "model");
  assert.deepEqual(rows.map(({ model }) => model).sort(), [
    "anthropic",
    "deepseek",
    "gemini",
    "m",
    "responses",
  ]);
  for (const row of rows) {
    assert.deepEqual(
      [row.prompt_tokens, row.cached_tokens, row.completion_tokens, row.total_tokens],
      [100, 75, 10, 110],
      row.model,
    );
  }
});

Deno.test("2,000 calls, 100 at a time, by 2 keys over 3 models of 3 providers each, lose no token", async () => {
  const CALLS = 2_000;
  const told = {
    prompt_tokens: 11,
    completion_tokens: 7,
    total_tokens: 18,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 3 },
  };
  const usageFrame = `data: ${JSON.stringify({ ...CHAT_COMPLETION, choices: [], usage: told })}\n\n`;
  const stream = okSse([FRAME.role, FRAME.hel, FRAME.lo, FRAME.finish, usageFrame, FRAME.done]);
  const whole = json(200, { ...CHAT_COMPLETION, usage: told });
  await using upstream = await ScriptedUpstream.start(({ text }) =>
    text.includes('"stream":true') ? stream : whole
  );
  await using gateway = await TestGateway.start();
  const models = ["a", "b", "c"];
  for (const name of models) {
    await gateway.serveModel({ name, providers: [1, 2, 3].map(() => upstream.url) });
  }
  const keys = await Promise.all(
    ["one", "two"].map((name) =>
      gateway.admin<Row & { Key: string }>("POST", "/auth-keys", { name, status: true, allow_all: true })
    ),
  );
  let next = 0;
  const client = async () => {
    for (let n = next++; n < CALLS; n = next++) {
      const authorization = `Bearer ${keys[n % 2]?.Key}`;
      const body = { model: models[n % 3] ?? "", ...((n >> 1) % 2 === 0 && { stream: true }) };
      await done(gateway.chat(body, { headers: { authorization } }));
    }
  };
  await Promise.all(Array.from({ length: 100 }, client));
  const figures = (rows: readonly UsageRow[]) =>
    rows.reduce((sum, row) => [
      (sum[0] ?? 0) + row.requests,
      (sum[1] ?? 0) + row.prompt_tokens,
      (sum[2] ?? 0) + row.completion_tokens,
    ], [0, 0, 0]);
  for (let tries = 0; (figures(await usage(gateway, "day"))[0] ?? 0) < CALLS; tries++) {
    assert.ok(tries < 500, "not all rows were written");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const groups of ["day", "model", "key", "provider", "day,provider,model,key,style"]) {
    assert.deepEqual(figures(await usage(gateway, groups)), [CALLS, 22_000, 14_000], groups);
  }
  const byKey = await usage(gateway, "key");
  assert.deepEqual(
    byKey.map((row) => [row.requests, row.prompt_tokens, row.completion_tokens]),
    [[1_000, 11_000, 7_000], [1_000, 11_000, 7_000]],
  );
  for (const key of keys) {
    const row = await gateway.admin<{ UsageCount: number }>("GET", `/auth-keys/${key.ID}`);
    assert.equal(row.UsageCount, 1_000);
  }
  const days = await gateway.admin("GET", "/metrics/use/1");
  assert.deepEqual(days, { reqs: CALLS, tokens: 36_000 });
});

const midnights: [zone: string, midnight: string, before: string, after: string][] = [
  ["UTC", "2026-05-21T00:00:00Z", "2026-05-20", "2026-05-21"],
  ["Asia/Shanghai", "2026-05-21T00:00:00+08:00", "2026-05-20", "2026-05-21"],
  ["Asia/Kathmandu", "2026-05-21T00:00:00+05:45", "2026-05-20", "2026-05-21"],
  // The ends of the day of 23 hours and of that of 25.
  ["America/Los_Angeles", "2026-03-09T00:00:00-07:00", "2026-03-08", "2026-03-09"],
  ["America/Los_Angeles", "2026-11-02T00:00:00-08:00", "2026-11-01", "2026-11-02"],
];

for (const [zone, midnight, before, after] of midnights) {
  Deno.test(`a stream over midnight of ${after} in ${zone} is of the day on which it began, everywhere`, async () => {
    const clock = FakeTimers.install({ now: Date.parse(midnight) - 100, toFake: ["Date"] });
    try {
      const held = Promise.withResolvers<void>();
      const [start, ...rest] = okSse();
      assert.ok(start);
      await using upstream = await ScriptedUpstream.start(okChat());
      upstream.enqueue([start, ...rest.slice(0, 2), until(held.promise), ...rest.slice(2)]);
      await using gateway = await TestGateway.start({ tz: zone });
      await gateway.serveModel({ providers: [upstream.url] });
      await gateway.admin("PUT", "/health-check/config", { enabled: false });
      const streaming = await gateway.chat({ stream: true });
      clock.tick(200);
      held.resolve();
      assert.match(await streaming.text(), /\[DONE\]/);
      await done(gateway.chat({}));
      const rows = await gateway.logs(2);
      assert.deepEqual(
        (await usage(gateway, "day")).map(({ day, requests, total_tokens }) => [day, requests, total_tokens]),
        [[before, 1, 40], [after, 1, 40]],
      );
      assert.deepEqual(await gateway.admin("GET", "/metrics/use/0"), { reqs: 1, tokens: 40 });
      assert.deepEqual(await gateway.admin("GET", "/metrics/use/1"), { reqs: 2, tokens: 80 });
      const local = (text: unknown) => String(text).slice(0, 10);
      assert.deepEqual(rows.map(({ CreatedAt }) => local(CreatedAt)), [before, after]);
      assert.match(
        await exportedCsv(gateway),
        new RegExp(`,${after} 00:00:00,.*\\n.*,${before} 23:59:59,`),
      );
    } finally {
      clock.uninstall();
    }
  });
}

async function exportedCsv(gateway: TestGateway): Promise<string> {
  const headers = { authorization: "Bearer test-admin-token" };
  return await (await fetch(`${gateway.url}/api/logs/export`, { headers })).text();
}

Deno.test("what a deleted provider has served stays in the report, and a new one of its name begins at nothing", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers: [old] } = await gateway.serveModel({
    providers: [{ url: upstream.url, name: "acme" }],
  });
  for (let n = 0; n < 3; n++) await done(gateway.chat({}));
  await gateway.logs(3);
  await gateway.admin("DELETE", `/providers/${old?.ID}`);
  const { providers: [renewed] } = await gateway.serveModel({
    name: "other",
    providers: [{ url: upstream.url, name: "acme" }],
  });
  await done(gateway.chat({ model: "other" }));
  await gateway.logs(4);
  const rows = await usage(gateway, "provider");
  assert.deepEqual(
    rows.map((row) => [row.provider_id, row.provider_name, row.requests, row.total_tokens]),
    [[old?.ID, "acme", 3, 120], [renewed?.ID, "acme", 1, 40]],
  );
  const orphan = await gateway.chat({});
  assert.equal(orphan.status, 503, "its model is left with nobody");
  await orphan.body?.cancel();
});

Deno.test("a provider that is saved as it was read still calls with its key; without one it calls without", async () => {
  const KEY = "sk-canary-saved-0123456789";
  const keyOf = (request: UpstreamRequest | undefined) => request?.header("authorization");
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const { providers: [made] } = await gateway.serveModel({ providers: [{ url: upstream.url, key: KEY }] });
  const path = `/providers/${made?.ID}`;
  const [row] = await gateway.admin<Row[]>("GET", "/providers");
  assert.ok(row);
  assert.ok(!JSON.stringify(row).includes(KEY));
  const config = JSON.parse(String(row.Config));
  const { api_key: _, ...keyless } = config;
  const saves: [body: unknown, header: string | undefined][] = [
    [row, `Bearer ${KEY}`],
    [{ ...row, Name: "renamed" }, `Bearer ${KEY}`],
    [{ config: JSON.stringify(keyless) }, `Bearer ${KEY}`],
    [{ config: JSON.stringify({ ...config, api_key: "" }) }, undefined],
  ];
  for (const [body, header] of saves) {
    await gateway.admin("PUT", path, body);
    await done(gateway.chat({}));
    assert.equal(keyOf(upstream.requests.at(-1)), header, JSON.stringify(body));
  }
});

Deno.test("40,000 log rows are removed in one call, and reports still know them", () =>
  inFolder(async (folder) => {
    const ROWS = 40_000;
    await using upstream = await ScriptedUpstream.start(okChat());
    await using gateway = await TestGateway.start({ db: `${folder}/llmio.db` });
    await gateway.serveModel({ providers: [upstream.url] });
    await done(gateway.chat({}));
    await gateway.logs(1);
    sql(`${folder}/llmio.db`, (database) => {
      database.exec("PRAGMA busy_timeout = 10000");
      const columns = database.prepare("SELECT name FROM pragma_table_info('chat_logs') WHERE name <> 'id'")
        .all()
        .map(({ name }) => name).join(", ");
      database.exec(`
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
        INSERT INTO chat_logs (${columns}) SELECT ${columns} FROM (SELECT * FROM chat_logs LIMIT 1), n`);
    });
    const removed = await gateway.admin("POST", "/logs/cleanup", { type: "count", value: 1 });
    assert.deepEqual(removed, { deleted_count: ROWS });
    assert.equal((await usage(gateway, "day"))[0]?.requests, 1);
  }));
