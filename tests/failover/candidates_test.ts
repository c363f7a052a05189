import assert from "node:assert/strict";
import { eligible, fits, type Need, whyNone } from "../../src/failover/candidates.ts";
import { NEED, route } from "./samples.ts";

const ALL: Need = { protocol: "openai", tools: true, structuredOutput: true, image: true };

Deno.test("fits() takes a route that is on, speaks the protocol, has a key and every capability needed", () => {
  assert.equal(fits(route(1), ALL), null);
  assert.equal(fits(route(1, { tools: false, structuredOutput: false, image: false }), NEED), null);
});

Deno.test("fits() says what is missing, and the operator's off before everything", () => {
  assert.equal(fits(route(1, { enabled: false, protocol: "gemini", keys: [] }), ALL), "off");
  assert.equal(fits(route(1, { protocol: "gemini" }), ALL), "protocol");
  assert.equal(fits(route(1, { tools: false }), ALL), "tools");
  assert.equal(fits(route(1, { structuredOutput: false }), ALL), "structured_output");
  assert.equal(fits(route(1, { image: false }), ALL), "image");
  assert.equal(fits(route(1, { keys: [] }), ALL), "no_key");
});

Deno.test("eligible() leaves out what does not fit, and copies nothing when all fit", () => {
  const good = route(1);
  const routes = [good, route(2, { enabled: false })];
  assert.deepEqual(eligible(routes, NEED), [good]);
  const all = [good];
  assert.equal(eligible(all, NEED), all);
});

Deno.test("whyNone() names the nearest miss", () => {
  const off = route(1, { enabled: false });
  const foreign = route(2, { protocol: "anthropic" });
  assert.equal(whyNone([], ALL), "no_association");
  assert.equal(whyNone([off], ALL), "all_off");
  assert.equal(whyNone([off, foreign], ALL), "no_protocol");
  for (const lack of ["tools", "structuredOutput", "image"]) {
    assert.equal(whyNone([off, foreign, route(3, { [lack]: false })], ALL), "no_capability");
  }
  assert.equal(whyNone([foreign, route(3, { tools: false }), route(4, { keys: [] })], ALL), "no_key");
});
