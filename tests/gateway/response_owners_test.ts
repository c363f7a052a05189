import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import type { Route } from "../../src/failover/candidates.ts";
import type { Pick } from "../../src/failover/decide.ts";
import {
  type Making,
  OF_ANOTHER_KEY,
  onlyOwner,
  type OwnerStore,
  preferOwner,
  ResponseOwners,
  routesToOwner,
} from "../../src/gateway/response_owners.ts";
import type { Usage } from "../../src/protocols/protocol.ts";
import type { StoredResponseOwner } from "../../src/store/response_owners.ts";

const DAY = 24 * 60 * 60_000;
const USAGE: Usage = {
  promptTokens: 5,
  completionTokens: 2,
  totalTokens: 7,
  cachedTokens: null,
  audioTokens: null,
};

const route = (providerId: number, keys: readonly string[] = ["k"], associationId = providerId): Route => ({
  associationId,
  modelId: 1,
  providerId,
  providerName: `p${providerId}`,
  protocol: "openai-res",
  providerModel: "pm",
  weight: 1,
  priority: 0,
  enabled: true,
  tools: true,
  structuredOutput: true,
  image: true,
  breaker: false,
  keys: keys.map((id) => ({ id: `${providerId}:${id}`, weight: 3 })),
  keyPolicy: "round_robin",
});
const pick = (providerId = 1, key = "k"): Pick => ({
  route: route(providerId),
  key: { id: `${providerId}:${key}`, weight: 1 },
  tier: "ready",
  trial: false,
});
const owner = (given: Partial<StoredResponseOwner> = {}): StoredResponseOwner => ({
  responseId: "resp_1",
  providerId: 1,
  associationId: 1,
  keyId: "k",
  model: "m",
  authKeyId: 0,
  metered: false,
  madeAtMs: 0,
  ...given,
});
const making: Making = { inspection: { model: "m" }, caller: { authKeyId: 0 } };
const asking: Making = { ...making, tie: onlyOwner(owner()) };

/** A database in memory that can be made to fail. */
class Shelf implements OwnerStore {
  readonly rows = new Map<string, StoredResponseOwner>();
  readonly pruned: number[] = [];
  broken = false;
  saves = 0;

  find(responseId: string): Promise<StoredResponseOwner | null> {
    if (this.broken) return Promise.reject(new Error("locked"));
    return Promise.resolve(this.rows.get(responseId) ?? null);
  }

  save(owners: readonly StoredResponseOwner[]): Promise<void> {
    this.saves++;
    if (this.broken) return Promise.reject(new Error("locked"));
    for (const each of owners) this.rows.set(each.responseId, each);
    return Promise.resolve();
  }

  prune(beforeMs: number): Promise<number> {
    this.pruned.push(beforeMs);
    return Promise.resolve(0);
  }
}

