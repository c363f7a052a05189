import assert from "node:assert/strict";
import OpenAI from "openai";
import { FRAME, OK_SSE, okSse } from "../upstream/fixtures.ts";
import { hang, json, pause, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const COMMENT = ": waiting for the provider\n\n";
const soon = { "open-after-seconds": "0.2" };
const asked = { stream: true, stream_options: { include_usage: true } };

Deno.test("a stream whose provider thinks is opened with a comment, and the answer follows in it", async () => {
  await using upstream = await ScriptedUpstream.start([pause(700), ...okSse()]);
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({ providers: [upstream.url] });
  const started = performance.now();
  const response = await gateway.chat(asked);
  assert.ok(performance.now() - started < 650, "the head came before the provider's answer");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("cache-control"), "no-cache");
  assert.equal(await response.text(), COMMENT + OK_SSE.join(""));
  assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
});

Deno.test("failover stays free in an opened stream", async () => {
  await using bad = await ScriptedUpstream.start([pause(500), ...json(500, { error: {} })]);
  await using good = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [{ url: bad.url, association: { weight: 2 } }, good.url],
  });
  assert.equal(await (await gateway.chat(asked)).text(), COMMENT + OK_SSE.join(""));
});

Deno.test("if everything fails in an opened stream, the error goes in-band and the SDK throws it", async () => {
  const fault = {
    error: {
      message: "the prompt is too long",
      type: "invalid_request_error",
      code: "context_length_exceeded",
    },
  };
  for (
    const [status, body] of [[400, fault], [500, { error: { message: "boom" } }], [401, {
      error: {},
    }]] as const
  ) {
    await using upstream = await ScriptedUpstream.start([pause(400), ...json(status, body)]);
    await using gateway = await TestGateway.start(soon);
    await gateway.serveModel({ model: { max_retry: 1 }, providers: [upstream.url] });
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
    });
    await assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      OpenAI.APIError,
      String(status),
    );
  }
});

Deno.test("a provider that answers an opened stream with one whole answer loses nothing of it", async () => {
  await using upstream = await ScriptedUpstream.start([
    pause(400),
    ...json(200, { choices: [{ message: { content: "whole" } }] }),
  ]);
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({ providers: [upstream.url] });
  const text = await (await gateway.chat(asked)).text();
  assert.match(text, /^: waiting[^\n]*\n\ndata: \{"choices":.*whole.*\}\n\n$/);
});

Deno.test("a client that leaves an opened stream closes the provider's connection, and no other is asked", async () => {
  await using silent = await ScriptedUpstream.start([hang]);
  await using other = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [{ url: silent.url, association: { weight: 2 } }, other.url],
  });
  const response = await gateway.chat(asked);
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  const end = await silent.connections[0]?.closed;
  assert.equal(end?.by, "client");
  const [row] = await gateway.logs(1);
  assert.equal(row?.Outcome, "client_gone");
  assert.equal(other.requests.length, 0);
});

Deno.test("a client that leaves an opened stream after the answer began closes the provider's connection", async () => {
  await using upstream = await ScriptedUpstream.start([
    pause(400),
    ...sse([FRAME.role, FRAME.hel], { end: "hang" }),
  ]);
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({ providers: [upstream.url] });
  const reader = (await gateway.chat(asked)).body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("Hel")) seen += (await reader?.read())?.value ?? "";
  await reader?.cancel();
  assert.equal((await upstream.connections[0]?.closed)?.by, "client");
  assert.equal((await gateway.logs(1))[0]?.Outcome, "client_gone");
});

Deno.test("the comment neither resets nor lengthens the wait for a silent provider", async () => {
  await using silent = await ScriptedUpstream.start([hang]);
  await using good = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start(soon);
  await gateway.serveModel({
    model: { strategy: "rotor", time_out: 3 },
    providers: [{ url: silent.url, association: { weight: 2 } }, good.url],
  });
  const started = performance.now();
  assert.equal(await (await gateway.chat(asked)).text(), COMMENT + OK_SSE.join(""));
  assert.ok(performance.now() - started < 2_500);
  assert.equal((await gateway.logs(2))[0]?.Outcome, "timeout");
});

Deno.test("open-after-seconds 0 never opens a stream early", async () => {
  await using upstream = await ScriptedUpstream.start([pause(600), ...okSse()]);
  await using gateway = await TestGateway.start({ "open-after-seconds": "0" });
  await gateway.serveModel({ providers: [upstream.url] });
  assert.equal(await (await gateway.chat(asked)).text(), OK_SSE.join(""));
});

Deno.test("stop() ends an opened stream that waits for its provider with an error in-band", async () => {
  await using silent = await ScriptedUpstream.start([hang]);
  const gateway = await TestGateway.start({ ...soon, "grace-seconds": "0.2" });
  await gateway.serveModel({ providers: [silent.url] });
  const response = await gateway.chat(asked);
  const [text] = await Promise.all([response.text(), gateway.server.stop("test")]);
  assert.match(text, /gateway_stopping/);
});
