/** What a caller authenticates with never reaches a vendor (public report G07). @module */
import assert from "node:assert/strict";
import { okMessage } from "../upstream/anthropic_fixtures.ts";
import { okChat } from "../upstream/fixtures.ts";
import { okGemini } from "../upstream/gemini_fixtures.ts";
import { okResponse } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";

const messages = [{ role: "user", content: "hi" }];

const CALLS = {
  "openai": { path: "/v1/chat/completions", body: { model: "m", messages }, reply: okChat() },
  "openai-res": { path: "/v1/responses", body: { model: "m", input: "hi" }, reply: okResponse() },
  "anthropic": { path: "/v1/messages", body: { model: "m", messages, max_tokens: 9 }, reply: okMessage() },
  "gemini": {
    path: "/v1beta/models/m:generateContent",
    body: { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
    reply: okGemini(),
  },
} as const;

for (const [type, { path, body, reply }] of Object.entries(CALLS)) {
  for (const key of ["sk-of-the-provider", ""]) {
    Deno.test(`a caller's credentials never reach ${type} ${key === "" ? "without" : "with"} a key of its own`, async () => {
      await using upstream = await ScriptedUpstream.start(reply);
      await using gateway = await TestGateway.start();
      await gateway.serveModel({
        providers: [{
          url: `${upstream.url}${type === "gemini" ? "/v1beta" : "/v1"}`,
          key,
          config: type === "anthropic" ? { version: "2023-06-01" } : {},
          provider: { type },
          association: { with_header: true },
        }],
      });
      const made = await gateway.admin<{ Key: string }>("POST", "/auth-keys", {
        name: "team",
        status: true,
        allow_all: true,
      });
      for (const credential of [TOKEN, made.Key]) {
        upstream.requests.length = 0;
        const response = await fetch(`${gateway.url}${path}?key=${credential}&x=1`, {
          method: "POST",
          headers: {
            "authorization": `Bearer ${credential}`,
            "x-api-key": credential,
            "x-goog-api-key": credential,
            "api-key": credential,
            "proxy-authorization": `Bearer ${credential}`,
            "cookie": `session=${credential}`,
            "content-type": "application/json",
          },
          body: JSON.stringify(body),
        });
        assert.equal(response.status, 200, await response.text());
        await response.body?.cancel().catch(() => {});
        const [request] = upstream.requests;
        const sent = new TextDecoder().decode(request?.connection.bytes());
        assert.ok(sent.includes("upstream-model-1"), sent);
        assert.ok(!sent.includes(credential) && !sent.includes(encodeURIComponent(credential)), sent);
        assert.equal(sent.includes("sk-of-the-provider"), key !== "", sent);
      }
    });
  }
}
