/** What a gateway still knows after a restart. @module */
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { keyId } from "../../src/protocols/provider_config.ts";
import { inFolder, sql } from "../store/fixtures.ts";
import { okChat } from "../upstream/fixtures.ts";
import { json, type Reply } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const BAD = "sk-canary-refused-1111";
const LIMITED = "sk-canary-limited-2222";
const FINE = "sk-canary-usable-3333";

const MINUTE = 60_000;

/** A running gateway on the file of the test, and how to start it anew. */
interface World {
  readonly path: string;
  gateway: TestGateway;
  readonly clock: ReturnType<typeof FakeTimers.install>;
  restart(between?: () => void): Promise<void>;
}

/** Runs a test with a database on disk, under a clock that only the test moves, without probes. */
async function withFile(test: (world: World) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ now: Date.UTC(2026, 4, 20, 12), toFake: ["Date"] });
  try {
    await inFolder(async (folder) => {
      const path = `${folder}/llmio.db`;
      const start = () => TestGateway.start({ db: path, tz: "UTC" });
      const stop = () => world.gateway[Symbol.asyncDispose]();
      const world: World = {
        path,
        gateway: await start(),
        clock,
        async restart(between) {
          await stop();
          between?.();
          world.gateway = await start();
        },
      };
      try {
        await world.gateway.admin("PUT", "/health-check/config", { enabled: false });
        await test(world);
      } finally {
        await stop();
      }
    });
  } finally {
    clock.uninstall();
  }
}

function secretOf(request: UpstreamRequest): string {
  return request.header("authorization")?.replace("Bearer ", "") ?? "";
}

const refused = json(401, { error: { message: `Incorrect API key: ${BAD}` } });
const limited = json(429, { error: { message: "slow down" } }, { "retry-after": "600" });

/** Answers by key. */
function byKey(request: UpstreamRequest): Reply {
  return secretOf(request) === BAD ? refused : secretOf(request) === LIMITED ? limited : okChat();
}

async function serverOf(response: Response): Promise<string | null> {
  assert.equal(response.status, 200, await response.text());
  return response.headers.get("x-llmio-provider");
}

/** The only key there is gets refused. */
async function assertRefused(gateway: TestGateway): Promise<void> {
  const response = await gateway.chat({});
  assert.equal(response.status, 502, await response.text());
}

async function explained(gateway: TestGateway, model = "m"): Promise<unknown> {
  return await gateway.admin("POST", "/explain", { model });
}

Deno.test("refused and limited keys are still that after a restart, with their deadlines", () =>
  withFile(async (world) => {
    await using upstream = await ScriptedUpstream.start(byKey);
    const { providers } = await world.gateway.serveModel({
      providers: [{ url: upstream.url, key: "", config: { api_keys: [BAD, LIMITED, FINE] } }],
    });
    const path = `/providers/${providers[0]?.ID}/keys`;
    for (let i = 0; i < 3; i++) await serverOf(await world.gateway.chat({}));
    const keys = await world.gateway.admin<Record<string, unknown>[]>("GET", path);
    assert.deepEqual(
      keys.map(({ status, bad_until, cooling_until }) => [status, bad_until, cooling_until]),
      [
        ["bad", "2026-05-20T13:00:00.000Z", null],
        ["cooling", null, "2026-05-20T12:10:00.000Z"],
        ["usable", null, null],
      ],
    );
    await world.restart();
    assert.deepEqual(await world.gateway.admin("GET", path), keys);
    const used = upstream.requests.length;
    for (let i = 0; i < 3; i++) await serverOf(await world.gateway.chat({}));
    assert.deepEqual(upstream.requests.slice(used).map(secretOf), [FINE, FINE, FINE]);

    // When their time has come they are tried again.
    upstream.fallback = okChat();
    world.clock.tick(60 * MINUTE + 1);
    for (let i = 0; i < 6; i++) await serverOf(await world.gateway.chat({}));
    assert.deepEqual(new Set(upstream.requests.slice(used + 3).map(secretOf)), new Set([BAD, LIMITED, FINE]));
    const after = await world.gateway.admin<Record<string, unknown>[]>("GET", path);
    assert.deepEqual(after.map(({ status }) => status), ["usable", "usable", "usable"]);
  }));

Deno.test("open breakers and cooling associations are still that after a restart, with their deadlines", () =>
  withFile(async (world) => {
    await using broken = await ScriptedUpstream.start(json(500, { error: { message: "boom" } }));
    await using lost = await ScriptedUpstream.start(json(404, { error: { code: "model_not_found" } }));
    await using good = await ScriptedUpstream.start(okChat());
    const { providers } = await world.gateway.serveModel({
      model: { strategy: "rotor", breaker: true },
      providers: [
        { url: broken.url, name: "broken", association: { weight: 9 } },
        { url: lost.url, name: "lost", association: { weight: 5 } },
        { url: good.url, name: "good" },
      ],
    });
    const other = await world.gateway.admin<{ ID: number }>("POST", "/models", { name: "other" });
    const link = { model_id: other.ID, provider_id: providers[0]?.ID, provider_name: "fine" };
    await world.gateway.admin("POST", "/model-providers", link);
    const next = async () => await serverOf(await world.gateway.chat({}));
    for (let i = 0; i < 5; i++) {
      assert.equal(await next(), "good");
      broken.enqueue(okChat());
      await serverOf(await world.gateway.chat({ model: "other" }));
    }
    const before = await explained(world.gateway);
    assert.match(JSON.stringify(before), /breaker_open.*12:01:00.*cooling.*12:05:00/);
    await world.restart();
    assert.deepEqual(await explained(world.gateway), before);
    const calls = [broken.requests.length, lost.requests.length];
    assert.equal(await next(), "good");
    assert.deepEqual([broken.requests.length, lost.requests.length], calls);

    broken.fallback = lost.fallback = okChat();
    world.clock.tick(MINUTE + 1);
    assert.equal(await next(), "broken");
    await world.restart();
    // One success of two: it is still on trial.
    assert.match(JSON.stringify(await explained(world.gateway)), /breaker_half_open/);
    assert.equal(await next(), "broken");
    assert.doesNotMatch(JSON.stringify(await explained(world.gateway)), /breaker_/);
  }));

