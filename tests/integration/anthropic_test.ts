import assert from "node:assert/strict";
import {
  errorEvent,
  EVENT,
  event,
  MESSAGE,
  MESSAGE_TOKENS,
  OK_EVENTS,
  okEvents,
  okMessage,
  textDelta,
} from "../upstream/anthropic_fixtures.ts";
import { answer, byteByByte, cut, json, type Reply, sse } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { postMessage, ranked, serveMessages } from "./messages_client.ts";
import { TestGateway } from "./test_gateway.ts";

/** Prompt, completion and cached tokens of a row. */
function tokensOf(row: Record<string, unknown> | undefined): unknown[] {
  const details = row?.prompt_tokens_details as { cached_tokens: number } | undefined;
  return [row?.prompt_tokens, row?.completion_tokens, details?.cached_tokens];
}
const ALL_TOKENS = [MESSAGE_TOKENS.prompt, MESSAGE_TOKENS.completion, MESSAGE_TOKENS.cached];

Deno.test("messages answer: bytes, status and the vendor's headers pass unchanged", async () => {
  const body =
    `{ "zebra":1.0, "10":9007199254740993,\n "type":"message","content":[] , "usage":{"output_tokens":4}}`;
  await using upstream = await ScriptedUpstream.start(answer(200, body, {
    "content-type": "application/json",
    "request-id": "req_7",
    "anthropic-ratelimit-requests-remaining": "9",
    "anthropic-organization-id": "org",
    "set-cookie": "a=b",
  }));
  await using gateway = await ranked(upstream);
  const response = await postMessage(gateway);
  assert.equal(await response.text(), body);
  assert.deepEqual(
    ["request-id", "anthropic-ratelimit-requests-remaining", "set-cookie"].map((name) =>
      response.headers.get(name)
    ),
    ["req_7", "9", null],
  );
});

Deno.test("messages stream: every framing of SSE passes unchanged and is understood", async () => {
  const events = OK_EVENTS.join("");
  const framings: [string, string][] = [
    ["LF", events],
    ["CRLF", events.replaceAll("\n", "\r\n")],
    ["CR", events.replaceAll("\n", "\r")],
    ["no space", events.replaceAll(/^(event|data): /gm, "$1:")],
    ["two data lines", events.replaceAll(',"usage"', ',\ndata: "usage"')],
    ["no event names", events.replaceAll(/^event: .*\n/gm, "")],
    [
      "comments, ids and retry",
      ": hi\n\nretry: 3000\n\n" + events.replaceAll("data: ", "id: 1\ndata: ") + ":\n\n",
    ],
    ["no last blank line", events.trimEnd()],
    ["no message_stop", events.replace(EVENT.stop, "")],
    ["message_stop twice", events + EVENT.stop],
  ];
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await ranked(upstream);
  for (const [name, stream] of framings) {
    upstream.enqueue(okEvents([stream]), okEvents(byteByByte(stream)), okEvents(stream.split(/(?<=\r)/)));
    for (let run = 0; run < 3; run++) {
      assert.equal(await (await postMessage(gateway, { stream: true })).text(), stream, name);
    }
  }
  for (const row of await gateway.logs(framings.length * 3)) {
    assert.deepEqual([row.Status, ...tokensOf(row)], ["success", ...ALL_TOKENS]);
  }
});

Deno.test("messages stream: characters cut anywhere arrive whole", async () => {
  const said = "北京 🌍 é";
  const events = OK_EVENTS.join("").replace("jour", said);
  const start = new TextEncoder().encode(events.slice(0, events.indexOf(said))).length;
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await ranked(upstream);
  for (let at = start; at <= start + new TextEncoder().encode(said).length; at++) {
    upstream.enqueue(okEvents(cut(events, at)));
    assert.equal(await (await postMessage(gateway, { stream: true })).text(), events, `cut at ${at}`);
  }
});

Deno.test("messages stream: an event of a megabyte passes and what follows is still understood", async () => {
  const large = event("content_block_start", {
    index: 1,
    content_block: {
      type: "web_search_tool_result",
      content: [{ encrypted_content: "x".repeat(1_300_000) }],
    },
  });
  const events = [EVENT.start, large, ...OK_EVENTS.slice(1)].join("");
  await using upstream = await ScriptedUpstream.start(okEvents([events]));
  await using gateway = await ranked(upstream);
  assert.equal(await (await postMessage(gateway, { stream: true })).text(), events);
  assert.deepEqual(tokensOf((await gateway.logs(1))[0]), ALL_TOKENS);
});

