import { deepEqual, equal, rejects } from "node:assert/strict";
import { keyMask } from "../../src/access/key_text.ts";
import type { AuthKey, AuthKeyFields } from "../../src/store/auth_keys.ts";
import type { Store } from "../../src/store/store.ts";
import {
  authKey,
  inFolder,
  log,
  makeLegacyFiles,
  NOW_MS,
  openOnce,
  provider,
  sql,
  withStore,
} from "./fixtures.ts";

const SECRET = { hash: "aa".repeat(32), mask: "sk-llmio-****abcd" };
const ALL = { page: 1, pageSize: 100 };

const create = (store: Store, fields: Partial<AuthKeyFields> = {}, secret = SECRET): Promise<AuthKey> =>
  store.authKeys.create(authKey(fields), secret);

const ids = (keys: readonly AuthKey[]) => keys.map(({ id }) => id);

Deno.test("authKeys.create() keeps every field, the hash and the mask, and no key", () =>
  withStore({}, async (store) => {
    await store.providers.create(provider());
    const fields: AuthKeyFields = {
      name: "团队 A",
      status: null,
      ioLog: true,
      allowAll: false,
      models: ["gpt-4o", "推理-o3"],
      expiresAt: "2026-12-31T00:00:00.5+08:00",
      requestsPerMinute: 60,
      tokensPerMinute: 100_000,
      maxConcurrent: 4,
      budgetDay: 0,
      budgetMonth: 12.5,
      budgetTotal: 100,
      budgetCurrency: "CNY",
      providers: [1],
      tags: ["a", "b c"],
    };
    const created = await create(store, fields);
    deepEqual(created, {
      ...fields,
      ...SECRET,
      id: 1,
      createdAt: "2026-05-20T12:00:00.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
      key: "",
      previousHash: "",
      previousUntilMs: 0,
      budgetBaseline: null,
      usageCount: 0,
      lastUsedAt: null,
    });
    deepEqual(await store.authKeys.get(1), created);
    deepEqual(await store.authKeys.list(), [created]);
    deepEqual((await store.routing()).authKeys, [created]);
  }));

Deno.test("authKeys.create() stores what the old program reads, and no key that an empty credential would find", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await create(store, { models: ["m"], expiresAt: "2026-12-31T00:00:00Z" });
      await create(store, { name: "b", expiresAt: "2026-12-31T00:00:00.25+08:00" });
    });
    const rows = sql(
      path,
      (database) =>
        database.prepare(
          "SELECT key, status, io_log, models, expires_at, typeof(usage_count) AS t FROM auth_keys",
        )
          .all(),
    );
    deepEqual(rows.map((row) => ({ ...row })), [
      {
        key: null,
        status: 1,
        io_log: 0,
        models: '["m"]',
        expires_at: "2026-12-31 00:00:00+00:00",
        t: "integer",
      },
      {
        key: null,
        status: 1,
        io_log: 0,
        models: "[]",
        expires_at: "2026-12-31 00:00:00.25+08:00",
        t: "integer",
      },
    ]);
  }));

Deno.test("authKeys.update() replaces the given fields, null included, and keeps the others", async () => {
  let now = NOW_MS;
  await withStore({ now: () => now }, async (store) => {
    const created = await create(store, {
      maxConcurrent: 3,
      budgetDay: 1,
      expiresAt: "2027-01-01T00:00:00Z",
    });
    now += 1000;
    const updated = await store.authKeys.update(1, { maxConcurrent: null, expiresAt: null, models: ["m"] });
    deepEqual(updated, {
      ...created,
      maxConcurrent: null,
      expiresAt: null,
      models: ["m"],
      updatedAt: "2026-05-20T12:00:01.06Z",
    });
    deepEqual(await store.authKeys.update(1, {}), updated);
    equal(await store.authKeys.update(2, { name: "x" }), null);
  });
});

Deno.test("authKeys: a name belongs to one live key", () =>
  withStore({}, async (store) => {
    await create(store);
    await create(store, { name: "team-b" });
    await rejects(create(store), { name: "NameTaken" });
    await rejects(store.authKeys.update(2, { name: "team-a" }), { name: "NameTaken" });
    equal((await store.authKeys.update(1, { name: "team-a", status: false }))?.status, false);
    equal(await store.authKeys.remove(1), true);
    equal((await create(store)).id, 3);
  }));

