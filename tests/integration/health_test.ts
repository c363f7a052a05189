/** Health as clients and operators see it, over the wire. @module */
import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import FakeTimers from "@sinonjs/fake-timers";
import type { HealthRow } from "../../src/health/report.ts";
import type { GatewayServer } from "../../src/server.ts";
import type { SettingValues } from "../../src/settings.ts";
import { inFolder } from "../store/fixtures.ts";
import { okChat, okSse } from "../upstream/fixtures.ts";
import { hang, json, type Reply, until } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const dead = json(503, { error: { message: "down for maintenance" } });
/** The provider with this weight is asked first. */
const inOrder = { strategy: "rotor", max_retry: 3 };
const first = { association: { weight: 9 } };

/** A running gateway under a clock that only the test moves. */
class World {
  constructor(readonly gateway: TestGateway, readonly clock: ReturnType<typeof FakeTimers.install>) {}

  get health(): GatewayServer["health"] {
    return (this.gateway.server as GatewayServer).health;
  }

  row(id = 1): Promise<HealthRow> {
    return this.gateway.admin<HealthRow>("GET", `/providers/health/${id}`);
  }

  configure(change: Record<string, unknown>): Promise<unknown> {
    return this.gateway.admin("PUT", "/health-check/config", change);
  }

  /** Lets time pass, with one tick of the sweep at its end. */
  async pass(ms: number): Promise<void> {
    this.clock.tick(ms);
    await this.health.tick();
  }

  /** One chat request. @returns its status and who has answered it */
  async chat(body: Record<string, unknown> = {}): Promise<[status: number, provider: string | null]> {
    const response = await this.gateway.chat(body);
    await response.text();
    return [response.status, response.headers.get("x-llmio-provider")];
  }
}

async function withWorld(test: (world: World) => Promise<void>, flags: SettingValues = {}): Promise<void> {
  const clock = FakeTimers.install({ now: Date.UTC(2026, 4, 20, 12), toFake: ["Date"] });
  try {
    await using gateway = await TestGateway.start(flags);
    await test(new World(gateway, clock));
  } finally {
    clock.uninstall();
  }
}

Deno.test("a provider that dies: traffic moves at once, later passes it by, and comes back by itself", () =>
  withWorld(async (world) => {
    await using one = await ScriptedUpstream.start(okChat());
    await using two = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({ model: inOrder, providers: [{ url: one.url, ...first }, two.url] });
    await world.configure({ max_error_count: 3, retry_after_minutes: 10 });
    assert.deepEqual(await world.chat(), [200, "provider-1"]);

    one.fallback = dead;
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual(await world.chat(), [200, "provider-2"], "within the same request");
      assert.equal((await world.row()).error_count, i);
    }
    const row = await world.row();
    assert.deepEqual([row.status, row.is_healthy, row.last_status_code], ["unhealthy", false, 503]);
    assert.match(row.error_message ?? "", /down for maintenance/);
    assert.equal(row.next_retry_at, new Date(Date.now() + 10 * MINUTE).toISOString());

    const asked = one.requests.length;
    for (let i = 0; i < 10; i++) assert.deepEqual(await world.chat(), [200, "provider-2"]);
    one.fallback = okChat();
    await world.pass(9 * MINUTE);
    assert.equal(one.requests.length, asked, "nobody asks before its time");
    await world.pass(MINUTE);
    assert.equal(one.requests.length, asked + 1);
    const back = await world.row();
    assert.deepEqual([back.is_healthy, back.error_count, back.error_message], [true, 0, undefined]);
    assert.deepEqual(await world.chat(), [200, "provider-1"]);
  }));

Deno.test("a forced check runs at once, whatever next_retry_at says", () =>
  withWorld(async (world) => {
    await using upstream = await ScriptedUpstream.start(dead);
    await using spare = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({
      model: inOrder,
      providers: [{ url: upstream.url, ...first }, spare.url],
    });
    for (let i = 0; i < 5; i++) await world.chat();
    assert.equal((await world.row()).status, "unhealthy");
    upstream.fallback = okChat();
    const row = await world.gateway.admin<HealthRow>("POST", "/health-check/force/1");
    assert.deepEqual([row.is_healthy, row.error_count, row.last_status_code], [true, 0, 200]);
    assert.deepEqual(await world.chat(), [200, "provider-1"]);
  }));

Deno.test("when all providers are unhealthy the request still tries them, and one that answers is healthy again", () =>
  withWorld(async (world) => {
    await using one = await ScriptedUpstream.start(dead);
    await using two = await ScriptedUpstream.start(dead);
    await world.gateway.serveModel({ model: { ...inOrder, max_retry: 2 }, providers: [one.url, two.url] });
    for (let i = 0; i < 6; i++) await world.chat();
    assert.deepEqual([(await world.row(1)).status, (await world.row(2)).status], ["unhealthy", "unhealthy"]);
    two.fallback = okChat();
    assert.deepEqual(await world.chat(), [200, "provider-2"]);
    assert.deepEqual([(await world.row(2)).is_healthy, (await world.row(2)).error_count], [true, 0]);
  }));

