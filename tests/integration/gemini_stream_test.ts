import assert from "node:assert/strict";
import {
  GEMINI_CHUNKS,
  GEMINI_EVENTS,
  geminiArray,
  geminiArrayReply,
  geminiChunk,
  geminiError,
  geminiEvent,
  okGeminiSse,
} from "../upstream/gemini_fixtures.ts";
import { byteByByte, cut, type Reply, sse, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postGemini, rankedGemini, serveGemini, STREAM } from "./gemini_client.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

const SSE = `${STREAM}?alt=sse`;
const STREAMED = GEMINI_EVENTS.join("");
const inOut = (row: Row | undefined) => [row?.prompt_tokens, row?.completion_tokens];

Deno.test("gemini stream: every framing of SSE, cut anywhere, passes unchanged and is understood", async () => {
  const lf = STREAMED.replaceAll("\r\n", "\n");
  const framings: [string, string][] = [
    ["CRLF", STREAMED],
    ["LF", lf],
    ["CR", STREAMED.replaceAll("\r\n", "\r")],
    ["no space", lf.replaceAll("data: ", "data:")],
    ["two data lines", lf.replaceAll(',"modelVersion"', ',\ndata: "modelVersion"')],
    ["comments, ids and retry", `: hi\n\nretry: 3000\n\n${lf.replaceAll("data: ", "id: 1\ndata: ")}:\n\n`],
    ["no last blank line", lf.trimEnd()],
    ["an end mark of another protocol", `${lf}data: [DONE]\n\n`],
  ];
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  for (const [name, stream] of framings) {
    for (const pieces of [[stream], byteByByte(stream)]) {
      upstream.enqueue(okGeminiSse(pieces));
      assert.equal(await (await postGemini(gateway, SSE)).text(), stream, name);
    }
  }
  const rows = await gateway.logs(framings.length * 2);
  for (const row of rows) assert.deepEqual([row.Outcome, ...inOut(row)], ["completed", 61, 33]);
});

Deno.test("gemini stream: text of any script arrives unharmed wherever the network cuts it", async () => {
  const stream = geminiEvent(geminiChunk({ parts: [{ text: "北京 🌍 é" }], finishReason: "STOP" }));
  const { length } = new TextEncoder().encode(stream);
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  for (let at = 1; at < length; at++) {
    upstream.enqueue(okGeminiSse(cut(stream, at)));
    assert.equal(await (await postGemini(gateway, SSE)).text(), stream, `cut at ${at}`);
  }
});

Deno.test("gemini stream without alt=sse: the array passes byte for byte, and its last usage counts", async () => {
  const signed = geminiChunk({ parts: [{ text: "x", thoughtSignature: "Q".repeat(300 * 1024) }] });
  const array = geminiArray([signed, ...GEMINI_CHUNKS]);
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  const cuts = [1, 90, 200, 60_000, 150_000, array.indexOf("\r\n,\r\n") + 1, array.indexOf("\r\n,\r\n") + 3];
  for (const pieces of [[array], cut(array, ...cuts.sort((a, b) => a - b))]) {
    upstream.enqueue(geminiArrayReply(pieces));
    const response = await postGemini(gateway, `${STREAM}?key=ignored&x=1`);
    assert.equal(response.headers.get("content-type"), "application/json; charset=UTF-8");
    assert.ok(await response.text() === array, "the bytes differ");
  }
  assert.equal(upstream.requests[0]?.target, "/v1beta/models/upstream-model-1:streamGenerateContent?x=1");
  assert.equal(upstream.requests[0]?.header("accept"), "application/json");
  for (const row of await gateway.logs(2)) {
    assert.deepEqual([row.Outcome, ...inOut(row)], ["completed", 61, 33]);
  }
});

Deno.test("gemini stream: elements of an array and events go on as they come, not in a lump", async () => {
  const array = geminiArray();
  const replies: [string, (held: Promise<void>) => Reply][] = [
    [STREAM, (held) => {
      const [start, first, ...rest] = geminiArrayReply(cut(array, array.indexOf("\r\n,\r\n")));
      assert.ok(start && first);
      return [start, first, until(held), ...rest];
    }],
    [SSE, (held) => {
      const [start, first, ...rest] = okGeminiSse();
      assert.ok(start && first);
      return [start, first, until(held), ...rest];
    }],
  ];
  for (const [path, script] of replies) {
    const held = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start(script(held.promise));
    await using gateway = await rankedGemini([upstream]);
    const response = await postGemini(gateway, path);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    // The provider goes on only once its first words have been read here.
    while (!seen.includes("thinking")) seen += (await reader?.read())?.value ?? assert.fail();
    held.resolve();
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      seen += piece.value;
    }
    assert.equal(seen, path === SSE ? STREAMED : array);
  }
});

Deno.test("gemini stream: alt=sse that a provider does not know is answered with its array, whole", async () => {
  await using upstream = await ScriptedUpstream.start(geminiArrayReply([geminiArray()]));
  await using gateway = await rankedGemini([upstream]);
  const response = await postGemini(gateway, SSE);
  assert.equal(await response.text(), geminiArray());
  assert.equal(upstream.requests[0]?.target, "/v1beta/models/upstream-model-1:streamGenerateContent?alt=sse");
  assert.deepEqual(inOut((await gateway.logs(1))[0]), [61, 33]);
});