Deno.test("authKeys: providers must exist when they are named", () =>
  withStore({}, async (store) => {
    await store.providers.create(provider());
    await rejects(create(store, { providers: [1, 7] }), {
      name: "MissingReference",
      message: /providers 7 /,
    });
    deepEqual(await store.authKeys.list(), []);
    await create(store, { providers: [1] });
    await rejects(store.authKeys.update(1, { name: "renamed", providers: [7] }), {
      name: "MissingReference",
    });
    await store.providers.remove([1]);
    // The key keeps what it was told: a provider that is gone must not turn into all providers.
    deepEqual((await store.authKeys.update(1, { name: "renamed" }))?.providers, [1]);
  }));

Deno.test("authKeys.remove() hides a key and leaves its row", () =>
  withStore({}, async (store) => {
    await create(store);
    equal(await store.authKeys.remove(1), true);
    equal(await store.authKeys.remove(1), false);
    equal(await store.authKeys.get(1), null);
    deepEqual([await store.authKeys.list(), (await store.authKeys.page({}, ALL)).total], [[], 0]);
    for (const change of [store.authKeys.update(1, { name: "x" }), store.authKeys.rotate(1, ROTATION)]) {
      equal(await change, null);
    }
    equal(await store.authKeys.resetBudget(1, BASELINE), null);
  }));

const ROTATION = {
  hash: "bb".repeat(32),
  mask: "sk-llmio-****wxyz",
  previousHash: SECRET.hash,
  previousUntilMs: 9,
};
const BASELINE = { date: "2026-05-20", day: { USD: 1 }, month: { USD: 2 }, total: { USD: 3, CNY: 0.5 } };

Deno.test("authKeys.rotate() and resetBudget() change what they say and nothing else", () =>
  withStore({}, async (store) => {
    const created = await create(store);
    deepEqual(await store.authKeys.rotate(1, ROTATION), { ...created, ...ROTATION });
    deepEqual(await store.authKeys.resetBudget(1, BASELINE), {
      ...created,
      ...ROTATION,
      budgetBaseline: BASELINE,
    });
  }));

Deno.test("authKeys.page() is newest first, pages, and says the total", () =>
  withStore({}, async (store) => {
    for (const name of ["a", "b", "c"]) await create(store, { name });
    const page = await store.authKeys.page({}, { page: 2, pageSize: 2 });
    deepEqual([ids(page.rows), page.total], [[1], 3]);
    deepEqual(ids((await store.authKeys.page({}, ALL)).rows), [3, 2, 1]);
    deepEqual(ids(await store.authKeys.list()), [1, 2, 3]);
  }));

Deno.test("authKeys.page() filters by name, mask, switches and tag", () =>
  withStore({}, async (store) => {
    await create(store, { name: "Team A", tags: ["prod", "eu"] }, { hash: "1", mask: "sk-llmio-****aaaa" });
    await create(store, { name: "b", status: false }, { hash: "2", mask: "sk-llmio-****BbBb" });
    await create(store, { name: "c%", status: null, allowAll: false, tags: ["production"] });
    const found = async (filter: Parameters<Store["authKeys"]["page"]>[0]) => {
      const { rows, total } = await store.authKeys.page(filter, ALL);
      equal(rows.length, total);
      return ids(rows);
    };
    deepEqual(await found({ search: "team a" }), [1]);
    deepEqual(await found({ search: "bbbb" }), [2]);
    deepEqual(await found({ search: "%" }), [3]);
    deepEqual(await found({ search: "sk-llmio-" }), [3, 2, 1]);
    deepEqual(await found({ search: "nothing" }), []);
    deepEqual(await found({ active: true }), [1]);
    deepEqual(await found({ active: false }), [3, 2]);
    deepEqual(await found({ allowAll: true }), [2, 1]);
    deepEqual(await found({ allowAll: false }), [3]);
    deepEqual(await found({ tag: "prod" }), [1]);
    deepEqual(await found({ tag: "eu", active: false }), []);
  }));

