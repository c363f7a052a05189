import assert from "node:assert/strict";
import fc from "fast-check";
import { nextTurn, type Rotation } from "../../src/failover/rotation.ts";
import { lotsOf } from "../../src/failover/weight.ts";

/** The order of turns of A, B, C … with these weights. */
function turns(weights: readonly number[], count: number): string {
  const lots = lotsOf(
    weights.map((weight, i) => ({ weight, name: String.fromCharCode(65 + i) })),
    (each) => each.weight,
  );
  const fallback = { weight: 0, name: "?" };
  let rotation: Rotation<string> | undefined;
  let order = "";
  for (let i = 0; i < count; i++) {
    const turn = nextTurn(fallback, lots, (each) => each.name, rotation);
    rotation = turn.rotation;
    order += turn.item.name;
  }
  return order;
}

const name = (item: string) => item;
const HALVES = [{ item: "A", share: 0.5 }, { item: "B", share: 0.5 }];

Deno.test("nextTurn() spreads turns evenly instead of in blocks", () => {
  assert.equal(turns([3, 1], 8), "AABAAABA");
});

Deno.test("nextTurn() takes exact turns with equal weights, also where shares do not add up exactly", () => {
  assert.equal(turns([1, 1, 1], 300), "ABC".repeat(100));
});

Deno.test("nextTurn() keeps every ratio exactly over whole rounds", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), (weights) => {
      const total = weights.reduce((a, b) => a + b);
      const order = turns(weights, total * 10);
      for (const [i, weight] of weights.entries()) {
        const count = order.split(String.fromCharCode(65 + i)).length - 1;
        assert.ok(Math.abs(count - weight * 10) <= 1, `${weight}: ${count}`);
      }
    }),
  );
});

Deno.test("nextTurn() gives no turn to weight 0 while another has weight", () => {
  assert.equal(turns([0, 1, 0], 3), "BBB");
});

Deno.test("nextTurn() keeps the credit of one that is out for the moment", () => {
  const first = nextTurn("?", HALVES, name, undefined);
  assert.equal(first.item, "A");
  const without = nextTurn("?", [{ item: "A", share: 1 }], name, first.rotation);
  assert.equal(without.rotation.get("B"), 0.5);
});

Deno.test("nextTurn() changes nothing in what it is given", () => {
  const before = new Map([["A", 0.25]]);
  nextTurn("?", HALVES, name, before);
  assert.deepEqual([...before], [["A", 0.25]]);
});

Deno.test("nextTurn() falls back when nobody is there", () => {
  assert.equal(nextTurn("?", [], name, undefined).item, "?");
});
