/** Rules of `POST /api/explain`. @module */
import assert from "node:assert/strict";
import { keyId } from "../../src/protocols/provider_config.ts";
import { type LiveAdmin, NOW, startLive } from "./live_harness.ts";

/** A candidate as the answer shows it. */
interface Shown {
  readonly provider_name: string;
  readonly tier: string;
  readonly trial: boolean;
  readonly share: number;
  readonly until: string | null;
  readonly holds: readonly {
    readonly reason: string;
    readonly until: string | null;
    readonly message: string;
  }[];
  readonly keys: readonly unknown[];
  readonly reason: string;
  readonly message: string;
}

/** A model `m` with one association for each set of fields; the n-th one goes to provider `p<n>`. */
async function serve(
  admin: LiveAdmin,
  associations: readonly Record<string, unknown>[],
  model: Record<string, unknown> = {},
): Promise<void> {
  await admin.call("POST", "/models", { name: "m", strategy: "rotor", breaker: true, ...model });
  for (const [index, { config, type = "openai", ...fields }] of associations.entries()) {
    const number = index + 1;
    const text = { base_url: `https://p${number}.example/v1`, api_key: `sk-canary-${number}-0123456789` };
    const provider = await admin.call("POST", "/providers", {
      name: `p${number}`,
      type,
      config: JSON.stringify({ ...text, ...config as object }),
    });
    const association = await admin.call("POST", "/model-providers", {
      model_id: 1,
      provider_id: provider.data.ID,
      provider_name: `upstream-${number}`,
      tool_call: true,
      structured_output: true,
      image: true,
      ...fields,
    });
    assert.equal(association.status, 200, association.text);
  }
}

async function explain(admin: LiveAdmin, body: Record<string, unknown> = {}) {
  const answer = await admin.call("POST", "/explain", { model: "m", ...body });
  assert.equal(answer.status, 200, answer.text);
  return answer.data as {
    readonly candidates: readonly Shown[];
    readonly excluded: readonly Shown[];
    readonly refusal: unknown;
    readonly request: unknown;
  };
}

const reasons = (shown: readonly Shown[]) => shown.map((each) => [each.provider_name, each.reason]);

Deno.test("POST /api/explain answers who serves in which order, with shares, keys and how it was understood", async () => {
  await using admin = await startLive();
  await serve(admin, [{ weight: 1 }, { weight: 3 }], { strategy: "lottery", max_retry: 4 });
  const { data } = await admin.call("POST", "/explain", { model: "m", stream: true, session_id: "s" });
  const candidate = (number: number, position: number, share: number, weight: number) => ({
    position,
    association_id: number,
    provider_id: number,
    provider_name: `p${number}`,
    provider_model: `upstream-${number}`,
    alias: null,
    tier: "ready",
    trial: false,
    share,
    priority: 0,
    fake_stream: false,
    weight,
    until: null,
    holds: [],
    keys: [{ id: keyId(`sk-canary-${number}-0123456789`), mask: "****6789", status: "usable", until: null }],
  });
  assert.deepEqual(data, {
    model: "m",
    protocol: "openai",
    request: { stream: true, tools: false, structured_output: false, image: false, session_id: "s" },
    strategy: "lottery",
    breaker: true,
    max_attempts: 4,
    refusal: null,
    candidates: [candidate(2, 1, 0.75, 3), candidate(1, 2, 0.25, 1)],
    excluded: [],
  });
});

