import assert from "node:assert/strict";
import { SETTLE_MS } from "../../src/health/provider_book.ts";
import { STABLE_SUCCESSES } from "../../src/health/state.ts";
import { okChat } from "../upstream/fixtures.ts";
import { json, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { Simulation } from "./simulation.ts";
import { HOUR, MINUTE, SECOND, START, Ward } from "./ward.ts";

const dead = json(503, { error: { message: "down" } });

/** Makes a provider unhealthy by traffic. */
function fail(ward: Ward, id = 1, times = 5): void {
  for (let i = 0; i < times; i++) ward.traffic(id, "failed");
}

// --- cases from public reports ----------------------------------------------------------------------------------

Deno.test("C02: in an hour a provider costs one probe an interval, and one with good traffic next to nothing", async () => {
  await using simulation = await Simulation.start(20);
  simulation.health.start();
  await simulation.minutes(60, () => {
    for (let id = 1; id <= 10; id++) simulation.traffic(id, "ok");
  });
  const count = (from: number, to: number) =>
    simulation.probes.filter(({ providerId }) => providerId >= from && providerId <= to).length;
  assert.ok(count(1, 10) <= 10, `${count(1, 10)} probes of providers with traffic`);
  assert.ok(count(11, 20) <= 130 && count(11, 20) >= 110, `${count(11, 20)} probes of idle ones`);
  assert.equal(simulation.store.written.length, simulation.probes.length);
});

Deno.test("C02: the number of probes is the operator's to choose", async () => {
  await using simulation = await Simulation.start(2, undefined, {
    intervalMinutes: 30,
    skipIfRecentSuccess: false,
  });
  simulation.health.start();
  await simulation.minutes(60, () => simulation.traffic(1, "ok"));
  assert.equal(simulation.probes.length, 6, "at the start and twice, with traffic or without");
});

Deno.test("C06: what the operator switches off while it is under probe stays off, rounds and a restart later", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start([until(promise), ...okChat()]);
  await using ward = await Ward.start({ url: upstream.url });
  const round = ward.probe().catch(() => {});
  await upstream.waitForRequest(1);
  await ward.store.providers.setEnabled(1, false);
  await ward.reload();
  await upstream.connections[0]?.closed;
  resolve();
  await round;
  assert.equal(ward.live.health(1), undefined, "its answer no longer counts");
  for (let i = 0; i < 2; i++) {
    await ward.ticks(10);
    assert.equal((await ward.row()).status, "disabled");
  }
  await ward.restart();
  ward.health.start();
  await ward.ticks(10);
  assert.equal((await ward.row()).status, "disabled");
  assert.equal(upstream.requests.length, 1);
});

Deno.test("C07: passive failures make a provider unhealthy even while its probes pass, and the status says so", async () => {
  await using simulation = await Simulation.start(1);
  simulation.health.start();
  await simulation.minutes(1);
  for (let request = 0; request < 5; request++) simulation.traffic(1, "failed");
  const [row] = await simulation.health.report();
  assert.deepEqual([row?.status, row?.is_healthy], ["unhealthy", false]);
  await simulation.minutes(59);
  assert.equal(simulation.live.health(1)?.isHealthy, false, "no probe before its time");
});

Deno.test("C08: later rounds are spread as well, and clients' requests see no burst of probes", async () => {
  await using simulation = await Simulation.start(100, () => () => ({ status: 200, afterMs: 200 }));
  simulation.health.start();
  await simulation.minutes(16);
  const rounds = Map.groupBy(simulation.probes, ({ at }) => Math.round((at - START) / (5 * MINUTE)));
  assert.deepEqual([...rounds.values()].map((probes) => probes.length), [100, 100, 100, 100]);
  for (const [round, probes] of rounds) {
    const busiest = Math.max(
      ...probes.map(({ at: from }) => probes.filter(({ at }) => at >= from && at < from + SECOND).length),
    );
    assert.ok(busiest <= (round === 0 ? 27 : 5), `${busiest} within a second of round ${round}`);
  }
});

Deno.test("C09: a provider whose probes pass and whose requests fail does not flap for ever", async () => {
  await using simulation = await Simulation.start(1, undefined, { retryAfterMinutes: 1 });
  simulation.health.start();
  const flaps: number[] = [];
  await simulation.minutes(600, () => {
    for (let request = 0; request < 5; request++) {
      const was = simulation.live.health(1)?.isHealthy ?? true;
      if (was) simulation.traffic(1, "failed");
      if (was && simulation.live.health(1)?.isHealthy === false) flaps.push(Date.now());
    }
  });
  assert.ok(flaps.length <= 11, `${flaps.length} flaps in ten hours`);
  const waits = flaps.slice(1).map((at, index) => at - (flaps[index] ?? 0));
  assert.ok(waits.every((wait, index) => index === 0 || wait > (waits[index - 1] ?? 0)), waits.join());
});

