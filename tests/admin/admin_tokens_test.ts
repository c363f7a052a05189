/** Rules of named admin tokens: their routes, and what they open. @module */
import assert from "node:assert/strict";
import { adminToken } from "../../src/access/admin_token.ts";
import { TestGateway, TOKEN as GATEWAY_TOKEN } from "../integration/test_gateway.ts";
import { type Admin, type Answer, startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const DAY_MS = 86_400_000;

const bearer = (token: string) => ({ authorization: `Bearer ${token}`, host: "localhost" });

/** Sends a request with another token. */
function callAs(admin: Admin, token: string, method: string, path: string, body?: unknown): Promise<Answer> {
  return admin.send(`/api${path}`, {
    method,
    headers: bearer(token),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Makes a token and answers it. */
async function issued(admin: Admin, fields: Record<string, unknown>): Promise<string> {
  const answer = await admin.call("POST", "/admin-tokens", { scope: "read", ...fields });
  assert.equal(answer.status, 200, answer.text);
  return answer.data.Token;
}

/** Every operation as the description of the API has it. */
async function operations(admin: Admin) {
  const document = JSON.parse((await admin.call("GET", "/openapi.json")).text);
  return Object.entries<Record<string, Record<string, unknown>>>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
  );
}

Deno.test("POST /api/admin-tokens answers the token once, and nothing else ever shows it", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  const { data } = await admin.call("POST", "/admin-tokens", {
    name: "ci",
    scope: "write",
    expires_at: "2026-06-01T02:00:00+02:00",
  });
  assert.match(data.Token, /^llmio-admin-[0-9a-zA-Z]{36}$/);
  const row = {
    ID: 1,
    Name: "ci",
    Mask: `llmio-admin-****${data.Token.slice(-4)}`,
    Scope: "write",
    CreatedAt: data.CreatedAt,
    ExpiresAt: "2026-06-01T00:00:00.000Z",
    LastUsedAt: null,
  };
  assert.deepEqual(data, { ...row, Token: data.Token });
  assert.deepEqual((await admin.call("GET", "/admin-tokens")).data, [row]);
  assert.deepEqual((await admin.call("GET", "/admin-tokens/1")).data, row);
  const body = data.Token.slice("llmio-admin-".length, -4);
  for (const path of ["/admin-tokens", "/admin-tokens/1", "/audit"]) {
    assert.ok(!(await admin.call("GET", path)).text.includes(body), path);
  }
  const [stored] = await admin.store.adminTokens.list();
  assert.match(stored?.hash ?? "", /^[0-9a-f]{64}$/);
  assert.ok(!JSON.stringify(stored).includes(body));
});

Deno.test("POST /api/admin-tokens never makes the same token twice, and uses every letter", async () => {
  await using admin = await startAdmin();
  const made = new Set<string>();
  const letters = new Set<string>();
  for (let n = 0; n < 40; n++) {
    const token = await issued(admin, { name: `t${n}` });
    made.add(token);
    for (const letter of token.slice("llmio-admin-".length)) letters.add(letter);
  }
  assert.equal(made.size, 40);
  // A letter is missing from 1440 draws with a chance of 1 in 200 million.
  assert.equal(letters.size, 62);
});

Deno.test("POST and PATCH /api/admin-tokens refuse, and change nothing", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  await issued(admin, { name: "ci" });
  await issued(admin, { name: "other" });
  const cases: [body: Record<string, unknown>, status: number, message: RegExp][] = [
    [{ name: "ci" }, 409, /exists already/],
    [{ name: "admin" }, 400, /name must not be one of admin, local, system/],
    [{ name: " Local " }, 400, /name must not be one of/],
    [{ name: "system" }, 400, /name must not be one of/],
    [{ name: "" }, 400, /name must not be empty/],
    [{ name: "a\nb" }, 400, /name must not contain control characters/],
    [{ scope: "admin" }, 400, /scope must be "read" or "write"/],
    [{ scope: null }, 400, /scope must be/],
    [{ expires_at: "tomorrow" }, 400, /expires_at must be a time as in RFC 3339/],
    [{ expires_at: "2027-01-01" }, 400, /expires_at must be a time/],
    [{ expires_at: 1_900_000_000_000 }, 400, /expires_at must be a time/],
    [{ expires_at: new Date(NOW).toISOString() }, 400, /expires_at must be a time to come/],
    [{ token: "llmio-admin-mine", hash: "0" }, 400, /unknown field/],
  ];
  const before = (await admin.call("GET", "/admin-tokens")).text;
  for (const [fields, status, message] of cases) {
    for (const [method, path] of [["POST", "/admin-tokens"], ["PATCH", "/admin-tokens/2"]] as const) {
      const body = method === "POST" ? { name: "new", scope: "read", ...fields } : fields;
      const answer = await admin.call(method, path, body);
      assert.equal(answer.status, status, `${method} ${JSON.stringify(fields)}: ${answer.text}`);
      assert.match(answer.message, message);
    }
  }
  assert.equal((await admin.call("POST", "/admin-tokens", { name: "new" })).status, 400);
  assert.equal((await admin.call("GET", "/admin-tokens")).text, before);
});

Deno.test("PATCH /api/admin-tokens/:id takes a row back as it was read, and is in force at once", async () => {
  let now = NOW;
  await using admin = await startAdmin({ now: () => now });
  const token = await issued(admin, { name: "ci", expires_at: new Date(NOW + DAY_MS).toISOString() });
  const { data: row } = await admin.call("GET", "/admin-tokens/1");
  assert.equal((await callAs(admin, token, "POST", "/models", { name: "m" })).status, 403);
  const { data } = await admin.call("PATCH", "/admin-tokens/1", { ...row, Scope: "write" });
  assert.deepEqual(data, { ...row, Scope: "write", LastUsedAt: data.LastUsedAt });
  assert.equal((await callAs(admin, token, "POST", "/models", { name: "m" })).status, 200);
  now = NOW + DAY_MS;
  assert.equal((await callAs(admin, token, "GET", "/models")).message, "Token has expired");
  await admin.call("PATCH", "/admin-tokens/1", { expires_at: null });
  assert.equal((await callAs(admin, token, "GET", "/models")).status, 200);
});

Deno.test("an unknown admin token is a 404", async () => {
  await using admin = await startAdmin();
  for (
    const [method, body] of [["GET", undefined], ["PATCH", { name: "x" }], ["DELETE", undefined]] as const
  ) {
    const answer = await admin.call(method, "/admin-tokens/7", body);
    assert.deepEqual([answer.status, answer.message], [404, "Admin token not found"], method);
  }
});

Deno.test("DELETE /api/admin-tokens/:id is in force at once", async () => {
  await using admin = await startAdmin();
  const token = await issued(admin, { name: "ci" });
  assert.equal((await callAs(admin, token, "GET", "/models")).status, 200);
  assert.equal((await admin.call("DELETE", "/admin-tokens/1")).status, 200);
  assert.equal((await callAs(admin, token, "GET", "/models")).message, "Invalid token");
});

Deno.test("a token with the scope read opens what changes nothing, on every route, and nothing else", async (t) => {
  await using admin = await startAdmin();
  const token = await issued(admin, { name: "ci" });
  const all = await operations(admin);
  assert.ok(all.length > 40, `only ${all.length} operations`);
  const reloads = admin.reloads();
  for (const { method, path, operation } of all) {
    await t.step(`${method} ${path}`, async () => {
      const url = path.replace("/api", "").replaceAll(/\{\w+\}/g, "77");
      const answer = await callAs(admin, token, method, url, method === "GET" ? undefined : {});
      assert.equal(answer.status === 403, operation["x-scope"] === "write", answer.text);
      if (answer.status !== 403) return;
      assert.match(answer.message, /needs the scope "write", and your token has "read"/);
    });
  }
  assert.equal(admin.reloads(), reloads);
  assert.deepEqual((await admin.call("GET", "/audit")).data.total, 1, "only the token itself was made");
});

Deno.test("a token with the scope read may delete itself and no other", async () => {
  await using admin = await startAdmin();
  const one = await issued(admin, { name: "one" });
  const two = await issued(admin, { name: "two" });
  assert.equal((await callAs(admin, one, "DELETE", "/admin-tokens/2")).status, 403);
  assert.equal((await callAs(admin, one, "DELETE", "/admin-tokens/01")).status, 403);
  assert.equal((await callAs(admin, one, "PATCH", "/admin-tokens/1", { scope: "write" })).status, 403);
  assert.equal((await callAs(admin, one, "DELETE", "/admin-tokens/1")).status, 200);
  assert.equal((await callAs(admin, one, "DELETE", "/admin-tokens/1")).status, 401);
  assert.equal((await callAs(admin, two, "GET", "/admin-tokens")).data.length, 1);
  const { data: { data: [last] } } = await admin.call("GET", "/audit");
  assert.deepEqual([last.actor, last.action, last.resource_name], ["one", "admin_token.delete", "one"]);
});

Deno.test("a token with the scope write does what the admin token does, and manages tokens", async () => {
  await using admin = await startAdmin();
  const token = await issued(admin, { name: "ops", scope: "write" });
  assert.equal((await callAs(admin, token, "POST", "/models", { name: "m" })).status, 200);
  const made = await callAs(admin, token, "POST", "/admin-tokens", { name: "next", scope: "read" });
  assert.equal(made.status, 200);
  assert.equal((await callAs(admin, token, "DELETE", `/admin-tokens/${made.data.ID}`)).status, 200);
});

Deno.test("a token's last use is noted", async () => {
  let now = NOW;
  await using admin = await startAdmin({ now: () => now });
  const token = await issued(admin, { name: "ci" });
  await callAs(admin, token, "GET", "/models");
  now += 59_000;
  await callAs(admin, token, "GET", "/models");
  const row = async () => (await admin.call("GET", "/admin-tokens/1")).data;
  assert.equal((await row()).LastUsedAt, new Date(NOW).toISOString());
  now += 1_000;
  await callAs(admin, token, "GET", "/models");
  assert.equal((await row()).LastUsedAt, new Date(NOW + 60_000).toISOString());
});

Deno.test("without an admin token a named token still has its name and scope, and all others are local", async () => {
  await using admin = await startAdmin({ token: adminToken("") });
  const local = { host: "localhost" };
  const made = await admin.send("/api/admin-tokens", {
    method: "POST",
    headers: local,
    body: JSON.stringify({ name: "ci", scope: "read" }),
  });
  const body = JSON.stringify({ name: "m" });
  const post = (headers: Record<string, string>) =>
    admin.send("/api/models", { method: "POST", headers, body });
  assert.equal((await post(bearer(made.data.Token))).status, 403);
  assert.equal((await post({ ...bearer("unknown") })).status, 200);
  const { data: { data: rows } } = await admin.send("/api/audit", { headers: local });
  assert.deepEqual(rows.map((row: { actor: string }) => row.actor), ["local", "local"]);
});

Deno.test("the gateway: named tokens open /api and /metrics and never the clients' routes; TOKEN opens all", async () => {
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: ["http://127.0.0.1:1999/v1"] });
  const made = await gateway.admin<{ Token: string }>("POST", "/admin-tokens", {
    name: "ci",
    scope: "write",
  });
  const status = async (path: string, token: string, init: RequestInit = {}) => {
    const response = await fetch(`${gateway.url}${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${token}`,
        "x-api-key": token,
        "x-goog-api-key": token,
        "anthropic-version": "2023-06-01",
      },
    });
    await response.body?.cancel();
    return response.status;
  };
  for (const path of ["/api/models", "/metrics", "/api/logs"]) {
    assert.deepEqual([await status(path, made.Token), await status(path, GATEWAY_TOKEN)], [200, 200], path);
    assert.equal(await status(path, `${made.Token}x`), 401, path);
  }
  for (const path of ["/v1/models", "/openai/v1/models", "/anthropic/v1/models", "/v1beta/models"]) {
    assert.deepEqual([await status(path, made.Token), await status(path, GATEWAY_TOKEN)], [401, 200], path);
  }
  const body = JSON.stringify({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "hi" }] });
  for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/responses"]) {
    assert.equal(await status(path, made.Token, { method: "POST", body }), 401, path);
  }
});

Deno.test("the gateway: a named token outlives a restart, and changes tell where they came from", async () => {
  const folder = await Deno.makeTempDir({ prefix: "llmio-tokens-" });
  try {
    const db = `${folder}/llmio.db`;
    const first = await TestGateway.start({ db });
    const { Token: token } = await first.admin<{ Token: string }>("POST", "/admin-tokens", {
      name: "ci",
      scope: "read",
    });
    await first[Symbol.asyncDispose]();
    await using second = await TestGateway.start({ db });
    const response = await fetch(`${second.url}/api/audit`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { data: { data: [row] } } = await response.json();
    assert.deepEqual([row.actor, row.action, row.remote_ip], ["admin", "admin_token.create", "127.0.0.1"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