Deno.test("ResponseOwners knows at once who made a response, and writes it down a moment later, in one batch", async () => {
  const clock = FakeTimers.install({ now: 100 * DAY, toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const shelf = new Shelf();
    const owners = new ResponseOwners(shelf, { flushMs: 500 });
    owners.learn(making, pick(2, "k2"), { answerId: "resp_a" });
    owners.learn(making, pick(), { answerId: "resp_b" });
    const expected = owner({
      responseId: "resp_a",
      providerId: 2,
      associationId: 2,
      keyId: "k2",
      madeAtMs: 100 * DAY,
    });
    assert.deepEqual(await owners.find("resp_a"), expected);
    assert.equal(await owners.find("resp_x"), null);
    assert.equal(shelf.saves, 0);
    await clock.tickAsync(500);
    assert.deepEqual([shelf.saves, shelf.rows.get("resp_a")], [1, expected]);
    assert.deepEqual(shelf.pruned, [70 * DAY + 500]);
    await owners.close();
    assert.deepEqual(await new ResponseOwners(shelf).find("resp_a"), expected);
  } finally {
    clock.uninstall();
  }
});

Deno.test("ResponseOwners forgets in memory what the database still knows, and after 30 days both forget", async () => {
  const shelf = new Shelf();
  let now = 100 * DAY;
  const owners = new ResponseOwners(shelf, { capacity: 2, now: () => now });
  for (const id of ["a", "b", "c"]) owners.learn(making, pick(), { answerId: id });
  await owners.close();
  assert.equal((await owners.find("a"))?.responseId, "a");
  now += 31 * DAY;
  assert.equal(await new ResponseOwners(shelf, { now: () => now }).find("a"), null);
});

Deno.test("ResponseOwners keeps what a failing database did not take, and tries again", async () => {
  const shelf = new Shelf();
  shelf.broken = true;
  const clock = FakeTimers.install({ now: DAY, toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const owners = new ResponseOwners(shelf);
    owners.learn(making, pick(), { answerId: "a" });
    await clock.tickAsync(2_000);
    assert.ok(shelf.saves > 1);
    assert.equal((await owners.find("a"))?.providerId, 1);
    await assert.rejects(owners.find("b"), /locked/);
    assert.equal(await preferOwner("b", owners, null), null);
    shelf.broken = false;
    await owners.close();
    assert.equal(shelf.rows.size, 1);
  } finally {
    clock.uninstall();
  }
});

Deno.test("ResponseOwners learns no id that could not be asked for", async () => {
  const shelf = new Shelf();
  const owners = new ResponseOwners(shelf);
  for (const answerId of ["", ".", "..", "x".repeat(513)]) owners.learn(making, pick(), { answerId });
  owners.learn(making, pick(), {});
  await owners.close();
  assert.equal(shelf.rows.size, 0);
});

Deno.test("the usage of a response is booked once: when it is made, or when it is first told", async () => {
  const owners = new ResponseOwners(new Shelf());
  assert.deepEqual(owners.book(making, pick(), { answerId: "now", usage: USAGE }), USAGE);
  assert.equal(owners.book(asking, pick(), { answerId: "now", usage: USAGE }), null);

  assert.equal(owners.book(making, pick(), { answerId: "later" }), null);
  assert.equal(owners.book(asking, pick(), { answerId: "later", usage: null }), null);
  assert.deepEqual(owners.book(asking, pick(), { answerId: "later", usage: USAGE }), USAGE);
  assert.equal(owners.book(asking, pick(), { answerId: "later", usage: USAGE }), null);

  // Nothing is known of it, so nothing says that it was not booked.
  assert.equal(owners.book(asking, pick(), { answerId: "unknown", usage: USAGE }), null);
  // Other answers have no id, and some vendors give all of theirs the same one.
  assert.deepEqual(owners.book(making, pick(), { usage: USAGE }), USAGE);
  assert.deepEqual(owners.book(making, pick(), { answerId: "now", usage: USAGE }), USAGE);
  await owners.close();
});

Deno.test("a request is tied to the provider that made the response, with the key that made it first", async () => {
  const routes = [route(1, ["a", "k"]), route(2), route(1, ["a"], 9)];
  assert.deepEqual(routesToOwner(routes, owner()).map(({ associationId, keys }) => [associationId, keys]), [
    [1, [{ id: "1:a", weight: 0 }, { id: "1:k", weight: 1 }]],
    [9, [{ id: "1:a", weight: 3 }]],
  ]);
  const owners = new ResponseOwners(new Shelf());
  owners.learn(making, pick(1, "k"), { answerId: "resp_1" });
  const prefers = await preferOwner("resp_1", owners, null);
  assert.ok(prefers !== OF_ANOTHER_KEY);
  assert.deepEqual(prefers?.narrow(routes).map(({ providerId }) => providerId), [1, 1]);
  // Without a way there, a request that builds on a response may go anywhere, one about it nowhere.
  const others = [route(2), route(3)];
  assert.equal(prefers?.narrow(others), others);
  assert.deepEqual(onlyOwner(owner()).narrow(others), []);
  assert.equal(await preferOwner(undefined, owners, null), null);
  assert.equal(await preferOwner("resp_x", owners, null), null);
  await owners.close();
});

Deno.test("a response is known to the key that made it and to the admin, and to no other key", async () => {
  const owners = new ResponseOwners(new Shelf());
  owners.learn({ ...making, caller: { authKeyId: 7 } }, pick(1, "k"), { answerId: "resp_1" });
  assert.equal(await preferOwner("resp_1", owners, { id: 8 }), OF_ANOTHER_KEY);
  for (const key of [{ id: 7 }, null]) {
    const tie = await preferOwner("resp_1", owners, key);
    assert.ok(tie !== null && tie !== OF_ANOTHER_KEY);
  }
  await owners.close();
});