Deno.test("POST /api/explain says of each association that is no candidate why", async () => {
  await using admin = await startLive();
  const capable = { tool_call: true, structured_output: true, image: true };
  await serve(admin, [
    {},
    {},
    {},
    { type: "anthropic" },
    { ...capable, tool_call: false },
    { ...capable, structured_output: false },
    { ...capable, image: false },
    {},
  ]);
  await admin.call("PATCH", "/model-providers/2/status", { status: false });
  await admin.call("PATCH", "/providers/3/status", { status: false });
  // Only an older program can have stored this.
  const row = await admin.store.providers.get(8);
  assert.ok(row);
  await admin.store.providers.update(8, {
    ...row,
    config: '{"base_url":"https://h/v1","key_policy":"best"}',
  });
  await admin.call("PATCH", "/providers/1/status", { status: true });
  const { candidates, excluded } = await explain(admin, {
    tools: true,
    structured_output: true,
    image: true,
  });
  assert.deepEqual(candidates.map(({ provider_name }) => provider_name), ["p1"]);
  assert.deepEqual(reasons(excluded), [
    ["p2", "off"],
    ["p3", "off"],
    ["p4", "protocol"],
    ["p5", "tools"],
    ["p6", "structured_output"],
    ["p7", "image"],
    ["p8", "unusable"],
  ]);
  const told = excluded.map(({ message }) => message);
  assert.match(told[0] ?? "", /association is switched off/);
  assert.match(told[1] ?? "", /provider is switched off/);
  assert.match(told[7 - 1] ?? "", /key_policy must be one of/);
});

Deno.test("POST /api/explain shows tiers with what holds each candidate back, and until when", async () => {
  let now = NOW;
  await using admin = await startLive(() => now);
  await serve(admin, [{ weight: 9 }, {}, {}, {}, {}]);
  const { live } = admin;
  for (let i = 0; i < 5; i++) admin.attempt(1, 0, "server");
  admin.attempt(2, 0, "no_model");
  admin.attempt(3, 0, "credential");
  admin.attempt(4, 0, "rate_limit");
  const config = {
    enabled: true,
    intervalMinutes: 5,
    maxErrorCount: 1,
    retryAfterHours: 1,
    retryAfterMinutes: null,
  };
  const failed = {
    source: "probe",
    result: "failed",
    statusCode: 500,
    latencyMs: 1,
    error: "down",
    at: NOW,
  } as const;
  live.observeHealth(5, failed, config);
  const shown = async () =>
    (await explain(admin)).candidates.map(({ provider_name, tier, trial, until, holds, share }) => [
      provider_name,
      tier,
      trial,
      until,
      holds.map(({ reason, until }) => `${reason} ${until}`).join(),
      share,
    ]);
  const at = (minutes: number, seconds = 0) =>
    new Date(NOW + minutes * 60_000 + seconds * 1000).toISOString();
  assert.deepEqual(await shown(), [
    ["p4", "cooling", false, at(0, 15), `no_usable_key ${at(0, 15)}`, 1],
    ["p1", "cooling", false, at(1), `breaker_open ${at(1)}`, 0],
    ["p2", "cooling", false, at(5), `cooling ${at(5)}`, 0],
    ["p3", "unhealthy", false, at(60), `no_usable_key ${at(60)}`, 0],
    ["p5", "unhealthy", false, at(60), `unhealthy ${at(60)}`, 0],
  ]);
  const [limited, , , refused] = (await explain(admin)).candidates;
  assert.match(limited?.holds[0]?.message ?? "", /no key may be used now; the first may be tried at 2026/);
  assert.match(refused?.holds[0]?.message ?? "", /every key is refused/);

  now += 5 * 60_000;
  assert.deepEqual((await shown()).slice(0, 3), [
    ["p1", "ready", true, null, "breaker_half_open null", 1],
    ["p2", "ready", true, null, "cooldown_over null", 0],
    ["p4", "ready", false, null, "", 0],
  ]);
});

Deno.test("POST /api/explain says when a trial is under way", async () => {
  let now = NOW;
  await using admin = await startLive(() => now);
  await serve(admin, [{}]);
  admin.attempt(1, 0, "no_model");
  now += 5 * 60_000;
  const [route] = admin.table().model("m")?.routes ?? [];
  const [key] = route?.keys ?? [];
  assert.ok(route && key);
  admin.live.started({ route, key, tier: "ready", trial: true }, now);
  const [candidate] = (await explain(admin)).candidates;
  assert.equal(candidate?.tier, "cooling");
  assert.deepEqual(candidate?.holds.map(({ reason }) => reason), ["cooldown_over", "trial_under_way"]);
});

