import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import type { Pick } from "../../src/failover/decide.ts";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import { withoutSecrets } from "../../src/access/scrub.ts";
import { keyStateId } from "../../src/gateway/key_state_id.ts";
import { type LiveScope, liveScope } from "../../src/gateway/live_scope.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { StateKeeper, type StateStore } from "../../src/gateway/state_keeper.ts";
import { keyId } from "../../src/protocols/provider_config.ts";
import type { StateChange, StoredState } from "../../src/store/live_state.ts";
import type { RoutingRows } from "../../src/store/store.ts";
import { NOW, route } from "../failover/samples.ts";

const SECRET = "sk-canary-0123456789";

/** A database that remembers what it was told, and can be told to fail. */
class Memory implements StateStore {
  readonly changes: StateChange[] = [];
  failing = false;
  stored: StoredState = { day: "", keys: [], associations: [] };
  load = () => this.failing ? Promise.reject(new Error("disk I/O error")) : Promise.resolve(this.stored);
  save = (change: StateChange) => {
    if (this.failing) return Promise.reject(new Error("database is locked"));
    this.changes.push(change);
    return Promise.resolve();
  };
}

const times = { createdAt: "2026-05-20T12:00:00Z", updatedAt: "2026-05-20T12:00:00Z" };

/** Rows of one provider with one association; `null` = none. */
function rows(config: string | null, providerModel = "pm"): RoutingRows {
  if (config === null) return { providers: [], models: [], associations: [] };
  const provider = {
    name: "p",
    type: "openai",
    config,
    console: "",
    proxy: "",
    errorMatcher: "",
    enabled: true,
  };
  const model = {
    name: "m",
    remark: "",
    maxRetry: 9,
    timeOutSeconds: 9,
    firstTokenTimeoutSeconds: 0,
    strategy: "",
    breaker: true,
    displayOrder: 1,
  };
  const association = {
    modelId: 1,
    providerId: 1,
    providerModel,
    toolCall: true,
    structuredOutput: true,
    image: true,
    withHeader: null,
    status: true,
    customerHeaders: { Authorization: "Bearer header-canary" },
    extraBody: null,
    weight: 1,
    inputPrice: null,
    cacheReadPrice: null,
    outputPrice: null,
    currency: "",
  };
  return {
    providers: [{ id: 1, ...provider, ...times }],
    models: [{ id: 1, ...model, ...times }],
    associations: [{ id: 1, ...association, ...times }],
  };
}

const config = (secret = SECRET, url = "http://127.0.0.1:8001/v1") =>
  JSON.stringify({ base_url: url, api_key: secret });
const STATE_ID = keyStateId(1, keyId(SECRET));
const scope = (text: string | null = config(), providerModel?: string): LiveScope =>
  liveScope(rows(text, providerModel));

/** An attempt with the provider's key that ends in a failure, or well. */
function attempt(live: LiveState, failure: FailureClass | null, detail = "no"): void {
  const key = { id: STATE_ID, weight: 1 };
  const pick: Pick = { route: route(1, { keys: [key] }), key, tier: "ready", trial: false };
  const handle = live.started(pick, NOW);
  const verdict = failure === null ? null : { class: failure, reason: "r", retryAfterMs: null, detail };
  live.ended(handle, verdict, {}, NOW);
}

function setUp(today = () => "2026-05-20") {
  const live = new LiveState();
  const memory = new Memory();
  const keeper = new StateKeeper(live, memory, { today });
  keeper.keepWithin(scope());
  return { live, memory, keeper };
}

Deno.test("keyStateId() is the id that the routing table gives a key", () => {
  const [model] = buildRoutingTable(rows(config())).models;
  assert.deepEqual(model?.routes[0]?.keys, [{ id: STATE_ID, weight: 1 }]);
  assert.deepEqual([...scope().providers.get(1)?.keys ?? []], [STATE_ID]);
  const keyless = rows(config(""));
  assert.deepEqual(
    [...liveScope(keyless).providers.get(1)?.keys ?? []],
    buildRoutingTable(keyless).models[0]?.routes[0]?.keys.map(({ id }) => id),
  );
});

Deno.test("StateKeeper writes what has changed every second, and nothing when nothing has", async () => {
  const clock = FakeTimers.install();
  try {
    const { live, memory, keeper } = setUp();
    keeper.start();
    attempt(live, "credential");
    await clock.tickAsync(999);
    assert.equal(memory.changes.length, 0);
    await clock.tickAsync(1);
    assert.deepEqual(memory.changes.map(({ keys, associations }) => [keys.length, associations.length]), [[
      1,
      1,
    ]]);
    assert.deepEqual(memory.changes[0]?.keys[0]?.refusals, 1);
    await clock.tickAsync(5_000);
    assert.equal(memory.changes.length, 1);
    live.forgetKey(STATE_ID);
    await clock.tickAsync(1_000);
    assert.deepEqual(memory.changes[1]?.goneKeys, [{ providerId: 1, keyId: keyId(SECRET) }]);
    assert.deepEqual(memory.changes[1]?.associations, []);
    await keeper.close();
  } finally {
    clock.uninstall();
  }
});

