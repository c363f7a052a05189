import { deepEqual, equal } from "node:assert/strict";
import type { StateChange, StoredAssociation, StoredKey } from "../../src/store/live_state.ts";
import { inFolder, NOW_MS, openOnce, sql, withStore } from "./fixtures.ts";

const HOUR = 60 * 60_000;

function key(fields: Partial<StoredKey> = {}): StoredKey {
  return {
    providerId: 1,
    keyId: "0123456789abcdef",
    cooldown: null,
    badUntil: null,
    badSince: null,
    refusals: 0,
    errorCount: 0,
    lastError: null,
    lastUsedAt: null,
    useCount: 0,
    ...fields,
  };
}

function association(fields: Partial<StoredAssociation> = {}): StoredAssociation {
  return {
    associationId: 1,
    providerId: 1,
    cooldown: null,
    breaker: { failures: 0, successes: 0, openUntil: null, openedAt: null },
    usedToday: 0,
    ttftMs: null,
    ...fields,
  };
}

function change(fields: Partial<StateChange>): StateChange {
  return { day: "2026-05-20", keys: [], associations: [], goneKeys: [], goneAssociations: [], ...fields };
}

const BAD_KEY = key({
  badUntil: NOW_MS + HOUR,
  badSince: NOW_MS - 5,
  refusals: 2,
  errorCount: 3,
  lastError: "HTTP 401 invalid_api_key",
  lastUsedAt: NOW_MS - 9,
  useCount: 17,
});
const COOLING_KEY = key({ providerId: 2, cooldown: { until: NOW_MS + 7_000, setAt: NOW_MS, hits: 2 } });
const OPEN = association({
  breaker: { failures: 0, successes: 1, openUntil: NOW_MS + 60_000, openedAt: NOW_MS - 1 },
  cooldown: { until: NOW_MS + 300, setAt: NOW_MS, hits: 0 },
  usedToday: 12,
  ttftMs: 812.5,
});

Deno.test("liveState.load() answers what liveState.save() was given, in another run too", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      deepEqual(await store.liveState.load(), { day: "", keys: [], associations: [] });
      await store.liveState.save(change({ keys: [BAD_KEY, COOLING_KEY], associations: [OPEN] }));
    });
    await withStore({ path }, async (store) => {
      const stored = { day: "2026-05-20", keys: [BAD_KEY, COOLING_KEY], associations: [OPEN] };
      deepEqual(await store.liveState.load(), stored);
    });
  }));

Deno.test("liveState.save() replaces rows and drops those that are gone", () =>
  withStore({}, async (store) => {
    await store.liveState.save(change({
      keys: [BAD_KEY, COOLING_KEY],
      associations: [OPEN, association({ associationId: 2 })],
    }));
    await store.liveState.save(change({
      keys: [key({ useCount: 18 })],
      associations: [association({ usedToday: 13 })],
      goneKeys: [COOLING_KEY, key({ providerId: 9 })],
      goneAssociations: [2, 9],
    }));
    const { keys, associations } = await store.liveState.load();
    deepEqual(keys, [key({ useCount: 18 })]);
    deepEqual(associations, [association({ usedToday: 13 })]);
  }));

Deno.test("liveState.load() counts only the attempts of the latest day", () =>
  withStore({}, async (store) => {
    const rows = [association({ usedToday: 5 }), association({ associationId: 2, usedToday: 6 })];
    await store.liveState.save(change({ day: "2026-05-19", associations: rows }));
    await store.liveState.save(change({ associations: rows.slice(1) }));
    const { day, associations } = await store.liveState.load();
    equal(day, "2026-05-20");
    deepEqual(associations.map(({ usedToday }) => usedToday), [0, 6]);
  }));

Deno.test("liveState.load() makes damaged rows plausible instead of failing", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    sql(path, (database) =>
      database.exec(`
        INSERT INTO provider_keys VALUES
          (1, '', NULL, NULL, 0, 9223372036854775807, 9223372036854775807, -3, -1, '', 9223372036854775807, 9223372036854775807),
          (1, 'a', 9223372036854775807, NULL, -1, NULL, 5, 0, 0, NULL, -5, 0);
        INSERT INTO association_states VALUES
          (1, 0, NULL, 7, 1, -1, -1, 9223372036854775807, NULL, -5, '2026-05-20', -9e999),
          (2, -1, NULL, NULL, 0, 0, 0, NULL, 7, 3, 'someday', 9e999);
      `));
    await withStore({ path }, async (store) => {
      const day = 24 * HOUR;
      const { keys, associations } = await store.liveState.load();
      deepEqual(keys, [
        key({
          keyId: "",
          badUntil: NOW_MS + day,
          badSince: NOW_MS,
          lastError: "",
          lastUsedAt: NOW_MS,
          useCount: Number.MAX_SAFE_INTEGER,
        }),
        key({ keyId: "a", cooldown: { until: NOW_MS + day, setAt: 0, hits: 0 }, lastUsedAt: -5 }),
      ]);
      deepEqual(associations, [
        association({
          providerId: 0,
          breaker: { failures: 0, successes: 0, openUntil: NOW_MS + day, openedAt: 0 },
        }),
        association({ associationId: 2, providerId: -1 }),
      ]);
      await store.liveState.save(change({ keys, associations }));
      deepEqual((await store.liveState.load()).keys, keys);
    });
  }));
