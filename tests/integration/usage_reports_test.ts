/** What operators read of a gateway's traffic agrees, wherever they read it. @module */
import assert from "node:assert/strict";
import { CHAT_USAGE, FRAME, okChat, okSse } from "../upstream/fixtures.ts";
import { json, reset } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway, TOKEN } from "./test_gateway.ts";

interface Usage {
  readonly rows: readonly Record<string, number | string>[];
  readonly totals: Record<string, number>;
}

const usage = (gateway: TestGateway, groups: string) =>
  gateway.admin<Usage>("GET", `/usage?days=2&group_by=${groups}`);

Deno.test("one request over three providers is one request of three attempts, with the tokens of the last", async () => {
  // A refusal's usage is nobody's: only an answer counts.
  await using one = await ScriptedUpstream.start(
    json(500, { error: { message: "boom" }, usage: CHAT_USAGE }),
  );
  await using two = await ScriptedUpstream.start(json(429, { error: { message: "slow down" } }));
  await using three = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [one, two, three].map(({ url }, n) => ({ url, association: { weight: 9 - n } })),
  });
  await (await gateway.chat({})).body?.cancel();
  await gateway.logs(3);
  const { rows, totals } = await usage(gateway, "provider");
  assert.deepEqual([totals.requests, totals.attempts, totals.successes, totals.failures, totals.limited], [
    1,
    3,
    1,
    1,
    1,
  ]);
  assert.deepEqual(
    rows.map((row) => [row.provider_name, row.total_tokens]).sort(),
    [["provider-1", 0], ["provider-2", 0], ["provider-3", 40]],
  );
  assert.deepEqual(await gateway.admin("GET", "/metrics/use/1"), { reqs: 1, tokens: 40 });
  const stats = await gateway.admin<Record<string, number>>("GET", "/dashboard/stats");
  assert.deepEqual(
    [stats.total_requests_24h, stats.success_requests_24h, stats.failed_requests_24h, stats.total_tokens_24h],
    [1, 1, 0, 40],
  );
});

Deno.test("a stream that dies half-way is a failed request", async () => {
  await using upstream = await ScriptedUpstream.start([
    ...okSse([FRAME.role, FRAME.hel]).slice(0, -1),
    reset,
  ]);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await (await gateway.chat({ stream: true })).text().catch(() => {});
  await gateway.logs(1);
  const { totals } = await usage(gateway, "day");
  assert.deepEqual([totals.requests, totals.successes, totals.failures], [1, 0, 1]);
});

Deno.test("of many requests at once none is lost: rows, days, counts and exports come to the same", async () => {
  await using whole = await ScriptedUpstream.start(okChat());
  await using streamed = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  for (const name of ["a", "b", "c"]) {
    await gateway.serveModel({ name, providers: [whole.url] });
    await gateway.serveModel({ name: `${name}-stream`, providers: [streamed.url] });
  }
  const count = 240;
  const models = ["a", "b-stream", "c", "a-stream", "b", "c-stream"];
  const work = Array.from({ length: count }, (_, n) => models[n % models.length] ?? "a");
  const client = async () => {
    for (let model = work.pop(); model !== undefined; model = work.pop()) {
      await (await gateway.chat({ model, stream: model.endsWith("-stream") })).text();
    }
  };
  await Promise.all(Array.from({ length: 40 }, client));
  const lines = await exported(gateway, count);
  const tokens = lines.reduce((sum, row) => sum + Number(row.total_tokens), 0);
  assert.equal(tokens, count * 40);
  for (const groups of ["day", "model", "provider,key", "style"]) {
    const { totals } = await usage(gateway, groups);
    assert.deepEqual(
      [totals.requests, totals.successes, totals.total_tokens],
      [count, count, tokens],
      groups,
    );
  }
  assert.deepEqual(await gateway.admin("GET", "/metrics/use/1"), { reqs: count, tokens });
  const counts = await gateway.admin<{ model: string; calls: number }[]>("GET", "/metrics/counts");
  assert.deepEqual(counts.map(({ calls }) => calls), [40, 40, 40, 40, 40, 40]);
  assert.deepEqual(await gateway.admin("GET", "/metrics/projects"), [{ project: "admin", calls: count }]);
});

Deno.test("a client that leaves an export half-way holds nothing up", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (let n = 0; n < 20; n++) await (await gateway.chat({})).text();
  await gateway.logs(20);
  const leaving = new AbortController();
  const response = await exporting(gateway, leaving.signal);
  await response.body?.getReader().read();
  leaving.abort();
  assert.deepEqual(
    await gateway.admin("DELETE", "/logs/clear?days=0").then((data) => (data as Row).deleted_count),
    20,
  );
  assert.equal((await gateway.admin<Usage>("GET", "/usage?days=2")).totals.requests, 20);
});

function exporting(gateway: TestGateway, signal?: AbortSignal): Promise<Response> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  return fetch(`${gateway.url}/api/logs/export?format=jsonl`, { headers, ...(signal && { signal }) });
}

/** The rows of an export, once there are so many. */
async function exported(gateway: TestGateway, count: number): Promise<Row[]> {
  for (let tries = 0;; tries++) {
    const lines = (await (await exporting(gateway)).text()).trimEnd().split("\n");
    const rows = lines.map((line): Row => JSON.parse(line)).filter((row) => row.Status === "success");
    if (rows.length >= count) return rows;
    assert.ok(tries < 100, `only ${rows.length} of ${count} rows were written`);
  }
}
