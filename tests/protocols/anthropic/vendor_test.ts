import assert from "node:assert/strict";
import { VENDORS } from "../../../src/protocols/vendors.ts";

const upstream = { baseUrl: "https://a.example/v1", version: "2023-06-01", beta: "" };
const { headers } = VENDORS.anthropic;

Deno.test("the Anthropic vendor gets the key and the configured version", () => {
  assert.deepEqual(headers(upstream, "sk", {}), { "x-api-key": "sk", "anthropic-version": "2023-06-01" });
  assert.deepEqual(headers(upstream, "", {}), { "anthropic-version": "2023-06-01" });
});

Deno.test("a version that the client has chosen stays", () => {
  assert.equal(
    headers(upstream, "sk", { "anthropic-version": "2029-01-01" })["anthropic-version"],
    "2029-01-01",
  );
});

Deno.test("the client's betas stay as they are and the configured ones are added, each once", () => {
  const cases: [string | undefined, string, string | undefined][] = [
    [undefined, "", undefined],
    [undefined, "a", "a"],
    ["x,y", "", "x,y"],
    ["x, y", "", "x, y"],
    ["x", "a", "x,a"],
    ["x, a", "a,b", "x, a,b"],
    ["", "a", "a"],
    [" , ", "a", "a"],
  ];
  for (const [sent, beta, expected] of cases) {
    const passed: Record<string, string> = sent === undefined ? {} : { "anthropic-beta": sent };
    assert.equal(
      headers({ ...upstream, beta }, "sk", passed)["anthropic-beta"],
      expected,
      `${sent} + ${beta}`,
    );
  }
});
