import { deepEqual, equal, rejects } from "node:assert/strict";
import { NameTaken } from "../../src/store/store.ts";
import { association, inFolder, model, NOW_MS, provider, sql, withStore } from "./fixtures.ts";

Deno.test("providers.create() answers the row, switched on", () =>
  withStore({}, async (store) => {
    const fields = provider({ proxy: "socks5://127.0.0.1:1080", errorMatcher: "a\nb", config: "not json" });
    const created = await store.providers.create(fields);
    deepEqual(created, {
      ...fields,
      priority: 0,
      parameterOverrides: null,
      modelAliases: null,
      fakeStream: false,
      id: 1,
      createdAt: "2026-05-20T12:00:00.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
      enabled: true,
    });
    deepEqual(await store.providers.get(1), created);
    equal(await store.providers.get(2), null);
  }));

Deno.test("providers.list() finds part of a name as plain text, in any ASCII case, newest first", () =>
  withStore({}, async (store) => {
    for (const name of ["Acme West", "acme_east", "100% up", "北方"]) {
      await store.providers.create(provider({ name, type: name === "北方" ? "gemini" : "openai" }));
    }
    const names = async (filter: { name?: string; type?: string }) =>
      (await store.providers.list(filter)).map(({ name }) => name);
    deepEqual(await names({}), ["北方", "100% up", "acme_east", "Acme West"]);
    deepEqual(await names({ name: "ACME" }), ["acme_east", "Acme West"]);
    deepEqual(await names({ name: "_" }), ["acme_east"]);
    deepEqual(await names({ name: "%" }), ["100% up"]);
    deepEqual(await names({ name: "方" }), ["北方"]);
    deepEqual(await names({ name: "\\" }), []);
    deepEqual(await names({ type: "gemini" }), ["北方"]);
    deepEqual(await names({ type: "gemini", name: "acme" }), []);
    deepEqual(await names({ name: "x".repeat(100_000) }), []);
  }));

Deno.test("providers.update() replaces every field and sets the time", () => {
  let now = NOW_MS;
  return withStore({ now: () => now }, async (store) => {
    const { id, createdAt } = await store.providers.create(
      provider({ proxy: "http://127.0.0.1:1", console: "x" }),
    );
    now += 1000;
    const updated = await store.providers.update(id, provider({ name: "renamed" }));
    deepEqual([updated?.name, updated?.proxy, updated?.console], ["renamed", "", ""]);
    deepEqual([updated?.createdAt, updated?.updatedAt], [createdAt, "2026-05-20T12:00:01.06Z"]);
    equal(await store.providers.update(99, provider()), null);
  });
});

Deno.test("providers.setEnabled() is the operator's switch, which update() leaves alone", () =>
  withStore({}, async (store) => {
    const { id } = await store.providers.create(provider());
    equal((await store.providers.setEnabled(id, false))?.enabled, false);
    equal((await store.providers.update(id, provider()))?.enabled, false);
    equal((await store.providers.setEnabled(id, true))?.enabled, true);
    equal(await store.providers.setEnabled(99, true), null);
  }));

Deno.test("names are unique among live providers, also when they are taken at the same time", () =>
  withStore({}, async (store) => {
    const ends = await Promise.allSettled([1, 2, 3].map(() => store.providers.create(provider())));
    deepEqual(ends.map(({ status }) => status), ["fulfilled", "rejected", "rejected"]);
    equal(ends.every((end) => end.status === "fulfilled" || end.reason instanceof NameTaken), true);

    const other = await store.providers.create(provider({ name: "other" }));
    await rejects(store.providers.update(other.id, provider()), NameTaken);
    equal((await store.providers.update(other.id, provider({ name: "other" })))?.id, other.id);
    await store.providers.remove([1]);
    equal((await store.providers.create(provider())).name, "acme");
  }));

Deno.test("providers.remove() takes the associations along and answers the ids that were live", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      const { id: modelId } = await store.models.create(model());
      const kept = await store.providers.create(provider({ name: "kept" }));
      const gone = await store.providers.create(provider({ name: "gone" }));
      await store.associations.create(association({ modelId, providerId: kept.id }));
      await store.associations.create(association({ modelId, providerId: gone.id }));

      deepEqual(await store.providers.remove([99, gone.id, gone.id]), [gone.id]);
      deepEqual(await store.providers.remove([gone.id]), []);
      equal(await store.providers.get(gone.id), null);
      deepEqual((await store.associations.ofModel(modelId)).map(({ providerId }) => providerId), [kept.id]);
      equal((await store.routing()).associations.length, 1);
    });
    // Soft-deleted: still in the file.
    equal(sql(path, (database) => database.prepare("SELECT count(*) AS n FROM providers").get()?.["n"]), 2);
  }));

Deno.test("providers.remove() takes any number of ids", () =>
  withStore({}, async (store) => {
    const { id } = await store.providers.create(provider());
    deepEqual(await store.providers.remove(Array.from({ length: 40_000 }, (_, index) => index)), [id]);
    deepEqual(await store.providers.remove([]), []);
  }));

Deno.test("one odd row does not break a list", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      const { id } = await store.providers.create(provider());
      sql(path, (database) =>
        database.exec(`
          INSERT INTO providers (created_at, name, type, config, enabled)
            VALUES ('yesterday', 5, x'ff41', NULL, 'false'), (17, NULL, NULL, NULL, NULL);
          INSERT INTO models (name, max_retry, time_out, breaker)
            VALUES ('m', 'many', 9223372036854775807, 'TRUE');
          INSERT INTO model_with_providers (model_id, provider_id, customer_headers, extra_body, weight, input_price, status)
            VALUES (1, ${id}, '[1]', '{"a":', '7', 'free', ''), (1, ${id}, '{"n":1,"o":{}}', 'null', 2.9, '2.5', '0');
          INSERT INTO chat_logs (name, prompt_tokens_details, proxy_time, tps, size, auth_key_id)
            VALUES ('m', '{"cached_tokens":"x"}', 9223372036854775807, 'fast', '12', 'none');
        `));
      const { providers, models, associations } = await store.routing();
      deepEqual(providers.map(({ name, enabled }) => [name, enabled]), [["", true], ["5", false], [
        "acme",
        true,
      ]]);
      deepEqual(models.map(({ maxRetry, breaker }) => [maxRetry, breaker]), [[0, true]]);
      deepEqual(
        associations.map((
          row,
        ) => [row.customerHeaders, row.extraBody, row.weight, row.inputPrice, row.status]),
        [[null, null, 7, null, null], [{ n: "1" }, null, 2, 2.5, false]],
      );
      const { rows } = await store.logs.page({}, { page: 1, pageSize: 20 });
      deepEqual(rows.map((row) => [row.cachedTokens, row.tps, row.size, row.keyName]), [[0, 0, 12, "admin"]]);
    });
  }));