Deno.test("messages stream: events are passed on as they come, not in a lump", async () => {
  const held = Promise.withResolvers<void>();
  const [head = { write: new Uint8Array() }, ...events] = okEvents();
  await using upstream = await ScriptedUpstream.start([
    head,
    ...events.slice(0, 4),
    { until: held.promise },
    ...events.slice(4),
  ]);
  await using gateway = await ranked(upstream);
  const response = await postMessage(gateway, { stream: true }, {
    headers: { "accept-encoding": "gzip, br" },
  });
  assert.equal(response.headers.get("content-encoding"), null);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  // The provider goes on only once its first words have been read here.
  while (!seen.includes("Bon")) seen += (await reader?.read())?.value ?? "";
  held.resolve();
  for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
    seen += piece.value;
  }
  assert.match(seen, /message_stop/);
});

Deno.test("messages stream: message_stop ends the answer even if the provider holds the connection", async () => {
  await using upstream = await ScriptedUpstream.start(sse(OK_EVENTS, { end: "hang" }));
  await using gateway = await ranked(upstream);
  assert.equal(await (await postMessage(gateway, { stream: true })).text(), OK_EVENTS.join(""));
  assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
});

Deno.test("messages stream: a provider's error in the middle passes in its own words, and nothing after it", async () => {
  const events = [EVENT.start, EVENT.open, EVENT.bon, errorEvent("overloaded_error", "Overloaded")].join("");
  await using first = await ScriptedUpstream.start(okEvents([events]));
  await using second = await ScriptedUpstream.start(okEvents());
  await using gateway = await ranked(first, second);
  assert.equal(await (await postMessage(gateway, { stream: true })).text(), events);
  assert.equal(second.requests.length, 0);
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Status, row?.Outcome, ...tokensOf(row)], [
    "error",
    "overload",
    MESSAGE_TOKENS.prompt,
    3,
    MESSAGE_TOKENS.cached,
  ]);
});

Deno.test("messages stream: after a break the client gets an error event and no second provider's text", async () => {
  await using first = await ScriptedUpstream.start(
    sse([EVENT.start, EVENT.open, EVENT.bon], { end: "reset" }),
  );
  await using second = await ScriptedUpstream.start(okEvents());
  await using gateway = await ranked(first, second);
  const text = await (await postMessage(gateway, { stream: true })).text();
  assert.equal(text.split("event: message_start").length, 2);
  assert.match(text, /event: error\ndata: \{"type":"error","error":\{"type":"api_error"/);
  assert.doesNotMatch(text, /message_stop|jour/);
  assert.equal(second.requests.length, 0);
});

Deno.test("messages stream: comments, pings and preamble commit nothing; an error after them goes to the next provider", async () => {
  const beginnings: Reply[] = [
    sse([": hello\n\n", EVENT.ping, errorEvent("api_error", "Internal server error")]),
    sse([EVENT.start, EVENT.ping, EVENT.open, errorEvent("overloaded_error", "Overloaded")]),
    sse([": hello\n\n"]),
    sse([]),
    sse([EVENT.start, EVENT.ping]),
    json(503, { type: "error", error: { type: "api_error", message: "no" } }),
  ];
  for (const beginning of beginnings) {
    await using first = await ScriptedUpstream.start(beginning);
    await using second = await ScriptedUpstream.start(okEvents());
    await using gateway = await ranked(first, second);
    assert.equal(await (await postMessage(gateway, { stream: true })).text(), OK_EVENTS.join(""));
    assert.deepEqual([first.requests.length, second.requests.length], [1, 1]);
  }
});

Deno.test("messages stream: errors at the beginning of every stream become a real HTTP error", async () => {
  await using upstream = await ScriptedUpstream.start(
    sse([EVENT.ping, errorEvent("overloaded_error", "Overloaded")]),
  );
  const gateway = await TestGateway.start();
  await using _ = gateway;
  await serveMessages(gateway, [upstream.url], { model: { max_retry: 1 } });
  const response = await postMessage(gateway, { stream: true });
  assert.ok(response.status >= 500, String(response.status));
  const body = await response.json();
  assert.deepEqual([body.type, body.code, response.headers.get("content-type")], [
    "error",
    response.status,
    "application/json",
  ]);
});

Deno.test("messages stream: a refusal inside a stream that nothing was said in is the caller's, as a 400", async () => {
  await using first = await ScriptedUpstream.start(
    sse([errorEvent("invalid_request_error", "prompt is too long")]),
  );
  await using second = await ScriptedUpstream.start(okEvents());
  await using gateway = await ranked(first, second);
  const response = await postMessage(gateway, { stream: true });
  assert.equal(response.status, 400);
  assert.equal((await response.json()).error.message, "prompt is too long");
  assert.equal(second.requests.length, 0);
});

Deno.test("messages stream: in a stream that is open already a refusal is an event that clients know as an error", async () => {
  const held = Promise.withResolvers<void>();
  const refusal = { type: "error", error: { type: "invalid_request_error", message: "no such tool" } };
  await using upstream = await ScriptedUpstream.start(async () => {
    await held.promise;
    return json(400, refusal);
  });
  await using gateway = await TestGateway.start({ "open-after-seconds": "0.2" });
  await serveMessages(gateway, [upstream.url]);
  const response = await postMessage(gateway, { stream: true });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader?.read())?.value ?? "", /^: /);
  held.resolve();
  assert.equal((await reader?.read())?.value, `event: error\ndata: ${JSON.stringify(refusal)}\n\n`);
  assert.equal((await reader?.read())?.done, true);
});