Deno.test("a restart keeps verdicts and deadlines, and no probe comes before its time", () =>
  inFolder(async (folder) => {
    await using upstream = await ScriptedUpstream.start(dead);
    await using spare = await ScriptedUpstream.start(okChat());
    const db = `${folder}/llmio.db`;
    const clock = FakeTimers.install({ now: Date.UTC(2026, 4, 20, 12), toFake: ["Date"] });
    try {
      let before: HealthRow;
      {
        await using gateway = await TestGateway.start({ db });
        const world = new World(gateway, clock);
        await gateway.serveModel({ model: inOrder, providers: [{ url: upstream.url, ...first }, spare.url] });
        for (let i = 0; i < 5; i++) await world.chat();
        before = await world.row();
        assert.equal(before.status, "unhealthy");
      }
      await using gateway = await TestGateway.start({ db });
      const world = new World(gateway, clock);
      const { total_requests_24h: _, ...kept } = before;
      const { total_requests_24h: __, ...now } = await world.row();
      assert.deepEqual(now, kept);
      assert.deepEqual(await world.chat(), [200, "provider-2"]);
      assert.equal(upstream.requests.length, 5);
      await world.pass(HOUR);
      assert.equal(upstream.requests.length, 6);
    } finally {
      clock.uninstall();
    }
  }));

Deno.test("PUT /api/health-check/config is in force by the next tick", () =>
  withWorld(async (world) => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({ providers: [upstream.url] });
    await world.pass(MINUTE);
    assert.equal(upstream.requests.length, 1);
    await world.pass(MINUTE);
    assert.equal(upstream.requests.length, 1);
    await world.configure({ IntervalMinutes: 1 });
    await world.pass(MINUTE);
    assert.equal(upstream.requests.length, 2);
    await world.configure({ enabled: false });
    await world.pass(HOUR);
    assert.equal(upstream.requests.length, 2);
  }));

Deno.test("without the sweep an unhealthy provider is tried by traffic when its time has come", () =>
  withWorld(async (world) => {
    await using one = await ScriptedUpstream.start(dead);
    await using two = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({ model: inOrder, providers: [{ url: one.url, ...first }, two.url] });
    await world.configure({ enabled: false, retry_after_minutes: 1 });
    for (let i = 0; i < 5; i++) await world.chat();
    one.fallback = okChat();
    assert.deepEqual(await world.chat(), [200, "provider-2"]);
    await world.pass(MINUTE);
    assert.deepEqual(await world.chat(), [200, "provider-1"]);
    assert.equal((await world.row()).is_healthy, true);
  }));

Deno.test("C06: a provider that the operator switches off under probe stays off", () =>
  withWorld(async (world) => {
    const held = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start([until(held.promise), ...okChat()]);
    await world.gateway.serveModel({ providers: [upstream.url] });
    const tick = world.pass(MINUTE);
    await upstream.waitForRequest(1);
    await world.gateway.admin("PATCH", "/providers/1/status", { status: false });
    held.resolve();
    await tick;
    for (let round = 0; round < 2; round++) {
      await world.pass(HOUR);
      const { status, last_success } = await world.row();
      assert.deepEqual([status, last_success], ["disabled", undefined]);
      assert.equal((await world.chat())[0], 503);
    }
    assert.equal(upstream.requests.length, 1);
  }));

Deno.test("C07: real requests that fail take a provider out although its probes pass, and the status says so", () =>
  withWorld(async (world) => {
    const fussy = (request: UpstreamRequest): Reply => request.text.length > 200 ? json(502, {}) : okChat();
    await using one = await ScriptedUpstream.start(fussy);
    await using two = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({ providers: [one.url, two.url] });
    const long = { messages: [{ role: "user", content: "long ".repeat(100) }] };
    for (let i = 0; i < 60; i++) {
      assert.equal((await world.chat(long))[0], 200);
      if (i % 10 === 9) await world.pass(MINUTE);
    }
    const asked = one.requests.filter(({ text }) => text.length > 200).length;
    assert.ok(asked <= 10, `${asked} requests went to a provider that fails them`);
    assert.equal((await world.row(1)).status, "unhealthy");
    assert.equal((await world.row(2)).status, "healthy");
  }));

