/** Rules of the audit log: what a change through the admin API leaves in it. @module */
import assert from "node:assert/strict";
import { AUDIT_KEPT_MS, AuditPruner } from "../../src/admin/audit_retention.ts";
import type { AdminDependencies } from "../../src/admin/context.ts";
import type { AuditRetention } from "../../src/store/audit.ts";
import { openStore } from "../../src/store/open.ts";
import { log } from "../store/fixtures.ts";
import { type Admin, PROVIDER, seed, startAdmin, TOKEN } from "./harness.ts";
import { startLive } from "./live_harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);

interface Entry {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  readonly remote_ip: string;
  readonly action: string;
  readonly resource: string;
  readonly resource_id: string;
  readonly resource_name: string;
  readonly changes: Record<string, [unknown, unknown]>;
}

/** The rows, newest first. */
async function entries(admin: Admin, query = ""): Promise<Entry[]> {
  return (await admin.call("GET", `/audit?page_size=100${query}`)).data.data;
}

async function newest(admin: Admin): Promise<Entry> {
  const [entry] = await entries(admin);
  assert.ok(entry, "the audit log is empty");
  return entry;
}

/** What was done to what, oldest first. */
async function deeds(admin: Admin): Promise<string[]> {
  return (await entries(admin)).map((row) => `${row.action} ${row.resource_id} ${row.resource_name}`.trim())
    .reverse();
}

Deno.test("every route that is no GET says what it leaves in the audit log, or that it changes nothing", async () => {
  await using admin = await startAdmin();
  const document = JSON.parse((await admin.call("GET", "/openapi.json")).text);
  const silent: string[] = [];
  let audited = 0;
  for (const [path, item] of Object.entries<Record<string, Record<string, unknown>>>(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (method === "get") continue;
      const changesNothing = operation["x-scope"] === "read";
      if (operation["x-audit"] !== undefined) audited++;
      // Never both: what scope `read` may do is not a change.
      if (changesNothing === (operation["x-audit"] !== undefined)) silent.push(`${method} ${path}`);
    }
  }
  assert.deepEqual(silent, []);
  assert.ok(audited > 20, `only ${audited} routes are audited`);
});

Deno.test("a creation tells all fields, a change those that differ, a deletion all again", async () => {
  await using admin = await startAdmin({ now: () => NOW, addressOf: () => "192.0.2.7" });
  await admin.call("POST", "/models", { name: "m", max_retry: 3, remark: "" });
  const fields = {
    Name: "m",
    Remark: "",
    MaxRetry: 3,
    TimeOut: 60,
    Strategy: "lottery",
    Breaker: false,
    DisplayOrder: 1,
    FirstTokenTimeout: 0,
  };
  assert.deepEqual(await newest(admin), {
    id: 1,
    at: new Date(NOW).toISOString(),
    actor: "admin",
    remote_ip: "192.0.2.7",
    action: "model.create",
    resource: "model",
    resource_id: "1",
    resource_name: "m",
    changes: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, [null, value]])),
  });
  await admin.call("PUT", "/models/1", { name: "n", max_retry: 3, breaker: true });
  const changed = await newest(admin);
  assert.deepEqual([changed.action, changed.resource_id, changed.resource_name], ["model.update", "1", "n"]);
  assert.deepEqual(changed.changes, { Name: ["m", "n"], Breaker: [false, true] });
  await admin.call("DELETE", "/models/1");
  const deleted = await newest(admin);
  assert.deepEqual([deleted.action, deleted.resource_name], ["model.delete", "n"]);
  assert.deepEqual(deleted.changes["MaxRetry"], [3, null]);
});

