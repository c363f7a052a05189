/**
 * Faults that users of other gateways reported, as far as they are decided in the pure rooms. Each test is named after the
 * behaviour that is right.
 */
import assert from "node:assert/strict";
import type { BadAnswerKind, Outcome, StatedError } from "../../src/failover/outcome.ts";
import { statusOf } from "../../src/health/state.ts";
import { route } from "./samples.ts";
import { OK, type Script, Simulation, status } from "./simulation.ts";

const FIRST = route(1, { weight: 9, breaker: false });
const SECOND = route(2, { weight: 1, breaker: false });

const always = (outcome: Outcome): Script => () => outcome;
const ok = always(OK);
const badAnswer = (what: BadAnswerKind, error?: StatedError): Outcome => ({
  type: "bad_answer",
  what,
  error,
  detail: "d",
});

/** p1 first, p2 behind it. */
function pair(first: Script, second: Script = ok): Simulation {
  const simulation = new Simulation([FIRST, SECOND], { p1: first, p2: second });
  simulation.strategy = "rotor";
  return simulation;
}

function calls(simulation: Simulation, name: string): number {
  return simulation.calls.get(name) ?? 0;
}

for (const code of [400, 413, 422]) {
  Deno.test(`a malformed request (${code}) is tried once, comes back unchanged and harms no provider`, () => {
    const simulation = pair(always(status(code)), always(status(code)));
    for (const served of simulation.requests(51)) {
      assert.deepEqual(served.tried, ["p1"]);
      assert.deepEqual(served.final, { type: "pass_on", attempt: 0, retryAfterMs: null });
    }
    assert.deepEqual(simulation.live.trouble(1, simulation.now), { cooling: false, badKey: false });
    assert.equal(simulation.live.health(1)?.errorCount, 0);
  });
}

Deno.test("clients' mistakes never keep a provider from the next good request", () => {
  const mistakes = [
    status(400, { error: { code: "context_length_exceeded", message: "too long" } }),
    { ...status(404, "html"), mainRoute: false },
    status(400, { error: { code: "content_filter", message: "refused" } }),
  ];
  const simulation = pair((call) => mistakes[Math.floor((call - 1) / 20)] ?? OK);
  simulation.requests(60);
  assert.deepEqual(simulation.request().tried, ["p1"]);
});

for (const code of [401, 402, 403]) {
  Deno.test(`a provider that answers ${code} is left at once for the next one, without a wait`, () => {
    const served = pair(always(status(code))).request();
    assert.deepEqual(served.tried, ["p1", "p2"]);
    assert.equal(served.tookMs, 20);
  });
}

Deno.test("dead keys everywhere end in a gateway error that does not look like the caller's own key", () => {
  const { final, tried } = pair(always(status(401)), always(status(401))).request();
  assert.deepEqual(tried, ["p1", "p2"]);
  assert.ok(final?.type === "gateway_error" && final.status === 502);
});

for (
  const [headers, seconds] of [
    [{ "retry-after": "5" }, 5],
    [{ "retry-after": "0" }, 15],
    [{ "retry-after": "-1" }, 15],
    [{ "retry-after": "abc" }, 15],
    [{ "retry-after": "999999999" }, 3_600],
    [{ "retry-after": "1.5" }, 1.5],
    [{ "retry-after-ms": "1500" }, 1.5],
    [{}, 15],
  ] as const
) {
  Deno.test(`a 429 with ${JSON.stringify(headers)} cools for ${seconds} s, and then the provider is back`, () => {
    const simulation = pair((call) => call === 1 ? status(429, {}, headers) : OK);
    simulation.request();
    const coolsFrom = simulation.now - 10;
    simulation.now = coolsFrom + seconds * 1_000 - 10;
    assert.equal(simulation.request().by, "p2");
    simulation.now = coolsFrom + seconds * 1_000;
    assert.equal(simulation.request().by, "p1");
  });
}

Deno.test("when every provider is cooling, the client gets 429 with a time to come back", () => {
  const limited = always(status(429, {}, { "retry-after": "7" }));
  const { final } = pair(limited, limited).request();
  assert.ok(final?.type === "pass_on");
  assert.ok(final.retryAfterMs !== null && final.retryAfterMs > 6_900 && final.retryAfterMs <= 7_000);
});