Deno.test("StateKeeper.close() writes the rest", async () => {
  const { live, memory, keeper } = setUp();
  attempt(live, null);
  await keeper.close();
  assert.equal(memory.changes[0]?.keys[0]?.useCount, 1);
});

Deno.test("StateKeeper writes a change that the database refused once it takes it, as it is by then", async () => {
  const { live, memory, keeper } = setUp();
  memory.failing = true;
  attempt(live, null);
  await keeper.save();
  attempt(live, null);
  await keeper.save();
  memory.failing = false;
  await keeper.save();
  assert.deepEqual(memory.changes.map(({ keys }) => keys[0]?.useCount), [2]);
});

Deno.test("StateKeeper.restore() begins afresh when the state cannot be read", async () => {
  const { live, memory, keeper } = setUp();
  memory.failing = true;
  await keeper.restore();
  assert.deepEqual(live.snapshot().keys, []);
});

Deno.test("StateKeeper.restore() takes over what was known of what is still there, and drops the rest", async () => {
  const first = setUp();
  attempt(first.live, "credential");
  await first.keeper.close();
  const [change] = first.memory.changes;
  assert.ok(change);
  const { live, memory, keeper } = setUp();
  const stray = change.keys.flatMap((key) => [{ ...key, keyId: "gone" }, { ...key, providerId: 7 }]);
  const strays = change.associations.map((each) => ({ ...each, associationId: 8 }));
  memory.stored = {
    ...change,
    keys: [...change.keys, ...stray],
    associations: [...change.associations, ...strays],
  };
  await keeper.restore();
  assert.deepEqual(live.key(STATE_ID), first.live.key(STATE_ID));
  await keeper.save();
  assert.deepEqual(memory.changes, [{
    day: "2026-05-20",
    keys: [],
    associations: [],
    goneKeys: [{ providerId: 1, keyId: "gone" }, { providerId: 7, keyId: keyId(SECRET) }],
    goneAssociations: [8],
  }]);
});

Deno.test("StateKeeper counts attempts of the day anew when the day changes", async () => {
  let today = "2026-05-20";
  const { live, memory, keeper } = setUp(() => today);
  await keeper.restore();
  attempt(live, null);
  await keeper.save();
  today = "2026-05-21";
  await keeper.save();
  assert.deepEqual(
    memory.changes.map(({ day, associations }) => [day, associations[0]?.usedToday]),
    [["2026-05-20", 1], ["2026-05-21", 0]],
  );
});

for (
  const [name, next, keyStays, associationStays] of [
    ["an edit that concerns neither", () => scope(`${config().slice(0, -1)},"beta":"b"}`), true, true],
    ["another key", () => scope(config("sk-other-9876543210")), false, true],
    ["another upstream model", () => scope(config(), "pm-2"), true, false],
    ["another base URL", () => scope(config(SECRET, "http://127.0.0.1:8002/v1")), true, false],
    ["a config that cannot be read", () => scope(`{"api_key":`), true, false],
    ["the provider's end", () => scope(null), false, false],
  ] as const
) {
  Deno.test(`StateKeeper.keepWithin() after ${name}: key ${keyStays}, association ${associationStays}`, () => {
    const { live, keeper } = setUp();
    attempt(live, "credential");
    keeper.keepWithin(next());
    assert.equal(live.key(STATE_ID) !== undefined, keyStays);
    assert.equal(live.association(1) !== undefined, associationStays);
  });
}

Deno.test("StateKeeper stores no secret that a vendor quotes", async () => {
  const { live, memory, keeper } = setUp();
  attempt(live, "credential", `wrong key ${SECRET}, header-canary; again: ${SECRET.slice(0, 12)}`);
  await keeper.save();
  assert.equal(memory.changes[0]?.keys[0]?.lastError, "wrong key ****, ****; again: ****");
});

Deno.test("withoutSecrets() leaves ordinary words alone and hides the longer of two secrets whole", () => {
  assert.equal(withoutSecrets("a fine sky: sk", ["sk"]), "a fine sky: sk");
  assert.equal(withoutSecrets("x abcdef-ghi y", ["abcdef", "abcdef-ghi"]), "x **** y");
  assert.equal(withoutSecrets("ends in sk-12", ["sk-1234567"]), "ends in sk-12");
});