Deno.test("what fails, and what changes nothing, leaves no row", async () => {
  await using admin = await startAdmin();
  await seed(admin);
  const before = (await entries(admin)).length;
  const calls: [method: string, path: string, body: unknown, status: number][] = [
    ["POST", "/models", { name: "gpt-4o" }, 409],
    ["POST", "/models", { nome: "x" }, 400],
    ["PUT", "/models/1", { max_retry: -1 }, 400],
    ["PUT", "/models/9", { max_retry: 1 }, 404],
    ["PUT", "/models/x", { max_retry: 1 }, 400],
    ["DELETE", "/models/9", undefined, 404],
    ["POST", "/model-providers", { model_id: 9, provider_id: 1, provider_name: "p" }, 422],
    ["POST", "/providers/1/keys", { key: "" }, 400],
    ["PATCH", "/providers/9/keys/x", { weight: 1 }, 404],
    ["DELETE", "/providers/1/keys/nobody", undefined, 404],
    ["PATCH", "/models/order", { model_ids: [9] }, 400],
    ["POST", "/logs/cleanup", { type: "days", value: 0 }, 400],
    ["PUT", "/config/x", { value: "" }, 400],
    ["PUT", "/models/1", { name: "gpt-4o" }, 200],
    ["PUT", "/models/1", {}, 200],
    ["PATCH", "/providers/1/status", { status: true }, 200],
    ["PATCH", "/models/order", { model_ids: [1] }, 200],
    ["PUT", "/health-check/config", {}, 200],
    ["POST", "/explain", { model: "nobody" }, 404],
    ["GET", "/models", undefined, 200],
  ];
  for (const [method, path, body, status] of calls) {
    const answer = await admin.call(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    const [last, ...others] = await entries(admin);
    assert.equal(others.length + 1, before, `${method} ${path} left ${JSON.stringify(last)}`);
  }
});

Deno.test("every kind of change is told, with what it was done to", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  await admin.store.logs.write({ inserts: [log()], updates: [] });
  await seed(admin);
  const key =
    (await admin.call("POST", "/providers/1/keys", { key: "sk-second-canary-1", name: "two" })).data;
  await admin.call("POST", "/models", { name: "m" });
  const calls: [method: string, path: string, body?: unknown][] = [
    ["PUT", "/providers/1", { name: "Acme" }],
    ["PATCH", "/providers/1/status", { status: false }],
    ["PATCH", `/providers/1/keys/${key.id}`, { weight: 7 }],
    ["DELETE", `/providers/1/keys/${key.id}`],
    ["PUT", "/model-providers/1", { weight: 9 }],
    ["PATCH", "/model-providers/1/status", { status: false }],
    ["PATCH", "/models/order", { model_ids: [1, 2] }],
    ["PUT", "/config/ui_theme", { value: "dark" }],
    ["PUT", "/health-check/config", { interval_minutes: 7 }],
    ["POST", "/logs/cleanup", { type: "count", value: 5 }],
    ["DELETE", "/logs/clear?days=0"],
    ["DELETE", "/model-providers/1"],
    ["POST", "/models/batch-delete", { ids: [1, 2] }],
    ["DELETE", "/providers/1"],
  ];
  for (const [method, path, body] of calls) {
    const answer = await admin.call(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`);
  }
  assert.deepEqual(await deeds(admin), [
    "provider.create 1 Acme West",
    "model.create 1 gpt-4o",
    "association.create 1 gpt-4o-2024-08-06",
    "provider.add_key 1 Acme West",
    "model.create 2 m",
    "provider.update 1 Acme",
    "provider.switch 1 Acme",
    "provider.update_key 1 Acme",
    "provider.remove_key 1 Acme",
    "association.update 1 gpt-4o-2024-08-06",
    "association.switch 1 gpt-4o-2024-08-06",
    "model.reorder",
    "setting.update ui_theme ui_theme",
    "health_config.update",
    "log.clean",
    "log.clear",
    "association.delete 1 gpt-4o-2024-08-06",
    "model.delete 2,1 m,gpt-4o",
    "provider.delete 1 Acme",
  ]);
  const changesOf = async (action: string) => (await entries(admin, `&action=${action}`))[0]?.changes;
  assert.deepEqual(await changesOf("provider.switch"), { Enabled: [true, false] });
  assert.deepEqual(await changesOf("association.update"), { Weight: [1, 9] });
  assert.deepEqual(await changesOf("model.reorder"), { Order: [["m", "gpt-4o"], ["gpt-4o", "m"]] });
  assert.deepEqual(await changesOf("setting.update"), { value: [null, "dark"] });
  assert.deepEqual((await changesOf("health_config.update"))?.["interval_minutes"], [5, 7]);
  assert.deepEqual(await changesOf("log.clean"), {
    type: [null, "count"],
    value: [null, 5],
    deleted_count: [null, 0],
  });
  assert.deepEqual((await changesOf("log.clear"))?.["deleted_count"], [null, 1]);
  const [before, after] = (await changesOf("provider.update_key"))?.["keys"] as [object[], object[]];
  assert.deepEqual(before[1], { id: key.id, name: "two", mask: key.mask, weight: 1, enabled: true });
  assert.deepEqual(after[1], { id: key.id, name: "two", mask: key.mask, weight: 7, enabled: true });
});

Deno.test("the reset of a key tells what was forgotten, and nothing when nothing was", async () => {
  await using admin = await startLive();
  const { id } = await seed(admin);
  const [key] = (await admin.call("GET", "/providers/1/keys")).data;
  await admin.call("POST", `/providers/1/keys/${key.id}/reset`);
  assert.equal((await newest(admin)).action, "association.create");
  admin.attempt(id, 0, "credential", "refused");
  assert.equal((await admin.call("POST", `/providers/1/keys/${key.id}/reset`)).status, 200);
  const entry = await newest(admin);
  assert.deepEqual([entry.action, entry.resource_id], ["provider.reset_key", "1"]);
  assert.equal(entry.resource_name, `Acme West, key ${key.id}`);
  assert.deepEqual(entry.changes["status"], ["bad", "usable"]);
});

Deno.test("an import tells each row that it touched", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  await seed(admin);
  const document = JSON.parse((await admin.call("GET", "/config/export")).text);
  document.models[0].MaxRetry = 4;
  document.models.push({ ...document.models[0], ID: 99, Name: "new" });
  const answer = await admin.call("POST", "/config/import?mode=update", document);
  assert.equal(answer.status, 200, answer.text);
  const entry = await newest(admin);
  assert.deepEqual([entry.action, entry.resource_id], ["config.import", "model/1,model/2"]);
  assert.deepEqual(entry.changes["model/1 gpt-4o"], [{ MaxRetry: 10 }, { MaxRetry: 4 }]);
  const [none, created] = entry.changes["model/2 new"] ?? [];
  assert.deepEqual([none, (created as { Name: string }).Name], [null, "new"]);
});

Deno.test("secrets are told as masks, and a new one that looks the same is told as changed", async () => {
  await using admin = await startAdmin();
  const config = (secret: string, more = "") => `{"base_url":"http://h/v1","api_key":"${secret}"${more}}`;
  const secrets = ["sk-QKZVBWXJ-first-1111", "sk-HGTRPLMN-other-1111", "sk-YUDCSEFA-third-2222"] as const;
  await admin.call("POST", "/providers", { ...PROVIDER, config: config(secrets[0]), proxy: "" });
  await admin.call("PUT", "/providers/1", { config: config(secrets[1]) });
  assert.deepEqual((await newest(admin)).changes, { Config: ["(secret)", "(changed secret)"] });
  await admin.call("PUT", "/providers/1", { config: config(secrets[2]) });
  assert.deepEqual((await newest(admin)).changes, { Config: [config("****1111"), config("****2222")] });
  await admin.call("PUT", "/providers/1", { config: config("sk-WERTSDFG-again-2222", ',"version":"2"') });
  assert.deepEqual((await newest(admin)).changes, {
    Config: [config("****2222"), config("****2222", ',"version":"2"')],
    "Config (secret)": ["(secret)", "(changed secret)"],
  });
  await admin.call("PUT", "/providers/1", { proxy: "http://user:ZXCVASDF-pass@p:1" });
  await admin.call("PUT", "/providers/1", { proxy: "http://user:MNBVLKJH-pass@p:1" });
  assert.deepEqual(Object.keys((await newest(admin)).changes), ["Proxy"]);
  await admin.call("POST", "/models", { name: "m" });
  await admin.call("POST", "/model-providers", { model_id: 1, provider_id: 1, provider_name: "p" });
  for (const header of ["Bearer POIUYTRE-a-3333", "Bearer LKJHGFDS-b-3333"]) {
    await admin.call("PUT", "/model-providers/1", {
      customer_headers: { Authorization: header, "X-Team": "a" },
    });
  }
  assert.deepEqual((await newest(admin)).changes, { CustomerHeaders: ["(secret)", "(changed secret)"] });
  await admin.call("PUT", "/config/anthropic_count_tokens", { value: config("sk-ASDFQWER-count-4444") });
  await admin.call("POST", "/admin-tokens", { name: "ci", scope: "read" });
  const { text } = await admin.call("GET", "/audit?page_size=100");
  const canaries = "QKZVBWXJ HGTRPLMN YUDCSEFA WERTSDFG ZXCVASDF MNBVLKJH POIUYTRE LKJHGFDS ASDFQWER".split(
    " ",
  );
  for (const canary of [...canaries, TOKEN]) assert.ok(!text.includes(canary), canary);
  assert.doesNotMatch(text, /llmio-admin-[0-9a-zA-Z]{36}/);
});

Deno.test("a value that is very long is told by its beginning", async () => {
  await using admin = await startAdmin();
  await admin.call("PUT", "/config/notes", { value: "é".repeat(50_000) });
  const [, after] = (await newest(admin)).changes["value"] ?? [];
  assert.match(String(after), /^é{4000}… \(50000 characters\)$/);
});

Deno.test("changes at the same time are told one after another, each with its own differences", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", { name: "m" });
  await Promise.all([3, 4, 5, 6, 7].map((max_retry) => admin.call("PUT", "/models/1", { max_retry })));
  const steps = (await entries(admin, "&action=model.update")).reverse()
    .map(({ changes }) => changes["MaxRetry"] ?? []);
  assert.equal(steps.length, 5);
  let current: unknown = 10;
  for (const [before, after] of steps) {
    assert.equal(before, current);
    current = after;
  }
  assert.equal((await admin.call("GET", "/models")).data[0].MaxRetry, current);
});

Deno.test("a client who sends its body slowly keeps no other change waiting", async () => {
  await using admin = await startAdmin();
  const slow = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(stream) {
      await slow.promise;
      stream.enqueue(new TextEncoder().encode('{"name":"slow"}'));
      stream.close();
    },
  });
  const headers = { authorization: `Bearer ${TOKEN}`, "content-length": "15" };
  // If the others did wait, the slow one would be the first.
  const patience = setTimeout(slow.resolve, 10_000);
  const waiting = admin.send("/api/models", { method: "POST", headers, body });
  assert.equal((await admin.call("POST", "/models", { name: "quick" })).status, 200);
  clearTimeout(patience);
  slow.resolve();
  assert.equal((await waiting).status, 200);
  assert.deepEqual(await deeds(admin), ["model.create 1 quick", "model.create 2 slow"]);
});

Deno.test("a change that is stored but not in force is told, although its caller is told of a failure", async () => {
  let fails = false;
  await using admin = await startAdmin({
    onRoutingChange: () => fails ? Promise.reject(new Error("no")) : Promise.resolve(),
  });
  await admin.call("POST", "/models", { name: "m" });
  fails = true;
  assert.equal((await admin.call("POST", "/models", { name: "n" })).status, 500);
  assert.equal((await admin.call("PUT", "/models/1", { max_retry: 3 })).status, 500);
  assert.deepEqual(await deeds(admin), ["model.create 1 m", "model.create 2 n", "model.update 1 m"]);
});

Deno.test("a change whose record cannot be written is answered like any other", async () => {
  await using base = await startAdmin();
  const { store } = base;
  const add = () => Promise.reject(new Error("disk full"));
  const broken = await startAdmin({ store: { ...store, audit: { ...store.audit, add } } });
  const answer = await broken.call("POST", "/models", { name: "m" });
  assert.deepEqual([answer.status, answer.data.Name], [200, "m"]);
  assert.deepEqual(await entries(base), []);
});

Deno.test("a change is in the file before it is answered", async () => {
  const folder = await Deno.makeTempDir({ prefix: "llmio-audit-" });
  try {
    const store = await openStore({ path: `${folder}/llmio.db`, timeZone: "UTC" });
    const order: string[] = [];
    const watched: AdminDependencies["store"] = {
      ...store,
      audit: {
        ...store.audit,
        add: async (entry) => {
          await store.audit.add(entry);
          order.push("stored");
        },
      },
    };
    await using admin = await startAdmin({ store: watched });
    await admin.call("POST", "/models", { name: "m" });
    order.push("answered");
    assert.deepEqual(order, ["stored", "answered"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("GET /api/audit pages newest first and filters", async () => {
  let now = NOW;
  await using admin = await startAdmin({ now: () => now });
  await seed(admin);
  now += 60_000;
  await admin.call("PUT", "/models/1", { max_retry: 3 });
  const { data: token } = await admin.call("POST", "/admin-tokens", { name: "ci", scope: "write" });
  const headers = { authorization: `Bearer ${token.Token}` };
  await admin.send("/api/models/1", { method: "DELETE", headers });
  const ids = async (query: string) => (await entries(admin, query)).map(({ id }) => id);
  assert.deepEqual(await ids(""), [6, 5, 4, 3, 2, 1]);
  assert.deepEqual(await ids("&actor=ci"), [6]);
  assert.deepEqual(await ids("&resource=model"), [6, 4, 2]);
  assert.deepEqual(await ids("&resource=model&resource_id=1&action=model.update"), [4]);
  assert.deepEqual(await ids(`&from=${NOW + 1}`), [6, 5, 4]);
  assert.deepEqual(await ids(`&to=${new Date(NOW + 1).toISOString()}`), [3, 2, 1]);
  assert.deepEqual(await ids("&before_id=3"), [2, 1]);
  const { data } = await admin.call("GET", "/audit?page=2&page_size=4");
  assert.deepEqual([data.total, data.page, data.page_size, data.pages], [6, 2, 4, 2]);
  assert.deepEqual(data.data.map(({ id }: Entry) => id), [2, 1]);
  for (const query of ["from=yesterday", "to=2026-05-20", "before_id=x", "page=0", "page_size=101"]) {
    assert.equal((await admin.call("GET", `/audit?${query}`)).status, 400, query);
  }
});

Deno.test("AuditPruner lets rows of more than 400 days go, and goes on until none is left", async () => {
  await using admin = await startAdmin();
  const days = [401, 400.5, 399, 0];
  for (const age of days) {
    await admin.store.audit.add({
      atMs: NOW - age * 86_400_000,
      actor: "admin",
      remoteIp: "",
      action: "model.update",
      resource: "model",
      resourceId: String(age),
      resourceName: "",
      changes: {},
    });
  }
  const asked: AuditRetention[] = [];
  const prune = (retention: AuditRetention) => {
    asked.push(retention);
    return admin.store.audit.prune({ ...retention, limit: 1 });
  };
  await new AuditPruner({ prune }, () => NOW).tick();
  assert.deepEqual((await entries(admin)).map((row) => row.resource_id), ["0", "399"]);
  assert.deepEqual(asked[0], { beforeMs: NOW - AUDIT_KEPT_MS, keep: 100_000, limit: 500 });
  assert.equal(asked.length, 3);
});

Deno.test("AuditPruner never rejects, and stops where it is", async () => {
  const failing = new AuditPruner({ prune: () => Promise.reject(new Error("locked")) }, () => NOW);
  await failing.tick();
  let steps = 0;
  const endless = new AuditPruner({ prune: () => Promise.resolve(++steps) }, () => NOW);
  void endless.tick();
  await endless.stop();
  const after = steps;
  await endless.tick();
  assert.equal(steps, after);
});