Deno.test("a lone provider is not parked for one failure", () => {
  const simulation = new Simulation([FIRST], { p1: (call) => call === 1 ? status(503) : OK });
  for (const served of simulation.requests(11)) assert.equal(served.by, "p1");
});

Deno.test("a lone provider is served through its own cooldown and open breaker", () => {
  const lone = route(1);
  const simulation = new Simulation([lone], {
    p1: (call) => call <= 6 ? status(503, {}, { "retry-after": "60" }) : OK,
  });
  simulation.maxAttempts = 1;
  const served = simulation.requests(8);
  assert.deepEqual(served.map((each) => each.by), [null, null, null, null, null, null, "p1", "p1"]);
});

Deno.test("after a limit that hit all providers at once, service is back within seconds and nothing stays off", () => {
  const limited: Script = (_, now) => now < simulation.now0 + 2_000 ? status(429) : OK;
  const simulation = Object.assign(
    new Simulation([1, 2, 3].map((id) => route(id)), { p1: limited, p2: limited, p3: limited }),
    { now0: 0 },
  );
  simulation.now0 = simulation.now;
  simulation.requests(20);
  simulation.now = simulation.now0 + 2_000;
  assert.ok(simulation.request().by !== null);
  simulation.now += 3_600_000;
  simulation.requests(30);
  for (const id of [1, 2, 3]) {
    assert.deepEqual(simulation.live.trouble(id, simulation.now), { cooling: false, badKey: false });
  }
});

Deno.test("a provider takes traffic again when its cooldown ends, without a probe or an operator", () => {
  for (const enabled of [true, false]) {
    const simulation = pair((call) => call === 1 ? status(429, {}, { "retry-after": "1" }) : OK);
    simulation.config = { ...simulation.config, enabled };
    assert.deepEqual(simulation.request().tried, ["p1", "p2"]);
    simulation.now += 1_000;
    assert.equal(simulation.request().by, "p1");
  }
});

Deno.test("once cooled within a request, the remaining attempts go to the other provider first", () => {
  const simulation = pair(
    always(status(503, {}, { "retry-after": "1" })),
    (call) => call === 1 ? status(500) : OK,
  );
  assert.deepEqual(simulation.request().tried, ["p1", "p2", "p2"]);
});

for (const code of [408, 500, 502, 503, 504, 520, 522, 524, 529]) {
  Deno.test(`a provider that answers ${code} is left for the next one`, () => {
    assert.deepEqual(pair(always(status(code))).request().tried, ["p1", "p2"]);
  });
}

Deno.test("an unknown overload code reaches the client as it is when nobody else is left", () => {
  const simulation = new Simulation([FIRST], { p1: always(status(529)) });
  simulation.maxAttempts = 2;
  assert.deepEqual(simulation.request().final, { type: "pass_on", attempt: 1, retryAfterMs: null });
});

Deno.test("a content network's web page is not passed on as an API answer", () => {
  const simulation = new Simulation([FIRST], { p1: always(status(522, "html")) });
  const { final } = simulation.request();
  assert.ok(final?.type === "gateway_error" && final.status === 502);
});

for (
  const what of ["html", "not_json", "error_body", "empty", "error_event", "truncated", "no_output"] as const
) {
  Deno.test(`a 200 that is no answer (${what}) goes to the next provider and counts against the first`, () => {
    const simulation = pair(always(badAnswer(what)));
    assert.deepEqual(simulation.request().tried, ["p1", "p2"]);
    assert.equal(simulation.live.health(1)?.errorCount, 1);
  });
}

Deno.test("a stream that is only an error, everywhere, ends in a real HTTP error", () => {
  const broken = always(badAnswer("error_event", { code: "server_error" }));
  const { final } = pair(broken, broken).request();
  assert.ok(final?.type === "gateway_error" && final.status === 502);
});

