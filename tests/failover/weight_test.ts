import assert from "node:assert/strict";
import fc from "fast-check";
import { draw, lotsOf, usableWeight } from "../../src/failover/weight.ts";
import { seeded } from "./samples.ts";

function sharesOf(weights: readonly number[]): number[] {
  return lotsOf(weights, (weight) => weight).map((lot) => lot.share);
}

function drawn(shares: readonly number[], random: () => number): number {
  return draw(-1, shares.map((share, item) => ({ item, share })), random);
}

Deno.test("usableWeight() counts NaN and negative weights as none", () => {
  for (const weight of [NaN, -1, -Infinity, 0, -0]) assert.equal(usableWeight(weight), 0);
  assert.equal(usableWeight(Infinity), Number.MAX_VALUE);
  assert.equal(usableWeight(0.5), 0.5);
});

Deno.test("lotsOf() survives weights whose sum is infinite", () => {
  assert.deepEqual(sharesOf([1e308, 1e308]), [0.5, 0.5]);
  assert.deepEqual(sharesOf([Infinity, Infinity, 0]), [0.5, 0.5, 0]);
});

Deno.test("lotsOf() gives all an equal share when none has weight, instead of always the first", () => {
  assert.deepEqual(sharesOf([0, 0]), [0.5, 0.5]);
  assert.deepEqual(sharesOf([NaN, -5, 0, 0]), [0.25, 0.25, 0.25, 0.25]);
});

Deno.test("lotsOf() gives nothing to weight 0 while another has weight", () => {
  assert.deepEqual(sharesOf([0, 1]), [0, 1]);
});

Deno.test("lotsOf() adds up to 1 for any weights", () => {
  fc.assert(fc.property(fc.array(fc.double(), { minLength: 1, maxLength: 20 }), (weights) => {
    const shares = sharesOf(weights);
    assert.ok(shares.every((share) => share >= 0 && share <= 1));
    assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9);
  }));
});

Deno.test("draw() keeps ratios within 2 % over 10,000 picks", () => {
  const random = seeded(1);
  const shares = sharesOf([3, 1]);
  let first = 0;
  for (let i = 0; i < 10_000; i++) if (drawn(shares, random) === 0) first++;
  assert.ok(Math.abs(first / 10_000 - 0.75) <= 0.02, String(first));
});

Deno.test("draw() never takes one without a share, even at the edge of rounding", () => {
  assert.equal(drawn([0, 0.5, 0.5, 0], () => 0.9999999999999999), 2);
  assert.equal(drawn([0, 0.5, 0.4, 0], () => 0.95), 2);
  assert.equal(drawn([0, 1], () => 0), 1);
});

Deno.test("draw() falls back when nobody is there", () => {
  assert.equal(drawn([], () => 0.5), -1);
});