Deno.test("authKeys.spending() sums day, month and all time by key and currency, without the admin token", () =>
  withStore({}, async (store) => {
    const spent = (days: number, cost: number, fields: Parameters<typeof log>[0] = {}) =>
      log({ startedAtMs: NOW_MS - days * 86_400_000, authKeyId: 1, cost, ...fields });
    await store.logs.write({
      inserts: [
        spent(0, 1),
        spent(0, 0.5, { providerModel: "other" }),
        spent(1, 2),
        spent(40, 4),
        spent(0, 8, { currency: "CNY" }),
        spent(20, 16, { authKeyId: 2 }),
        spent(0, 32, { authKeyId: 0 }),
      ],
      updates: [],
    });
    const all = await store.authKeys.spending("2026-05-20");
    deepEqual(all, [
      { authKeyId: 1, currency: "CNY", day: 8, month: 8, total: 8 },
      { authKeyId: 1, currency: "USD", day: 1.5, month: 3.5, total: 7.5 },
      { authKeyId: 2, currency: "USD", day: 0, month: 0, total: 16 },
    ]);
    deepEqual(await store.authKeys.spending("2026-05-20", 2), all.slice(2));
    deepEqual((await store.authKeys.spending("2026-04-30", 2))[0]?.month, 16);
  }));

Deno.test("authKeys.recentUse() counts requests once and the tokens of every attempt, by second", () =>
  withStore({}, async (store) => {
    const second = Math.floor(NOW_MS / 1000);
    const use = (ms: number, fields: Parameters<typeof log>[0] = {}) =>
      log({ startedAtMs: second * 1000 + ms, authKeyId: 1, totalTokens: 10, ...fields });
    await store.logs.write({
      inserts: [
        use(-1),
        use(0),
        use(999),
        use(500, { retry: 1, totalTokens: 5 }),
        use(1000, { retry: 1, totalTokens: 7 }),
        use(0, { authKeyId: 2 }),
        use(0, { authKeyId: 0 }),
      ],
      updates: [],
    });
    deepEqual(await store.authKeys.recentUse(second * 1000), [
      { authKeyId: 1, second, requests: 2, tokens: 25 },
      { authKeyId: 1, second: second + 1, requests: 0, tokens: 7 },
      { authKeyId: 2, second, requests: 1, tokens: 10 },
    ]);
  }));

Deno.test("authKeys of an llmio file read as they are: the key plain, the rest unlimited", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const plain = sql(
      upstream,
      (database) => database.prepare("SELECT key FROM auth_keys WHERE deleted_at IS NULL ORDER BY id").all(),
    )
      .map(({ key }) => String(key));
    await withStore({ path: upstream }, async (store) => {
      const keys = await store.authKeys.list();
      deepEqual(
        keys.map(({ id, name, status, ioLog, allowAll, models, usageCount }) => [
          ...[id, name, status, ioLog, allowAll, models, usageCount],
        ]),
        [
          [1, "团队 A", true, true, true, [], 731],
          [2, "team-b", true, false, false, ["gpt-4o", "claude-sonnet"], 402],
          [4, "expired & off", false, false, false, ["推理-o3"], 96],
        ],
      );
      deepEqual(keys.map(({ key }) => key), plain);
      deepEqual(keys.map(({ mask }) => mask), plain.map((key) => keyMask(key)));
      for (const key of keys) {
        const { hash, previousHash, previousUntilMs, providers, tags, budgetCurrency, budgetBaseline } = key;
        deepEqual(
          [hash, previousHash, previousUntilMs, providers, tags, budgetCurrency, budgetBaseline],
          ["", "", 0, null, [], "USD", null],
        );
        const { requestsPerMinute, tokensPerMinute, maxConcurrent, budgetDay, budgetMonth, budgetTotal } =
          key;
        deepEqual(
          [requestsPerMinute, tokensPerMinute, maxConcurrent, budgetDay, budgetMonth, budgetTotal],
          Array(6).fill(null),
        );
      }
      equal(keys[0]?.expiresAt, null);
      equal(Number.isFinite(Date.parse(keys[1]?.expiresAt ?? "")), true);
      equal(keys[2]?.lastUsedAt, null);
    });
  }));