Deno.test("a prompt that a stream refuses is not carried from account to account", () => {
  const simulation = pair(always(badAnswer("error_event", { code: "invalid_prompt" })));
  const { final, tried } = simulation.request();
  assert.deepEqual(tried, ["p1"]);
  assert.ok(final?.type === "gateway_error" && final.status === 400);
});

Deno.test("silence from the start moves the request on, and silence everywhere is 504", () => {
  const silent = always({ type: "timeout", phase: "headers", afterMs: 3_000 } as const);
  const simulation = pair(silent);
  simulation.latencyMs.set("p1", 3_000);
  assert.equal(simulation.request().tookMs, 3_010);
  const { final } = pair(silent, silent).request();
  assert.ok(final?.type === "gateway_error" && final.status === 504);
});

Deno.test("no attempt is made for a client that has left", () => {
  const { final, tried } = pair(always({ type: "client_gone" })).request();
  assert.deepEqual(tried, ["p1"]);
  assert.deepEqual(final, { type: "client_gone" });
});

Deno.test("a retry never draws the provider that just failed, however heavy it is", () => {
  const heavy = route(1, { weight: 99, breaker: false });
  const simulation = new Simulation([heavy, SECOND], { p1: always(status(500)), p2: ok });
  simulation.maxAttempts = 2;
  for (const served of simulation.requests(200)) {
    assert.equal(served.by, "p2");
    assert.ok(served.tried.filter((name) => name === "p1").length <= 1);
  }
});

Deno.test("a provider that the operator switches off gets no new attempt, retries included", () => {
  const simulation = pair(() => {
    simulation.routes = [{ ...FIRST, enabled: false }, SECOND];
    return status(500);
  }, (call) => call < 4 ? status(500) : OK);
  assert.deepEqual(simulation.request().tried, ["p1", "p2", "p2", "p2", "p2"]);
  assert.equal(calls(simulation, "p1"), 1);
});

for (const strategy of ["lottery", "rotor", "round_robin", "least_used", "least_busy", "fastest", "sticky"]) {
  Deno.test(`instant failures attract no traffic under ${strategy}`, () => {
    const simulation = new Simulation([route(1), route(2)], { p1: always(status(503)), p2: ok });
    simulation.strategy = strategy;
    simulation.latencyMs.set("p1", 5).set("p2", 500);
    simulation.requests(100);
    const before = calls(simulation, "p1");
    assert.ok(before <= 10, `${before} calls`);
    for (const served of simulation.requests(50)) assert.deepEqual(served.tried, ["p2"]);
  });
}

// --- health ---------------------------------------------------------------------------------------------------------

Deno.test("a probe that is refused for a parameter, limited or without a model does not make a provider unhealthy", () => {
  const simulation = pair(ok);
  const answers = [
    status(400),
    status(429),
    status(404, { error: { code: "model_not_found", message: "m" } }),
  ];
  for (let round = 0; round < 12; round++) {
    simulation.sweep((name) => name === "p1" ? answers[round % 3] ?? OK : OK);
    simulation.now += 300_000;
  }
  assert.equal(simulation.live.health(1)?.isHealthy, true);
  assert.equal(simulation.live.health(1)?.errorCount, 0);
});

Deno.test("a provider whose probes are refused a key becomes unhealthy, though its model list may be fine", () => {
  const simulation = pair(ok);
  for (let round = 0; round < 5; round++) {
    simulation.sweep((name) => name === "p1" ? status(401) : OK);
    simulation.now += 300_000;
  }
  assert.equal(simulation.live.health(1)?.isHealthy, false);
});

Deno.test("providers with live traffic are hardly probed", () => {
  const simulation = pair(ok);
  let probes = 0;
  for (let minute = 0; minute < 60; minute++) {
    simulation.request();
    probes += simulation.sweep(() => OK).filter((name) => name === "p1").length;
    simulation.now += 60_000;
  }
  assert.ok(probes <= 1, `${probes} probes`);
});

Deno.test("the operator's off is undone by no probe and no traffic", () => {
  const simulation = pair(ok);
  simulation.routes = [{ ...FIRST, enabled: false }, SECOND];
  simulation.live.observeHealth(1, {
    source: "probe",
    result: "ok",
    statusCode: 200,
    latencyMs: 9,
    error: null,
    at: simulation.now,
  }, simulation.config);
  for (const served of simulation.requests(20)) assert.deepEqual(served.tried, ["p2"]);
  const context = { enabled: false, cooling: false, badKey: false, successes24h: 99, failures24h: 0 };
  assert.equal(statusOf(simulation.live.health(1), context), "disabled");
});

