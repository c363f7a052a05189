/** Rules of `src/access/admin_tokens.ts`. @module */
import assert from "node:assert/strict";
import { Hono } from "@hono/hono";
import { adminToken } from "../../src/access/admin_token.ts";
import { AdminTokens, callerOf, type NamedToken, requireAdmin } from "../../src/access/admin_tokens.ts";
import { hashKey } from "../../src/access/key_text.ts";
import type { RefuseAccess } from "../../src/access/refusal.ts";

const MINUTE_MS = 60_000;

function named(id: number, token: string, fields: Partial<NamedToken> = {}): NamedToken {
  return {
    id,
    name: `token ${id}`,
    scope: "read",
    hash: hashKey(token),
    expiresAtMs: null,
    lastUsedAtMs: null,
    ...fields,
  };
}

/** Tokens in force, a clock to turn, and the uses that were told. */
function tokens(rows: readonly NamedToken[]) {
  const clock = { now: 1_000 * MINUTE_MS };
  const uses: [id: number, atMs: number][] = [];
  const adminTokens = new AdminTokens({ now: () => clock.now, onUse: (id, at) => uses.push([id, at]) });
  adminTokens.use(rows);
  return { adminTokens, clock, uses };
}

/** An app that says who calls. */
function door(configured: string, rows: readonly NamedToken[], refuse?: RefuseAccess): Hono {
  const { adminTokens } = tokens(rows);
  return new Hono().use(requireAdmin({ token: adminToken(configured), adminTokens }, refuse))
    .get("/", (c) => c.json(callerOf(c)));
}

const bearer = (credential: string) => ({
  headers: { authorization: `Bearer ${credential}`, host: "localhost" },
});

Deno.test("AdminTokens.find() knows a token by its whole text, with its name and scope", () => {
  const { adminTokens } = tokens([named(1, "one"), named(2, "two", { scope: "write" })]);
  assert.deepEqual(adminTokens.find("two"), { name: "token 2", scope: "write", tokenId: 2 });
  assert.deepEqual(adminTokens.find("one"), { name: "token 1", scope: "read", tokenId: 1 });
  for (
    const wrong of ["", "on", "onee", "ONE", "one ", "one\0", "öne", hashKey("one"), "x".repeat(1 << 20)]
  ) {
    assert.equal(adminTokens.find(wrong), null, wrong.slice(0, 20));
  }
});

Deno.test("AdminTokens.use() takes effect at once, for tokens that go, too", () => {
  const { adminTokens } = tokens([named(1, "one")]);
  adminTokens.use([named(2, "two")]);
  assert.equal(adminTokens.find("one"), null);
  assert.deepEqual(adminTokens.find("two"), { name: "token 2", scope: "read", tokenId: 2 });
});

Deno.test("AdminTokens.find() refuses a token from the moment at which it expires", () => {
  const { adminTokens, clock } = tokens([named(1, "one", { expiresAtMs: 1_000 * MINUTE_MS + 1 })]);
  assert.notEqual(adminTokens.find("one"), "expired");
  clock.now += 1;
  assert.equal(adminTokens.find("one"), "expired");
});

Deno.test("AdminTokens.find() tells of a token's use once a minute, and of no other's", () => {
  const { adminTokens, clock, uses } = tokens([named(1, "one"), named(2, "two")]);
  const start = clock.now;
  adminTokens.find("one");
  adminTokens.find("nobody");
  clock.now += MINUTE_MS - 1;
  adminTokens.find("one");
  adminTokens.find("two");
  adminTokens.use([named(1, "one", { lastUsedAtMs: start }), named(2, "two")]);
  adminTokens.find("one");
  clock.now += 1;
  adminTokens.find("one");
  assert.deepEqual(uses, [[1, start], [2, start + MINUTE_MS - 1], [1, start + MINUTE_MS]]);
});

Deno.test("AdminTokens.find() tells of a use again after the clock was set back", () => {
  const { adminTokens, clock, uses } = tokens([named(1, "one", { lastUsedAtMs: 5_000 * MINUTE_MS })]);
  adminTokens.find("one");
  assert.deepEqual(uses, [[1, clock.now]]);
});

Deno.test("AdminTokens.find() tells of no use of a token that has expired", () => {
  const { adminTokens, uses } = tokens([named(1, "one", { expiresAtMs: 1 })]);
  adminTokens.find("one");
  assert.deepEqual(uses, []);
});

Deno.test("requireAdmin() lets the admin token and named ones in, and says who they are", async () => {
  const app = door("tok", [named(1, "one")]);
  const callers = await Promise.all(
    ["tok", "one"].map(async (token) => await (await app.request("/", bearer(token))).json()),
  );
  assert.deepEqual(callers, [
    { name: "admin", scope: "write", tokenId: null },
    { name: "token 1", scope: "read", tokenId: 1 },
  ]);
});

Deno.test("requireAdmin() answers 401 with the reason and the scheme that would be accepted", async () => {
  const app = door("tok", [named(1, "old", { expiresAtMs: 1 })]);
  for (const [token, message] of [["nope", "Invalid token"], ["old", "Token has expired"]] as const) {
    const refused = await app.request("/", bearer(token));
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate") ?? "", /^Bearer/);
    assert.deepEqual(await refused.json(), { code: 401, message });
  }
  const twice = new Headers([["authorization", "Bearer tok"], ["authorization", "Bearer tok"]]);
  assert.equal((await app.request("/", { headers: twice })).status, 401);
  assert.equal((await app.request("/")).status, 401);
});

Deno.test("requireAdmin() lets other routes refuse in their own shape", async () => {
  const app = door("tok", [], (c, status, message) => c.json({ error: { message } }, status));
  const refused = await app.request("/");
  assert.deepEqual(await refused.json(), { error: { message: "Authorization header is missing" } });
});

Deno.test("requireAdmin() without an admin token: everybody on this machine, and named tokens as themselves", async () => {
  const app = door("", [named(1, "one"), named(2, "old", { expiresAtMs: 1 })]);
  const local = { name: "local", scope: "write", tokenId: null };
  const call = async (headers: Record<string, string>) => {
    const answer = await app.request("/", { headers: { host: "localhost", ...headers } });
    return answer.status === 200 ? await answer.json() : answer.status;
  };
  assert.deepEqual(await call({}), local);
  assert.deepEqual(await call({ authorization: "Bearer null" }), local);
  assert.deepEqual(await call({ authorization: "Bearer one" }), {
    name: "token 1",
    scope: "read",
    tokenId: 1,
  });
  assert.equal(await call({ authorization: "Bearer old" }), 401);
  assert.equal(await call({ authorization: "Bearer one", host: "evil.example" }), 403);
  assert.equal(await call({ authorization: "Bearer one", origin: "https://evil.example" }), 403);
});

Deno.test("callerOf() throws where no guard has asked who calls", async () => {
  const app = new Hono().get("/", (c) => c.json(callerOf(c))).onError((_, c) => c.text("thrown", 500));
  assert.equal(await (await app.request("/")).text(), "thrown");
});