Deno.test("C11: failures that are not in a row never make a provider unhealthy", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" });
  await ward.health.setConfig({ maxErrorCount: 3 });
  for (let round = 0; round < 5; round++) {
    ward.traffic(1, "failed");
    assert.equal((await ward.row()).error_count, 1);
    for (let i = 0; i < 50; i++) ward.traffic(1, "ok");
    const { is_healthy, error_count } = await ward.row();
    assert.deepEqual([is_healthy, error_count], [true, 0]);
  }
});

// --- the sweep --------------------------------------------------------------------------------------------------

Deno.test("start() checks every provider once within five seconds, those that hang included", async () => {
  await using simulation = await Simulation.start(
    30,
    (id) => () => id % 6 === 0 ? null : { status: 200, afterMs: 100 },
  );
  simulation.health.start();
  await simulation.clock.tickAsync(5_000);
  assert.deepEqual(
    simulation.probes.map(({ providerId }) => providerId),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  await simulation.clock.tickAsync(11_000);
  const failed = (await simulation.health.report()).filter(({ error_count }) => error_count === 1);
  assert.deepEqual(failed.map(({ provider_id }) => provider_id), [6, 12, 18, 24, 30]);
});

Deno.test("start() leaves out who has just had a success and who is not yet due again", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  const setup = { url: upstream.url };
  await using ward = await Ward.start(setup, setup, setup, { ...setup });
  await ward.store.providers.setEnabled(4, false);
  ward.traffic(1, "ok");
  fail(ward, 2);
  const { nextRetryAt } = ward.state(2);
  ward.now += MINUTE;
  await ward.restart();
  ward.health.start();
  await upstream.waitForRequest(1);
  await ward.ticks(1);
  assert.deepEqual(upstream.requests.map((request) => request.header("authorization")), [
    "Bearer sk-canary-3-secret",
  ]);
  assert.deepEqual([ward.state(2).isHealthy, ward.state(2).nextRetryAt], [false, nextRetryAt]);
});

Deno.test("an unhealthy provider is probed again when its time has come, not before, and returns by itself", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  fail(ward);
  await ward.ticks(59);
  assert.equal(upstream.requests.length, 0);
  await ward.ticks(1);
  assert.equal(upstream.requests.length, 1);
  const { isHealthy, errorCount, lastError, nextRetryAt } = ward.state();
  assert.deepEqual([isHealthy, errorCount, lastError, nextRetryAt], [true, 0, null, null]);
});

Deno.test("a probe that fails puts the next try off by the whole wait", async () => {
  await using upstream = await ScriptedUpstream.start(dead);
  await using ward = await Ward.start({ url: upstream.url });
  await ward.health.setConfig({ retryAfterMinutes: 10 });
  fail(ward);
  await ward.ticks(31);
  assert.equal(upstream.requests.length, 3);
  assert.equal(ward.state().errorCount, 8);
});

Deno.test("a tick is the nearest minute: an interval of one minute means a probe at every tick", async () => {
  await using upstream = await ScriptedUpstream.start(dead);
  await using ward = await Ward.start({ url: upstream.url });
  await ward.health.setConfig({ intervalMinutes: 1, maxErrorCount: 100 });
  for (let minute = 1; minute <= 5; minute++) {
    ward.now = START + minute * MINUTE;
    const tick = ward.health.tick();
    ward.now += 4 * SECOND;
    await tick;
  }
  assert.equal(upstream.requests.length, 5);
});

Deno.test("a change of the settings is in force by the next tick, also one that another program has made", async () => {
  await using upstream = await ScriptedUpstream.start(dead);
  await using ward = await Ward.start({ url: upstream.url });
  await ward.ticks(1);
  await ward.health.setConfig({ intervalMinutes: 2 });
  await ward.ticks(2);
  assert.equal(upstream.requests.length, 2);
  const { config } = await ward.store.health.config();
  await ward.store.health.setConfig({ ...config, enabled: false });
  await ward.ticks(10);
  assert.equal(upstream.requests.length, 2);
  await ward.store.health.setConfig({ ...config, enabled: true, maxErrorCount: 3 });
  await ward.ticks(1);
  assert.equal(upstream.requests.length, 3);
  assert.equal(ward.state().isHealthy, false);
});

Deno.test("enabled: false stops the sweep only: traffic is observed, a forced check runs, traffic tries the unhealthy", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  assert.equal(ward.health.trialUnhealthy(), false);
  await ward.health.setConfig({ enabled: false });
  ward.health.start();
  await ward.ticks(120);
  assert.equal(upstream.requests.length, 0);
  assert.equal(ward.health.trialUnhealthy(), true);
  fail(ward);
  assert.equal(ward.state().isHealthy, false);
  assert.equal(await ward.health.checkNow(1), true);
  assert.equal(ward.state().isHealthy, true);
});

Deno.test("a forced check runs at once whatever next_retry_at says, and two at a time are one", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  fail(ward);
  assert.ok((ward.state().nextRetryAt ?? 0) > ward.now);
  await Promise.all([ward.health.checkNow(1), ward.health.checkNow(1)]);
  assert.equal(upstream.requests.length, 1);
  assert.equal(ward.state().isHealthy, true);
  assert.equal((await ward.checks())[0]?.source, "forced");
  assert.equal(await ward.health.checkNow(77), false);
});

