/** No secret can be read through the admin API. @module */
import assert from "node:assert/strict";
import { type Admin, seed, startAdmin, TOKEN } from "./harness.ts";

const CANARIES = {
  single: "sk-QKZVBWXJ-single-1111",
  pool: "sk-HGTRPLMN-pooled-2222",
  named: "sk-YUDCSEFA-named-3333",
  proxy: "ZXCVASDF-proxy-4444",
  header: "Bearer MNBVLKJH-header-5555",
  query: "POIUYTRE-query-6666",
  old: "sk-WERTSDFG-legacy-7777",
};

/** Every form in which a canary could show: any eight characters of it, plain or in base64. */
function traces(secret: string): string[] {
  const encoded = btoa(secret);
  const slices = (text: string) => Array.from({ length: text.length - 7 }, (_, i) => text.slice(i, i + 8));
  return [...slices(secret), ...slices(encoded)];
}

async function plant(admin: Admin): Promise<void> {
  const { id } = await seed(admin);
  const config = JSON.stringify({
    base_url: `http://h/v1?key=${CANARIES.query}`,
    api_key: CANARIES.single,
    api_keys: [CANARIES.pool, { key: CANARIES.named, name: "main", weight: 2 }],
    original_api_key: CANARIES.old,
  });
  const proxy = `http://user:${CANARIES.proxy}@proxy:1`;
  await admin.call("POST", "/providers", { name: "planted", type: "openai", config, proxy });
  await admin.call("PUT", `/model-providers/${id}`, { customer_headers: { Authorization: CANARIES.header } });
  const broken = `{"api_key":"${CANARIES.old}"`;
  await admin.store.providers.create({
    name: "broken",
    type: "azure",
    config: broken,
    console: "",
    proxy: `user:${CANARIES.proxy}@p:1`,
    errorMatcher: "",
  });
}

Deno.test("no answer of any route holds a canary, in any spelling, with or without the token", async () => {
  await using admin = await startAdmin({
    listModels: ({ config, proxy }) => Promise.reject(new Error(`refused ${config} by ${proxy}`)),
  });
  await plant(admin);
  const forbidden = [...Object.values(CANARIES), TOKEN].flatMap(traces);
  const bodies = [
    undefined,
    {},
    { name: "planted" },
    { config: '{"api_key":"****0000"}' },
    { status: true },
    { x: 1 },
  ];
  for (const { method, path } of admin.routes) {
    for (const id of method === "DELETE" ? ["77", "x"] : ["1", "2", "3", "77", "x"]) {
      for (const body of method === "GET" ? [undefined] : bodies) {
        const below = path.replace("/api", "").replace(":id", id);
        const query = method === "GET" ? "?model_id=1&provider_id=2&model_name=a&provider_model=b" : "";
        const answers = [
          await admin.call(method, below + query, body),
          await admin.send(path.replace(":id", id), { method }),
        ];
        for (const answer of answers) {
          const shown = answer.text + JSON.stringify([...answer.headers]);
          for (const trace of forbidden) {
            assert.ok(!shown.includes(trace), `${method} ${path} shows ${trace}`);
          }
        }
      }
    }
  }
});

Deno.test("after all that reading, the stored secrets are still the real ones", async () => {
  await using admin = await startAdmin();
  await plant(admin);
  const { data } = await admin.call("GET", "/providers?name=planted");
  const [row] = data;
  await admin.call("PUT", `/providers/${row.ID}`, row);
  await admin.call("PUT", `/providers/${row.ID}`, {
    ...row,
    Name: "renamed",
    Config: row.Config.replace("{", "{ "),
  });
  const stored = await admin.store.providers.get(row.ID);
  const config = JSON.parse(stored?.config ?? "");
  assert.equal(stored?.name, "renamed");
  assert.deepEqual(config, {
    base_url: `http://h/v1?key=${CANARIES.query}`,
    api_key: CANARIES.single,
    api_keys: [CANARIES.pool, { key: CANARIES.named, name: "main", weight: 2 }],
    original_api_key: CANARIES.old,
  });
  assert.equal(stored?.proxy, `http://user:${CANARIES.proxy}@proxy:1`);
});