Deno.test("POST /api/explain tells what a client is told when nobody can serve", async () => {
  await using admin = await startLive();
  await serve(admin, [{ tool_call: false }]);
  const refusal = async (body: Record<string, unknown>) => (await explain(admin, body)).refusal;
  const refused = { status: 503, code: "no_provider" };
  assert.deepEqual(await refusal({ tools: true }), {
    ...refused,
    message:
      "No provider of this model can do what this request asks for (tools, structured output or images).",
  });
  assert.deepEqual(await refusal({ protocol: "gemini" }), {
    ...refused,
    message: "No provider of this model speaks the protocol of this request.",
  });
  await admin.call("DELETE", "/providers/1");
  assert.deepEqual(await refusal({}), { ...refused, message: "No provider is configured for this model." });
});

Deno.test("POST /api/explain reads a client's request as the gateway does", async () => {
  await using admin = await startLive();
  await serve(admin, [{}, { tool_call: false }]);
  const request = {
    model: "m",
    stream: true,
    session_id: "s-1",
    tools: [{ type: "function", function: { name: "f" } }],
    response_format: { type: "json_object" },
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }],
  };
  const sent = await admin.call("POST", "/explain", { request });
  assert.deepEqual(sent.data.request, {
    stream: true,
    tools: true,
    structured_output: true,
    image: true,
    session_id: "s-1",
  });
  assert.deepEqual(reasons(sent.data.excluded), [["p2", "tools"]]);
  // The model beside it wins: protocols exist whose bodies name none.
  const named = await admin.call("POST", "/explain", { model: "m", request: { ...request, model: "other" } });
  assert.equal(named.data.model, "m");
  const gemini = await admin.call("POST", "/explain", {
    model: "m",
    protocol: "gemini",
    request: { contents: [], toolConfig: {}, session_id: "s-2" },
  });
  assert.deepEqual(gemini.data.request, {
    stream: false,
    tools: true,
    structured_output: false,
    image: false,
    session_id: "s-2",
  });
});

Deno.test("POST /api/explain refuses what it cannot explain, and says why", async () => {
  await using admin = await startLive();
  await serve(admin, [{}], { name: "gpt-4o" });
  for (
    const [body, status, message] of [
      [{ model: "gpt-4" }, 404, /"gpt-4" does not exist here; did you mean "gpt-4o"/],
      [{ model: "unheard-of" }, 404, /does not exist here; GET \/api\/models/],
      [{}, 400, /model is required; or send .* as request/],
      [{ request: {} }, 400, /request names no model/],
      [{ request: [] }, 400, /request must be a JSON object/],
      [{ model: "gpt-4o", request: {}, tools: true }, 400, /tools is read from request/],
      [{ model: "gpt-4o", protocol: "smtp" }, 400, /protocol must be one of openai, /],
      [{ model: "gpt-4o", tools: 1 }, 400, /tools must be true or false/],
      [{ model: "gpt-4o", tool: true }, 400, /did you mean "tools"/],
      [{ request: { contents: [] }, protocol: "gemini" }, 400, /request names no model/],
    ] as const
  ) {
    const answer = await admin.call("POST", "/explain", body);
    assert.deepEqual([answer.status, answer.code], [status, status], answer.text);
    assert.match(answer.message, message);
  }
});

for (const strategy of ["lottery", "rotor", "round_robin", "least_used", "least_busy", "fastest", "sticky"]) {
  Deno.test(`POST /api/explain changes nothing and answers the same again: ${strategy}`, async () => {
    await using admin = await startLive();
    const pool = { api_keys: [{ key: "sk-canary-a", name: "a" }, "sk-canary-b"], key_policy: "round_robin" };
    await serve(admin, [{ config: pool }, { weight: 2 }, {}], { strategy });
    admin.attempt(1, 0, null);
    admin.attempt(2, 0, "server");
    const before = admin.live.snapshot();
    const answers = new Set<string>();
    for (let i = 0; i < 5; i++) {
      answers.add((await admin.call("POST", "/explain", { model: "m", session_id: "s" })).text);
    }
    assert.equal(answers.size, 1);
    assert.doesNotMatch([...answers].join(), /canary/);
    assert.deepEqual(admin.live.snapshot(), before);
    assert.deepEqual([admin.live.rotation(1), admin.live.keyRotation(1)], [undefined, undefined]);
  });
}