Deno.test("nothing of a deleted provider is left, and a new one of its name inherits nothing", () =>
  withFile(async (world) => {
    await using upstream = await ScriptedUpstream.start(byKey);
    const setup = { url: upstream.url, name: "acme", key: BAD };
    const { providers } = await world.gateway.serveModel({ providers: [setup] });
    await assertRefused(world.gateway);
    await world.gateway.admin("DELETE", `/providers/${providers[0]?.ID}`);
    const renewed = await world.gateway.serveModel({ name: "m2", providers: [setup] });
    const keysOf = () =>
      world.gateway.admin<Record<string, unknown>[]>("GET", `/providers/${renewed.providers[0]?.ID}/keys`);
    assert.deepEqual((await keysOf()).map(({ status }) => status), ["usable"]);
    const rows = () =>
      sql(world.path, (database) => [
        ...database.prepare("SELECT provider_id FROM provider_keys").all(),
        ...database.prepare("SELECT provider_id FROM association_states").all(),
      ]);
    await world.restart(() => assert.deepEqual(rows(), []));
    assert.deepEqual((await keysOf()).map(({ status }) => status), ["usable"]);
  }));

Deno.test("what was deleted while the gateway stood still is dropped at its start", () =>
  withFile(async (world) => {
    await using upstream = await ScriptedUpstream.start(byKey);
    const { providers } = await world.gateway.serveModel({ providers: [{ url: upstream.url, key: BAD }] });
    await assertRefused(world.gateway);
    await world.restart(() =>
      sql(world.path, (database) => {
        assert.equal(database.prepare("SELECT count(*) AS n FROM provider_keys").get()?.["n"], 1);
        // The old program deletes like this.
        database.exec("UPDATE providers SET deleted_at = '2026-05-20 12:00:00+00:00'");
      })
    );
    const path = `/api/providers/${providers[0]?.ID}/keys`;
    const response = await fetch(`${world.gateway.url}${path}`, {
      headers: { authorization: "Bearer test-admin-token" },
    });
    assert.equal(response.status, 404);
    await response.body?.cancel();
    await world.restart(() =>
      sql(world.path, (database) => {
        assert.equal(database.prepare("SELECT count(*) AS n FROM provider_keys").get()?.["n"], 0);
      })
    );
  }));

Deno.test("neither damaged rows nor a missing table prevent the start", () =>
  withFile(async (world) => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await world.gateway.serveModel({
      model: { breaker: true },
      providers: [{ url: upstream.url, key: FINE }],
    });
    await world.restart(() =>
      sql(world.path, (database) =>
        database.exec(`
          INSERT INTO provider_keys VALUES
            (1, '${
          keyId(FINE)
        }', 9223372036854775807, -1, -9, 9223372036854775807, NULL, -1, -1, 'x', -1, 9223372036854775807),
            (-1, '', NULL, NULL, 0, NULL, NULL, 0, 0, NULL, NULL, 0);
          INSERT INTO association_states VALUES
            (1, 1, 9223372036854775807, 9223372036854775807, 5, 0, 0, 9223372036854775807, NULL, 1, 'never', 9e999),
            (99, 99, NULL, NULL, 0, 0, 0, NULL, NULL, 0, '', NULL);
        `))
    );
    // Whatever the rows say, a lone provider is asked, and its success puts all right.
    await serverOf(await world.gateway.chat({}));
    assert.doesNotMatch(JSON.stringify(await explained(world.gateway)), /275-|NaN/);
    await world.restart(() => sql(world.path, (database) => database.exec("DROP TABLE provider_keys")));
    await serverOf(await world.gateway.chat({}));
  }));

Deno.test("the file never holds a key that a vendor quotes, beside the provider's own config", () =>
  withFile(async (world) => {
    await using upstream = await ScriptedUpstream.start(byKey);
    await world.gateway.serveModel({ providers: [{ url: upstream.url, key: BAD }] });
    await assertRefused(world.gateway);
    await world.restart(() =>
      sql(world.path, (database) => {
        const stored = database.prepare("SELECT * FROM provider_keys").all();
        assert.equal(stored.length, 1);
        assert.match(JSON.stringify(stored), /Incorrect API key/);
        assert.doesNotMatch(JSON.stringify(stored), /canary/);
      })
    );
  }));
