import assert from "node:assert/strict";
import { Hono } from "@hono/hono";
import { allowOrigins } from "../../src/access/cors.ts";

/** A route behind CORS. */
function app(...origins: string[]): Hono {
  const made = new Hono();
  made.use("/v1/*", allowOrigins(origins));
  made.post("/v1/x", (c) => c.json({}, 401));
  made.get("/v1/broken", () => {
    throw new Error("broken");
  });
  made.onError((_error, c) => c.json({}, 500));
  return made;
}

const PREFLIGHT = { "access-control-request-method": "POST" };

Deno.test("allowOrigins() answers a preflight of a configured origin and allows what it asks for", async () => {
  const answer = await app("https://a.example", "app://obsidian.md").request("/v1/x", {
    method: "OPTIONS",
    headers: {
      ...PREFLIGHT,
      origin: "app://obsidian.md",
      "access-control-request-headers": "authorization, x-stainless-os",
    },
  });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get("access-control-allow-origin"), "app://obsidian.md");
  assert.equal(answer.headers.get("access-control-allow-headers"), "authorization,x-stainless-os");
  assert.match(answer.headers.get("access-control-allow-methods") ?? "", /\bPOST\b/);
  assert.equal(answer.headers.get("access-control-max-age"), "7200");
  assert.match(answer.headers.get("vary") ?? "", /\bOrigin\b/i);
  assert.equal(answer.headers.get("access-control-allow-credentials"), null);
});

Deno.test("allowOrigins() names an origin only to itself, exactly as it is configured", async () => {
  const origins = [
    "https://a.example.evil",
    "http://a.example",
    "https://A.example",
    "null",
    "https://a.example:444",
  ];
  for (const origin of origins) {
    for (const method of ["POST", "OPTIONS"]) {
      const answer = await app("https://a.example").request("/v1/x", {
        method,
        headers: { ...PREFLIGHT, origin },
      });
      assert.equal(answer.headers.get("access-control-allow-origin"), null, origin);
      assert.match(answer.headers.get("vary") ?? "", /\bOrigin\b/i);
    }
  }
});

Deno.test("allowOrigins() lets a page read refusals and failures, and the headers that matter", async () => {
  for (const [method, path, status] of [["POST", "/v1/x", 401], ["GET", "/v1/broken", 500]] as const) {
    const answer = await app("https://a.example").request(path, {
      method,
      headers: { origin: "https://a.example" },
    });
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://a.example");
    const exposed = new Set((answer.headers.get("access-control-expose-headers") ?? "").split(","));
    for (
      const name of ["x-request-id", "retry-after", "x-llmio-trace-id", "x-ratelimit-remaining-requests", "*"]
    ) assert.ok(exposed.has(name), name);
  }
});

Deno.test("allowOrigins() takes * for every origin, the ones without a name too", async () => {
  for (const origin of ["https://a.example", "null"]) {
    const answer = await app("*").request("/v1/x", { method: "OPTIONS", headers: { ...PREFLIGHT, origin } });
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  }
});

Deno.test("allowOrigins() leaves OPTIONS that is no preflight, and other paths, as they are", async () => {
  const origin = "https://a.example";
  assert.equal((await app(origin).request("/v1/x", { method: "OPTIONS", headers: { origin } })).status, 404);
  const outside = await app(origin).request("/api/x", { headers: { ...PREFLIGHT, origin } });
  assert.deepEqual([...outside.headers.keys()].filter((name) => name.startsWith("access-control")), []);
});
