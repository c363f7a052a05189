/** The breaker, end to end. @module */
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { FRAME, okChat } from "../upstream/fixtures.ts";
import { json, sse, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const failing = json(500, { error: { message: "boom" } });

async function serverOf(response: Response): Promise<string | null> {
  assert.equal(response.status, 200, await response.text());
  return response.headers.get("x-llmio-provider");
}

/** What a broken and a good provider answer while a clock that only the test moves shows the time. */
async function withBroken(
  test: (world: {
    readonly gateway: TestGateway;
    readonly broken: ScriptedUpstream;
    readonly clock: ReturnType<typeof FakeTimers.install>;
    /** Which provider serves the next request: `broken` or `good`. */
    next(): Promise<string | null>;
  }) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install({ now: Date.now(), toFake: ["Date"] });
  try {
    await using broken = await ScriptedUpstream.start(failing);
    await using good = await ScriptedUpstream.start(okChat());
    await using gateway = await TestGateway.start();
    // The clock moves by minutes: no probe shall fall into a test.
    await gateway.admin("PUT", "/health-check/config", { enabled: false });
    const { providers } = await gateway.serveModel({
      model: { strategy: "rotor", breaker: true },
      providers: [{ url: broken.url, name: "broken", association: { weight: 9 } }, {
        url: good.url,
        name: "good",
      }],
    });
    const other = await gateway.admin<{ ID: number }>("POST", "/models", { name: "other" });
    const link = { model_id: other.ID, provider_id: providers[0]?.ID, provider_name: "fine" };
    await gateway.admin("POST", "/model-providers", link);
    const next = async () => await serverOf(await gateway.chat({}));

    for (let i = 1; i <= 5; i++) {
      assert.equal(await next(), "good");
      assert.equal(broken.requests.filter(({ text }) => text.includes("upstream-model-1")).length, i);
      // The provider's other model works, so the provider is healthy: only this association is at fault.
      broken.enqueue(okChat());
      await serverOf(await gateway.chat({ model: "other" }));
    }
    const calls = broken.requests.length;
    assert.equal(await next(), "good");
    assert.equal(broken.requests.length, calls, "an open breaker lets nothing pass");
    await test({ gateway, broken, clock, next });
  } finally {
    clock.uninstall();
  }
}

Deno.test("five failures open a breaker; after a minute one trial at a time passes; two successes close it", () =>
  withBroken(async ({ gateway, broken, clock, next }) => {
    clock.tick(59_000);
    assert.equal(await next(), "good");
    clock.tick(1_001);
    for (let trial = 1; trial <= 2; trial++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const calls = broken.requests.length;
      broken.enqueue([until(promise), ...okChat()]);
      const trying = gateway.chat({});
      await broken.waitForRequest(calls + 1);
      assert.equal(await next(), "good", "while the trial is under way others go elsewhere");
      resolve();
      assert.equal(await serverOf(await trying), "broken");
    }
    broken.fallback = okChat();
    const { promise, resolve } = Promise.withResolvers<void>();
    const calls = broken.requests.length;
    broken.enqueue([until(promise), ...okChat()]);
    const slow = gateway.chat({});
    await broken.waitForRequest(calls + 1);
    assert.equal(await next(), "broken", "a closed breaker lets all pass");
    resolve();
    await serverOf(await slow);
  }));

Deno.test("a trial that fails opens the breaker again", () =>
  withBroken(async ({ broken, clock, next }) => {
    clock.tick(60_001);
    const calls = broken.requests.length;
    assert.equal(await next(), "good");
    assert.equal(broken.requests.length, calls + 1);
    assert.equal(await next(), "good");
    clock.tick(59_000);
    assert.equal(await next(), "good");
    assert.equal(broken.requests.length, calls + 1);
  }));

Deno.test("a trial whose client leaves gives its slot back", () =>
  withBroken(async ({ gateway, broken, clock, next }) => {
    clock.tick(60_001);
    for (const stream of [false, true]) {
      const calls = broken.requests.length;
      const { promise, resolve } = Promise.withResolvers<void>();
      // A stream that has shown no output is still a trial.
      broken.enqueue(stream ? [...sse([FRAME.role], { end: "hang" })] : [until(promise), ...okChat()]);
      const abort = new AbortController();
      const trying = gateway.chat({ stream }, { signal: abort.signal });
      await broken.waitForRequest(calls + 1);
      assert.equal(await next(), "good");
      abort.abort();
      await assert.rejects(trying);
      await broken.requests.at(-1)?.connection.closed;
      resolve();
    }
    broken.fallback = okChat();
    assert.equal(await next(), "broken");
  }));
