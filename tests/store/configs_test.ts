import { deepEqual, equal } from "node:assert/strict";
import { openStore } from "../../src/store/open.ts";

Deno.test("configs.get() answers what configs.set() has stored last, and null for the rest", async () => {
  const store = await openStore({ path: ":memory:", timeZone: "UTC" });
  try {
    equal(await store.configs.get("a"), null);
    deepEqual(await store.configs.set("a", "1"), { key: "a", value: "1" });
    await store.configs.set("b", "{}");
    await store.configs.set("a", "2 é");
    deepEqual(await store.configs.get("a"), { key: "a", value: "2 é" });
    deepEqual(await store.configs.get("b"), { key: "b", value: "{}" });
    equal(await store.configs.get("A"), null);
  } finally {
    await store.close();
  }
});

Deno.test("routing() reads the setting of the service that counts tokens", async () => {
  const store = await openStore({ path: ":memory:", timeZone: "UTC" });
  try {
    equal((await store.routing()).countTokens, "");
    await store.configs.set("anthropic_count_tokens", "{}");
    equal((await store.routing()).countTokens, "{}");
  } finally {
    await store.close();
  }
});