Deno.test("C10: a stream that runs well protects its provider from a probe that has to queue", () =>
  withWorld(async (world) => {
    const held = Promise.withResolvers<void>();
    const [head, ...rest] = okSse();
    assert.ok(head);
    const stream: Reply = [head, ...rest.slice(0, 2), until(held.promise), ...rest.slice(2)];
    await using upstream = await ScriptedUpstream.start((request) =>
      request.text.includes('"stream":true') ? stream : [hang]
    );
    await world.gateway.serveModel({ providers: [upstream.url] });
    const response = await world.gateway.chat({ stream: true });
    const check = world.gateway.admin<HealthRow>("POST", "/health-check/force/1");
    await upstream.waitForRequest(2);
    world.clock.tick(10_100);
    const row = await check;
    assert.deepEqual([row.is_healthy, row.error_count], [true, 0]);
    held.resolve();
    assert.match(await response.text(), /\[DONE\]/);
    assert.equal((await world.row()).status, "healthy");
  }));

Deno.test("probes that hang do not keep /healthz or requests waiting, and stop() ends them", async () => {
  await using silent = await ScriptedUpstream.start([hang]);
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start({ "grace-seconds": "1" });
  await gateway.serveModel({ name: "x", providers: Array.from({ length: 8 }, () => silent.url) });
  await gateway.serveModel({ providers: [good.url] });
  const checks = [1, 2, 3, 4, 5, 6, 7, 8].map((id) =>
    fetch(`${gateway.url}/api/health-check/force/${id}`, {
      method: "POST",
      headers: { authorization: "Bearer test-admin-token" },
    }).then((response) => response.body?.cancel(), () => {})
  );
  await silent.waitForRequest(8);
  const from = performance.now();
  assert.equal((await (await fetch(`${gateway.url}/healthz`)).json()).status, "ok");
  assert.equal((await (await gateway.chat({})).json()).choices.length, 1);
  assert.ok(performance.now() - from < 1_000);
  await gateway.server.stop("test");
  await Promise.all(checks);
  await Promise.all(silent.connections.map(({ closed }) => closed));
});

Deno.test("a check is no usage: no row in the request log, nothing in the total", () =>
  withWorld(async (world) => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({ providers: [upstream.url] });
    await world.pass(MINUTE);
    await world.chat();
    const rows = await world.gateway.logs(1);
    assert.equal(rows.length, 1);
    const { total_requests_24h, success_rate_24h, avg_response_time_ms } = await world.row();
    assert.deepEqual([total_requests_24h, success_rate_24h], [1, 100]);
    assert.ok(avg_response_time_ms >= 0);
    const checks = await world.gateway.admin<{ total: number; data: { prompt_tokens: number }[] }>(
      "GET",
      "/providers/health/1/checks?limit=10",
    );
    assert.deepEqual([checks.total, checks.data[0]?.prompt_tokens], [1, 23]);
  }));

Deno.test("a deleted provider takes its health along; a new one of its name begins unknown", () =>
  withWorld(async (world) => {
    await using upstream = await ScriptedUpstream.start(dead);
    const { providers } = await world.gateway.serveModel({
      // Further attempts would wait in real time.
      model: { max_retry: 1 },
      providers: [{ url: upstream.url, name: "acme" }],
    });
    for (let i = 0; i < 5; i++) await world.chat();
    assert.equal((await world.row()).status, "unhealthy");
    await world.gateway.admin("DELETE", `/providers/${providers[0]?.ID}`);
    assert.deepEqual(await world.gateway.admin("GET", "/providers/health"), []);
    await world.gateway.serveModel({ name: "n", providers: [{ url: upstream.url, name: "acme" }] });
    const [row] = await world.gateway.admin<HealthRow[]>("GET", "/providers/health");
    assert.deepEqual([row?.provider_name, row?.status, row?.error_count, row?.total_requests_24h], [
      "acme",
      "unknown",
      0,
      0,
    ]);
  }));

Deno.test("the log tells of the start and of every change of a verdict, by name and reason, without secrets", async () => {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { memory: (record) => void records.push(record) },
    loggers: [{ category: ["llmio"], lowestLevel: "info", sinks: ["memory"] }, {
      category: ["logtape", "meta"],
      lowestLevel: "error",
    }],
  });
  try {
    await withWorld(async (world) => {
      await using upstream = await ScriptedUpstream.start((request) =>
        json(500, { error: { message: `rejected ${request.header("authorization")}` } })
      );
      await world.gateway.serveModel({
        providers: [{ url: upstream.url, name: "acme", key: "sk-canary-in-logs" }],
      });
      await world.configure({ max_error_count: 1 });
      await world.gateway.admin("POST", "/health-check/force/1");
      upstream.fallback = okChat();
      await world.gateway.admin("POST", "/health-check/force/1");
    });
    const lines = records.filter(({ category }) => category[1] === "health").map(({ message }) =>
      message.join("")
    );
    assert.deepEqual(lines, [
      "Health check service started",
      "provider acme is unhealthy: HTTP 500: rejected Bearer ****",
      "provider acme is healthy again",
    ]);
    assert.ok(!JSON.stringify(records.map(({ properties }) => properties)).includes("canary"));
  } finally {
    await reset();
  }
});