Deno.test("a forced check of a provider that is switched off runs, and leaves it off", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  await ward.store.providers.setEnabled(1, false);
  await ward.reload();
  await ward.health.checkNow(1);
  assert.equal(upstream.requests.length, 1);
  assert.deepEqual([(await ward.row()).status, (await ward.row()).is_healthy], ["disabled", true]);
});

// --- changes by the operator ------------------------------------------------------------------------------------

Deno.test("a provider that is added is unknown, and probed by the first tick after it has settled", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start();
  ward.now += 50 * SECOND;
  await ward.add({ url: upstream.url });
  assert.equal((await ward.row()).status, "unknown");
  await ward.ticks(1);
  assert.ok(ward.now - START - 50 * SECOND < SETTLE_MS);
  assert.equal(upstream.requests.length, 0, "the operator is still at it");
  await ward.ticks(1);
  assert.equal(upstream.requests.length, 1);
  assert.equal((await ward.row()).status, "healthy");
});

Deno.test("a provider that is set up anew is checked soon, although it was unhealthy and not yet due", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" });
  fail(ward);
  const { name, type, console, proxy, errorMatcher } = await ward.store.providers.get(1) ?? assert.fail();
  const config = JSON.stringify({ base_url: upstream.url, api_key: "k" });
  await ward.store.providers.update(1, { name, type, config, console, proxy, errorMatcher });
  await ward.reload();
  await ward.ticks(1);
  assert.equal(ward.state().isHealthy, true);
  await ward.store.providers.update(1, { name: "renamed", type, config, console, proxy, errorMatcher });
  await ward.reload();
  await ward.ticks(2);
  assert.equal(upstream.requests.length, 1, "a new name changes nothing");
});

Deno.test("a deleted provider leaves nothing behind, and a new one of its name inherits nothing", async () => {
  await using upstream = await ScriptedUpstream.start(dead);
  await using ward = await Ward.start({ url: upstream.url, provider: { name: "acme" } });
  await ward.health.checkNow(1);
  fail(ward);
  await ward.checks();
  await ward.store.providers.remove([1]);
  await ward.reload();
  ward.traffic(1, "failed");
  assert.equal(ward.live.health(1), undefined);
  assert.equal(await ward.health.checkNow(1), false);
  assert.deepEqual(await ward.checks(), []);
  assert.deepEqual(await ward.store.health.states(), []);
  const id = await ward.add({ url: upstream.url, provider: { name: "acme" } });
  const { status, error_count, is_healthy } = await ward.row(id);
  assert.deepEqual([status, error_count, is_healthy], ["unknown", 0, true]);
});

Deno.test("a provider that is deleted under check is not brought back by the check's end", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start([until(promise), ...okChat()]);
  await using ward = await Ward.start({ url: upstream.url });
  const check = ward.health.checkNow(1);
  await upstream.waitForRequest(1);
  await ward.store.providers.remove([1]);
  await ward.reload();
  resolve();
  assert.equal(await check, false);
  assert.equal(ward.live.health(1), undefined);
});

// --- what survives ----------------------------------------------------------------------------------------------

Deno.test("a restart keeps verdicts, counts, reasons and deadlines", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:1" });
  for (let i = 0; i < STABLE_SUCCESSES - 1; i++) ward.traffic(1, "ok", { latencyMs: 12.5 });
  fail(ward, 2);
  const before = [ward.state(1), ward.state(2)];
  await ward.restart();
  assert.deepEqual([ward.state(1), ward.state(2)], before);
});

Deno.test("changes are written in batches, off the request's way, and the rest at the end", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" });
  for (let i = 0; i < 100; i++) ward.traffic(1, "ok");
  assert.deepEqual(await ward.store.health.states(), [], "nothing is written on the request's way");
  await ward.health.stop();
  assert.equal((await ward.store.health.states())[0]?.health.consecutiveSuccesses, 100);
});

Deno.test("old checks are let go once an hour", async () => {
  await using simulation = await Simulation.start(1);
  await simulation.minutes(121);
  assert.deepEqual(
    simulation.store.prunings.map(({ beforeMs }) => beforeMs),
    [1, 61, 121].map((minute) => START + minute * MINUTE - 30 * 24 * HOUR),
  );
});

Deno.test("stop() ends probes and forced checks that are under way, and nothing is held against anybody", async () => {
  const { promise } = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start([until(promise)]);
  await using ward = await Ward.start({ url: upstream.url }, { url: upstream.url });
  ward.health.start();
  await upstream.waitForRequest(1);
  const forced = ward.health.checkNow(2);
  await upstream.waitForRequest(2);
  await ward.health.stop();
  await forced;
  assert.deepEqual([ward.live.health(1), ward.live.health(2)], [undefined, undefined]);
});
