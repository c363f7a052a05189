import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const ORIGIN = "app://obsidian.md";
/** What the SDKs ask for in a browser (public-reports.md, E10). */
const ASKED = "authorization,content-type,x-stainless-os,x-stainless-retry-count," +
  "anthropic-dangerous-direct-browser-access";
const PREFLIGHT = {
  origin: ORIGIN,
  "access-control-request-method": "POST",
  "access-control-request-headers": ASKED,
};
const CLIENT_PATHS = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/messages",
  "/v1/models",
  "/openai/v1/chat/completions",
  "/anthropic/v1/messages",
  "/gemini/v1beta/models/m:generateContent",
  "/v1beta/models/m:streamGenerateContent",
];
const OTHER_PATHS = [
  "/api/providers",
  "/api/auth-keys",
  "/api/openapi.json",
  "/metrics",
  "/healthz",
  "/readyz",
];

function corsHeaders(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith("access-control-"));
}

Deno.test("a preflight from a configured origin is answered without a credential, and nobody is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start({ "cors-origins": `https://a.example, ${ORIGIN}` });
  await gateway.serveModel({ providers: [upstream.url] });
  const before = upstream.requests.length;
  for (const path of CLIENT_PATHS) {
    const answer = await fetch(`${gateway.url}${path}`, { method: "OPTIONS", headers: PREFLIGHT });
    assert.equal(answer.status, 204, path);
    assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
    assert.equal(answer.headers.get("access-control-allow-headers"), ASKED);
    assert.equal(answer.headers.get("access-control-allow-credentials"), null);
  }
  assert.equal(upstream.requests.length, before);
});

Deno.test("a page of a configured origin can read answers, streams and refusals, with the provider's own CORS headers gone", async () => {
  await using upstream = await ScriptedUpstream.start(
    json(200, { choices: [{ message: { role: "assistant", content: "Hi" } }] }, {
      "access-control-allow-origin": "https://vendor.example",
      "access-control-allow-credentials": "true",
      "access-control-allow-private-network": "true",
      "x-request-id": "req_1",
    }),
  );
  await using gateway = await TestGateway.start({ "cors-origins": ORIGIN });
  await gateway.serveModel({ providers: [upstream.url] });
  const good = await gateway.chat({}, { headers: { origin: ORIGIN } });
  await good.body?.cancel();
  assert.equal(good.headers.get("x-request-id"), "req_1");
  const bad = await gateway.chat({}, { headers: { origin: ORIGIN, authorization: "Bearer wrong" } });
  await bad.body?.cancel();
  for (const [answer, status] of [[good, 200], [bad, 401]] as const) {
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
    assert.deepEqual(corsHeaders(answer), ["access-control-allow-origin", "access-control-expose-headers"]);
    assert.match(answer.headers.get("vary") ?? "", /origin/i);
  }
});

Deno.test("the admin API and the rest grant nothing to any origin, not even with *", async () => {
  await using gateway = await TestGateway.start({ "cors-origins": "*" });
  for (const path of OTHER_PATHS) {
    for (const method of ["OPTIONS", "GET"]) {
      const answer = await fetch(`${gateway.url}${path}`, { method, headers: PREFLIGHT });
      await answer.body?.cancel();
      assert.deepEqual(corsHeaders(answer), [], `${method} ${path}`);
    }
  }
});

Deno.test("without configured origins no answer carries a CORS header", async () => {
  await using gateway = await TestGateway.start();
  for (const path of CLIENT_PATHS) {
    for (const method of ["OPTIONS", "POST"]) {
      const answer = await fetch(`${gateway.url}${path}`, { method, headers: PREFLIGHT });
      await answer.body?.cancel();
      assert.deepEqual(corsHeaders(answer), [], `${method} ${path}`);
      assert.ok(answer.status >= 400, `${method} ${path}: ${answer.status}`);
    }
  }
});

Deno.test("without an admin token configured origins let no page in", async () => {
  await using gateway = await TestGateway.start({ token: "", "cors-origins": "*" });
  for (const method of ["OPTIONS", "POST"]) {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method,
      headers: PREFLIGHT,
      ...(method === "POST" && { body: "{}" }),
    });
    await answer.body?.cancel();
    assert.ok(answer.status === 403 || answer.status === 405, `${method}: ${answer.status}`);
    assert.deepEqual(corsHeaders(answer), []);
  }
});