Deno.test("gemini stream: an answer that begins with an error, or never begins, is served by the next provider", async () => {
  const fault = { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } };
  const faults: [string, Reply, string][] = [
    [SSE, okGeminiSse([": a\n\n", ": b\n\n", geminiEvent(fault)]), "overload"],
    [SSE, okGeminiSse([]), "bad_answer"],
    [SSE, okGeminiSse([geminiEvent({ usageMetadata: { promptTokenCount: 9 } })]), "bad_answer"],
    [SSE, okGeminiSse(["data: <html>\n\n"]), "bad_answer"],
    [STREAM, geminiArrayReply([geminiArray([fault])]), "overload"],
    [STREAM, geminiArrayReply([JSON.stringify(fault, null, 2)]), "overload"],
    [STREAM, geminiArrayReply(["[", "]"]), "bad_answer"],
    [STREAM, geminiArrayReply(["<html>no</html>"]), "bad_answer"],
    [STREAM, geminiArrayReply([geminiArray().slice(0, 40)], "close"), "network"],
  ];
  await using bad = await ScriptedUpstream.start();
  await using good = await ScriptedUpstream.start((request) =>
    request.target.endsWith("alt=sse") ? okGeminiSse() : geminiArrayReply([geminiArray()])
  );
  for (const [path, reply, failureClass] of faults) {
    await using gateway = await rankedGemini([bad, good]);
    bad.enqueue(reply);
    assert.equal(await (await postGemini(gateway, path)).text(), path === SSE ? STREAMED : geminiArray());
    const rows = await gateway.logs(2);
    assert.deepEqual(rows.map((row) => row.Outcome).sort(), [failureClass, "completed"].sort(), path);
  }
  assert.equal(bad.requests.length, faults.length);
});

Deno.test("gemini stream: with nobody left, an error at its beginning is an HTTP error with a JSON body", async () => {
  const fault = { error: { code: 429, message: "slow down", status: "RESOURCE_EXHAUSTED" } };
  await using upstream = await ScriptedUpstream.start(okGeminiSse([geminiEvent(fault)]));
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [upstream.url], { model: { max_retry: 1 } });
  const response = await postGemini(gateway, SSE);
  assert.equal(response.status, 429);
  assert.ok(response.headers.get("retry-after"));
  const { error } = await response.json();
  assert.deepEqual([error.code, error.status], [429, "RESOURCE_EXHAUSTED"]);
});

Deno.test("gemini stream: one that breaks off ends with an error event, an array by breaking off", async () => {
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await rankedGemini([upstream]);
  for (const end of ["clean", "close", "reset"] as const) {
    upstream.enqueue(sse(GEMINI_EVENTS.slice(0, 2), { end }));
    const text = await (await postGemini(gateway, SSE)).text();
    assert.ok(text.startsWith(GEMINI_EVENTS.slice(0, 2).join("")));
    const [, event] = text.split(GEMINI_EVENTS[1] ?? "");
    const { error } = JSON.parse(event?.replace("data: ", "") ?? "");
    assert.deepEqual([error.code, error.status], [502, "UNAVAILABLE"], end);
    upstream.enqueue(geminiArrayReply([geminiArray().slice(0, -6)], end));
    const response = await postGemini(gateway, STREAM);
    assert.equal(response.status, 200);
    await assert.rejects(response.text(), end);
  }
  const rows = await gateway.logs(6);
  for (const row of rows) assert.ok(["bad_answer", "network"].includes(String(row.Outcome)));
  // What was used until then is known.
  assert.equal(rows[0]?.prompt_tokens, 61);
});

Deno.test("gemini stream: a provider's own error in its middle reaches the client, and no end is invented", async () => {
  const fault = geminiEvent({ error: { code: 500, message: "internal trouble", status: "INTERNAL" } });
  await using upstream = await ScriptedUpstream.start(okGeminiSse([...GEMINI_EVENTS.slice(0, 2), fault]));
  await using gateway = await rankedGemini([upstream]);
  assert.equal(await (await postGemini(gateway, SSE)).text(), GEMINI_EVENTS.slice(0, 2).join("") + fault);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, ...inOut(row)], ["bad_answer", 61, 28]);
  assert.match(String(row?.Error), /internal trouble/);
});

Deno.test("gemini stream: a last event without text keeps its finishReason and its usage", async () => {
  await using upstream = await ScriptedUpstream.start(okGeminiSse());
  await using gateway = await rankedGemini([upstream]);
  const text = await (await postGemini(gateway, SSE)).text();
  assert.ok(text.endsWith(GEMINI_EVENTS.at(-1) ?? ""));
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, ...inOut(row)], ["completed", 61, 33]);
});

Deno.test("gemini stream: one that thinks is opened with a comment only if it is one of events", async () => {
  const thought = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start((request) => [
    until(thought.promise),
    ...request.target.endsWith("alt=sse") ? okGeminiSse() : geminiArrayReply([geminiArray()]),
  ]);
  await using gateway = await rankedGemini([upstream], { "open-after-seconds": "0.1" });
  const array = postGemini(gateway, STREAM);
  await upstream.waitForRequest(1);
  const opened = await postGemini(gateway, SSE);
  // By now the array's own time has long passed.
  thought.resolve();
  assert.match(await opened.text(), /^: [^\n]*\n\ndata: /);
  assert.equal(await (await array).text(), geminiArray());
});

Deno.test("gemini stream: if everything fails in an opened stream, the vendor's error is one data line", async () => {
  const refusal = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start([
    until(refusal.promise),
    ...geminiError(400, "INVALID_ARGUMENT", "contents is not specified"),
  ]);
  await using gateway = await rankedGemini([upstream], { "open-after-seconds": "0.1" });
  const response = await postGemini(gateway, SSE);
  refusal.resolve();
  const [comment, event, ...rest] = (await response.text()).split("\n\n");
  assert.match(comment ?? "", /^: /);
  assert.deepEqual(
    JSON.parse(event?.replace(/^data: /, "") ?? "").error.message,
    "contents is not specified",
  );
  assert.deepEqual(rest, [""]);
});