Deno.test("failing traffic takes a provider out although its probes pass, and the status says so", () => {
  const simulation = pair(always(status(502)));
  let attempts = 0;
  for (let i = 0; i < 200; i++) {
    attempts += simulation.request().tried.filter((name) => name === "p1").length;
    simulation.now += 1_000;
    simulation.sweep(() => OK);
  }
  assert.ok(attempts <= 10, `${attempts} attempts`);
  const quiet = { enabled: true, cooling: false, badKey: false, successes24h: 0, failures24h: 0 };
  assert.notEqual(statusOf(simulation.live.health(1), quiet), "healthy");
});

Deno.test("a provider that passes probes and fails requests flaps ever more rarely", () => {
  const simulation = new Simulation([FIRST], { p1: (call) => call % 50 === 0 ? OK : status(502) });
  simulation.config = { ...simulation.config, retryAfterMinutes: 1, intervalMinutes: 1 };
  simulation.maxAttempts = 1;
  const downs: number[] = [];
  let wasHealthy = true;
  const start = simulation.now;
  while (simulation.now < start + 6 * 3_600_000) {
    simulation.request();
    const healthy = simulation.live.health(1)?.isHealthy ?? true;
    if (wasHealthy && !healthy) downs.push(simulation.now);
    wasHealthy = healthy;
    simulation.now += 5_000;
    simulation.sweep(() => OK);
    wasHealthy = simulation.live.health(1)?.isHealthy ?? true;
  }
  assert.ok(downs.length > 2);
  // The one success in fifty makes it healthy at once, as any success does; the probes alone come ever later.
  const lastHour = downs.filter((at) => at > start + 5 * 3_600_000).length;
  assert.ok(lastHour <= 60 / 4, `${lastHour} in the last hour`);
});

Deno.test("one missed probe, or a probe that is limited, takes no busy provider out", () => {
  const simulation = pair(ok);
  simulation.sweep(() => ({ type: "timeout", phase: "headers", afterMs: 10_000 }));
  assert.equal(simulation.request().by, "p1");
  simulation.now += 600_000;
  simulation.sweep(() => status(429));
  assert.equal(simulation.request().by, "p1");
  assert.equal(simulation.live.health(1)?.isHealthy, true);
});

Deno.test("failures that are not in a row never disable a provider", () => {
  const simulation = new Simulation([route(1)], { p1: (call) => call % 51 === 1 ? status(500) : OK });
  simulation.config = { ...simulation.config, maxErrorCount: 3 };
  simulation.maxAttempts = 1;
  simulation.requests(51 * 6);
  assert.equal(simulation.live.health(1)?.isHealthy, true);
  assert.equal(simulation.live.association(1)?.breaker.openUntil, null);
});

Deno.test("an unhealthy provider is tried again by traffic when its time has come and nobody probes", () => {
  const simulation = pair((call) => call <= 5 ? status(500) : OK);
  simulation.config = { ...simulation.config, enabled: false };
  simulation.requests(6);
  assert.equal(simulation.live.health(1)?.isHealthy, false);
  assert.equal(simulation.request().by, "p2");
  simulation.now += 3_600_000;
  assert.equal(simulation.request().by, "p1");
  assert.equal(simulation.live.health(1)?.isHealthy, true);
});

Deno.test("weights hold again after one of the two was out for a while", () => {
  const simulation = new Simulation([route(1, { weight: 3 }), route(2)], {
    p1: (call) => call === 1 ? status(429) : OK,
    p2: ok,
  });
  simulation.requests(50);
  simulation.now += 15_000;
  simulation.request();
  const before = calls(simulation, "p1");
  simulation.requests(10_000);
  const share = (calls(simulation, "p1") - before) / 10_000;
  assert.ok(Math.abs(share - 0.75) <= 0.02, String(share));
});