Deno.test("messages answer: what is no answer under 200 goes to the next provider", async () => {
  const nonsense: Reply[] = [
    answer(200, "<html><body>busy</body></html>", { "content-type": "text/html" }),
    answer(200, "service busy", { "content-type": "text/plain" }),
    json(200, { type: "error", error: { type: "api_error", message: "no" } }),
    json(200, { error: { message: "no" } }),
    answer(200, "", { "content-type": "application/json" }),
    json(200, {}),
  ];
  for (const reply of nonsense) {
    await using first = await ScriptedUpstream.start(reply);
    await using second = await ScriptedUpstream.start(okMessage());
    await using gateway = await ranked(first, second);
    assert.deepEqual(await (await postMessage(gateway)).json(), MESSAGE);
    assert.deepEqual((await gateway.logs(2)).map((row) => row.Status), ["error", "success"]);
  }
});

Deno.test("messages usage: figures that come in parts, repeated or late are those of the row", async () => {
  const start = (usage: unknown) => event("message_start", { message: { ...MESSAGE, content: [], usage } });
  const delta = (usage: unknown, stop_reason: string | null = null) =>
    event("message_delta", { delta: { stop_reason }, usage });
  const body = [EVENT.open, EVENT.bon, EVENT.close];
  const whole = { ...MESSAGE.usage, output_tokens: 1 };
  const streams = [
    [start(whole), ...body, delta(MESSAGE.usage, "end_turn"), EVENT.stop],
    [
      start(whole),
      ...body,
      ...[4, 11, 19].map((n) => delta({ output_tokens: n }, n === 19 ? "end_turn" : null)),
    ],
    [start({ input_tokens: 0, output_tokens: 0 }), ...body, delta(MESSAGE.usage, "end_turn"), EVENT.stop],
    [start(whole), ...body, delta({ input_tokens: null, output_tokens: 19 }, "end_turn"), EVENT.stop],
  ];
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await ranked(upstream);
  for (const events of streams) {
    upstream.enqueue(okEvents(events));
    await (await postMessage(gateway, { stream: true })).text();
  }
  for (const row of await gateway.logs(streams.length)) assert.deepEqual(tokensOf(row), ALL_TOKENS);
});

Deno.test("messages usage: a client that leaves before the end keeps the input on its row", async () => {
  await using upstream = await ScriptedUpstream.start(
    sse([EVENT.start, EVENT.open, EVENT.bon, EVENT.jour], { end: "hang" }),
  );
  await using gateway = await ranked(upstream);
  const response = await postMessage(gateway, { stream: true });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("jour")) seen += (await reader?.read())?.value ?? "";
  await reader?.cancel();
  assert.equal((await upstream.connections[0]?.closed)?.by, "client");
  const [row] = await gateway.logs(1);
  assert.deepEqual([row?.Outcome, ...tokensOf(row)], [
    "client_gone",
    MESSAGE_TOKENS.prompt,
    3,
    MESSAGE_TOKENS.cached,
  ]);
});

Deno.test("messages answer: one that the vendor has cut short is a success that says so", async () => {
  const delta = event("message_delta", {
    delta: { stop_reason: "max_tokens" },
    usage: { output_tokens: 19 },
  });
  const refused = event("message_delta", { delta: { stop_reason: "refusal" }, usage: { output_tokens: 19 } });
  await using upstream = await ScriptedUpstream.start();
  upstream.enqueue(
    json(200, { ...MESSAGE, stop_reason: "max_tokens" }),
    okEvents([EVENT.start, EVENT.open, textDelta("Bon"), EVENT.close, delta, EVENT.stop]),
    okEvents([EVENT.start, refused, EVENT.stop]),
  );
  await using gateway = await ranked(upstream);
  for (const stream of [false, true, true]) {
    const response = await postMessage(gateway, { stream });
    assert.equal(response.status, 200);
    await response.body?.cancel().catch(() => {});
    await gateway.logs(1);
  }
  for (const row of await gateway.logs(3)) {
    assert.deepEqual([row.Status, row.Outcome, ...tokensOf(row)], ["success", "incomplete", ...ALL_TOKENS]);
  }
});
