import assert from "node:assert/strict";
import { startAdmin } from "./harness.ts";

const SERVICE =
  '{"base_url":"https://count.example/v1","api_key":"sk-canary-0123456789","version":"2023-06-01"}';
const PATH = "/config/anthropic_count_tokens";

Deno.test("GET /api/config/:key answers an empty value for what is not stored", async () => {
  await using admin = await startAdmin();
  const answer = await admin.call("GET", "/config/nothing");
  assert.deepEqual([answer.status, answer.data], [200, { key: "nothing", value: "" }]);
});

Deno.test("PUT /api/config/:key stores any text under any key, and puts it in force", async () => {
  await using admin = await startAdmin();
  for (const value of ['{"enabled":true,"retention_days":14}', "plain", "[1]"]) {
    const put = await admin.call("PUT", "/config/log_cleanup_policy", { value });
    assert.deepEqual(put.data, { key: "log_cleanup_policy", value });
    assert.deepEqual((await admin.call("GET", "/config/log_cleanup_policy")).data, put.data);
  }
  assert.equal(admin.reloads(), 3);
});

Deno.test("PUT /api/config/:key takes a row back as it was read and refuses what is no value", async () => {
  await using admin = await startAdmin();
  assert.equal((await admin.call("PUT", "/config/a", { key: "a", value: "1" })).status, 200);
  for (const body of [{}, { value: "" }, { value: 7 }, { value: "a\0b" }, { value: "x", other: 1 }]) {
    const answer = await admin.call("PUT", "/config/a", body);
    assert.deepEqual([answer.status, answer.code], [400, 400], JSON.stringify(body));
    assert.match(answer.message, /value|other/);
  }
});

Deno.test("/api/config/:key shows the key of the counting service masked, and a mask sent back keeps it", async () => {
  await using admin = await startAdmin();
  const put = await admin.call("PUT", PATH, { value: SERVICE });
  const read = await admin.call("GET", PATH);
  assert.ok(!put.text.includes("canary") && !read.text.includes("canary"));
  assert.deepEqual(read.data, put.data);

  const changed = { ...JSON.parse(read.data.value), version: "2029-01-01" };
  await admin.call("PUT", PATH, { value: JSON.stringify(changed) });
  const stored = JSON.parse((await admin.store.configs.get("anthropic_count_tokens"))?.value ?? "");
  assert.deepEqual([stored.api_key, stored.version], ["sk-canary-0123456789", "2029-01-01"]);

  await admin.call("PUT", PATH, { value: '{"base_url":"https://count.example/v1"}' });
  assert.match((await admin.store.configs.get("anthropic_count_tokens"))?.value ?? "", /canary/);
  await admin.call("PUT", PATH, { value: '{"base_url":"https://count.example/v1","api_key":""}' });
  assert.doesNotMatch((await admin.store.configs.get("anthropic_count_tokens"))?.value ?? "", /canary/);
});

Deno.test("/api/config/:key masks secrets under every key", async () => {
  await using admin = await startAdmin();
  await admin.call("PUT", "/config/of_a_script", { value: '{"token":"canary-token-0123456789"}' });
  assert.doesNotMatch((await admin.call("GET", "/config/of_a_script")).text, /canary/);
});

Deno.test("PUT /api/config/anthropic_count_tokens refuses a service that cannot be called; without a URL it is off", async () => {
  await using admin = await startAdmin();
  const bad = [
    "text",
    "[]",
    '{"base_url":"ftp://x"}',
    '{"base_url":"https://a.example","api_key":"****ab12"}',
  ];
  for (const value of bad) {
    const answer = await admin.call("PUT", PATH, { value });
    assert.equal(answer.status, 400, value);
    assert.match(answer.message, /^Invalid request body: /);
  }
  assert.equal((await admin.call("PUT", PATH, { value: '{"base_url":""}' })).status, 200);
  const spelled = await admin.call("PUT", PATH, { value: '{"base_url":"https://count.example/"}' });
  assert.equal(JSON.parse(spelled.data.value).base_url, "https://count.example/v1");
});

Deno.test("/api/config/anthropic_count_tokens hides what an older program has stored unreadable, and keeps it", async () => {
  await using admin = await startAdmin();
  const odd = '{"api_key":"sk-canary-0123456789"';
  await admin.store.configs.set("anthropic_count_tokens", odd);
  const { text, data } = await admin.call("GET", PATH);
  assert.doesNotMatch(text, /canary/);
  assert.equal((await admin.call("PUT", PATH, data)).status, 200);
  assert.equal((await admin.store.configs.get("anthropic_count_tokens"))?.value, odd);
});