Deno.test("authKeys.page() finds a plain key by its last four characters or by a long part, and by no short one", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      const { id, key } = (await store.authKeys.list())[1] ?? { id: 0, key: "" };
      const found = async (search: string) => ids((await store.authKeys.page({ search }, ALL)).rows);
      equal((await found(key.slice(-4))).includes(id), true);
      deepEqual(await found(key), [id]);
      deepEqual(await found(key.slice(10, 26)), [id]);
      deepEqual(await found(key.slice(10, 25)), [], "else a key could be felt out letter by letter");
    });
  }));

Deno.test("authKeys.rehash() empties plain keys and leaves alone what is hashed, deleted or unknown", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      await create(store, { name: "new" });
      await store.authKeys.rotate(4, ROTATION);
      const before = await store.authKeys.list();
      const hashed = (id: number) => ({ id, hash: `hash ${id}`, mask: `mask ${id}` });
      equal(await store.authKeys.rehash([1, 2, 3, 4, 5, 99].map(hashed)), 2);
      const after = await store.authKeys.list();
      deepEqual(
        after.map(({ key, hash, mask }) => [key, hash, mask]),
        [
          ["", "hash 1", "mask 1"],
          ["", "hash 2", "mask 2"],
          ["", ROTATION.hash, ROTATION.mask],
          ["", SECRET.hash, SECRET.mask],
        ],
      );
      deepEqual(after.map(({ models }) => models), before.map(({ models }) => models));
    });
  }));

Deno.test("authKeys: a damaged row breaks no list and opens nothing", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    sql(path, (database) =>
      database.exec(`
        INSERT INTO auth_keys (id) VALUES (1);
        INSERT INTO auth_keys
          (id, name, key, status, io_log, allow_all, models, expires_at, usage_count, last_used_at, key_hash, key_mask,
           previous_hash, previous_until_ms, requests_per_minute, budget_day, budget_currency, budget_baseline, providers,
           tags)
        VALUES (2, 'odd', 'by hand', 'true', 'x', 'false', '["a", 1, null', 'soon', 'many', 'yesterday', NULL, '',
          NULL, 'x', 'few', 'much', 'EUR', '{"date": 1}', '[1,', '{"a": "b"');
        INSERT INTO auth_keys (id, name, models, providers, tags, budget_baseline) VALUES (3, 'types', '{"a":1}',
          '["1", 2, 2.5]', '["t", 7]', '{"date":"2026-05-20","day":{"USD":"x","CNY":2},"month":[],"total":null}');
        INSERT INTO auth_keys (id, name) VALUES (4, 'odd');
      `));
    await withStore({ path }, async (store) => {
      const [empty, odd, types, twin] = await store.authKeys.list();
      const { createdAt, updatedAt, ...rest } = empty ?? {};
      deepEqual([createdAt, updatedAt], ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]);
      deepEqual(rest, {
        ...authKey(),
        ...{ id: 1, name: "", status: null, allowAll: false, key: "", hash: "", mask: "" },
        ...{ previousHash: "", previousUntilMs: 0, budgetBaseline: null, usageCount: 0, lastUsedAt: null },
      });
      deepEqual(
        [odd?.mask, odd?.status, odd?.ioLog, odd?.allowAll, odd?.models, odd?.expiresAt, odd?.providers],
        ["****", true, false, false, [], "0001-01-01T00:00:00Z", []],
      );
      deepEqual(
        [odd?.tags, odd?.budgetCurrency, odd?.budgetBaseline, odd?.requestsPerMinute, odd?.lastUsedAt],
        [[], "USD", null, null, null],
      );
      deepEqual([types?.models, types?.providers, types?.tags], [[], [2], ["t"]]);
      deepEqual(types?.budgetBaseline, { date: "2026-05-20", day: { CNY: 2 }, month: {}, total: {} });

      const found = async (filter: Parameters<Store["authKeys"]["page"]>[0]) =>
        ids((await store.authKeys.page(filter, ALL)).rows);
      deepEqual([await found({ tag: "t" }), await found({ active: true })], [[3], [2]]);
      deepEqual(await found({ allowAll: true }), []);
      // Both holders of a name can be changed, as long as it stays.
      equal((await store.authKeys.update(twin?.id ?? 0, { name: "odd", status: true }))?.status, true);
    });
  }));
