import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { takeLeaks } from "./log_watch.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

Deno.test("a test gateway fails its test at the end when a secret was logged, at any level", async () => {
  const gateway = await TestGateway.start();
  // Too short for its shape, and no key that is stored.
  getLogger(["llmio", "test"]).debug("the key sk-upstream-0");
  await assert.rejects(
    async () => await gateway[Symbol.asyncDispose](),
    /a secret was logged.*sk-upstream-/s,
  );
  assert.deepEqual(takeLeaks(), []);
});

Deno.test("a test gateway's own secrets are not in its log, even if somebody logs them", async () => {
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: "http://127.0.0.1:65000", key: "sk-upstream-logged" }] });
  getLogger(["llmio", "test"]).debug("token {token} and key {key}", {
    token: TOKEN,
    key: "sk-upstream-logged",
  });
});
