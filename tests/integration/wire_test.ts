import assert from "node:assert/strict";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { CHAT_COMPLETION, CHAT_USAGE, FRAME, OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { answer, cut, json, sse, write } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

/** A body that parsing and printing would change in every way there is. */
const DELICATE =
  `{ "zebra" : [1.0, 1e400, -0.0], "10":2 ,"2" :3, "big":9007199254740993, "model"\t: "m" , "dup":1,"dup":2,\n` +
  String.raw`"text":"\u00e9\/\ud83d\ude00","messages":[ {"role":"user","content":"model"} ]}`;

Deno.test("request: the provider gets the client's bytes, but for the model's name", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await (await gateway.chat(DELICATE)).body?.cancel();
  assert.equal(upstream.requests[0]?.text, DELICATE.replace('"m"', '"upstream-model-1"'));
});

Deno.test("request: a stream's body gains the wish for usage and nothing else", async () => {
  await using upstream = await ScriptedUpstream.start(okSse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const cases: [string, string][] = [
    [
      `{"10":1,"model":"m","stream":true}`,
      `{"10":1,"model":"upstream-model-1","stream":true,"stream_options":{"include_usage":true}}`,
    ],
    [
      `{"stream_options":{"x":9007199254740993},"model":"m","stream":true}`,
      `{"stream_options":{"x":9007199254740993,"include_usage":true},"model":"upstream-model-1","stream":true}`,
    ],
    [
      `{"model":"m","stream":true,"stream_options":{"include_usage":false}}`,
      `{"model":"upstream-model-1","stream":true,"stream_options":{"include_usage":true}}`,
    ],
    [
      `{"model":"m","stream":true,"stream_options":null}`,
      `{"model":"upstream-model-1","stream":true,"stream_options":{"include_usage":true}}`,
    ],
    [
      `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
      `{"model":"upstream-model-1","stream":true,"stream_options":{"include_usage":true}}`,
    ],
  ];
  for (const [sent, expected] of cases) {
    await (await gateway.chat(sent)).text();
    assert.equal(upstream.requests.at(-1)?.text, expected);
  }
});

Deno.test("request: extra_body is spliced in by path", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  const extra_body = { service_tier: "flex", "metadata.tag": "a", temperature: 0.5 };
  await gateway.serveModel({ providers: [{ url: upstream.url, association: { extra_body } }] });
  await (await gateway.chat(`{"model":"m","temperature":1.0,"metadata":{"7":1}}`)).body?.cancel();
  assert.equal(
    upstream.requests[0]?.text,
    `{"model":"upstream-model-1","temperature":0.5,"metadata":{"7":1,"tag":"a"},"service_tier":"flex"}`,
  );
});

Deno.test("request: a body of 3 MB arrives byte for byte, with its length, and again at the next provider", async () => {
  await using bad = await ScriptedUpstream.start(json(500, { error: {} }));
  await using good = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: [{ url: bad.url, association: { weight: 2 } }, good.url],
  });
  const image = "A".repeat(3 * 1024 * 1024);
  const body =
    `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,${image}"}}]}]}`;
  const response = await gateway.chat(body);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  for (const [upstream, name] of [[bad, "upstream-model-1"], [good, "upstream-model-2"]] as const) {
    const [request] = upstream.requests;
    assert.ok(request?.text === body.replace('"m"', `"${name}"`), "the body differs");
    assert.equal(request?.header("content-length"), String(request?.body.length));
    assert.equal(request?.header("transfer-encoding"), undefined);
  }
});

Deno.test("request: a body over the limit is 413 in the caller's protocol, with and without a stated length", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start({ "body-limit-mb": "1" });
  await gateway.serveModel({ providers: [upstream.url] });
  const large = new TextEncoder().encode(`{"model":"m","x":"${"a".repeat(1024 * 1024)}"}`);
  const bodies: BodyInit[] = [large, new Blob([large]).stream(), new Uint8Array(gzipSync(large))];
  for (const body of bodies) {
    const headers: Record<string, string> = body instanceof ReadableStream || body === large
      ? {}
      : { "content-encoding": "gzip" };
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      body,
    });
    assert.equal(response.status, 413);
    assert.match((await response.json()).error.message, /limit of 1 MiB/);
  }
  assert.equal(upstream.requests.length, 0);
});

Deno.test("request: compressed bodies are read and sent on plain; what cannot be read is refused", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const plain = new TextEncoder().encode(`{"model":"m"}`);
  const good: [string, Uint8Array][] = [
    ["gzip", gzipSync(plain)],
    ["br", brotliCompressSync(plain)],
    ["deflate", deflateSync(plain)],
    ["zstd", zstdCompressSync(plain)],
    ["gzip, zstd", zstdCompressSync(gzipSync(plain))],
  ];
  const send = (coding: string, body: Uint8Array) =>
    gateway.chat(new Uint8Array(body), { headers: { "content-encoding": coding } });
  for (const [coding, body] of good) {
    const response = await send(coding, body);
    assert.equal(response.status, 200, coding);
    await response.body?.cancel();
    const request = upstream.requests.at(-1);
    assert.equal(request?.text, `{"model":"upstream-model-1"}`);
    assert.equal(request?.header("content-encoding"), undefined);
  }
  const asked = upstream.requests.length;
  for (
    const [coding, body, status] of [["lzw", plain, 415], ["gzip", plain, 400], [
      "br",
      gzipSync(plain),
      400,
    ]] as const
  ) {
    const response = await send(coding, body);
    assert.equal(response.status, status, coding);
    assert.ok((await response.json()).error.message);
  }
  assert.equal(upstream.requests.length, asked);
});

Deno.test("request: what is no JSON object, or names no model, is refused with a reason", async () => {
  await using gateway = await TestGateway.start();
  for (const body of ["", "{", "[]", "null", '"x"', "{}", '{"model":7}', '{"model":""}']) {
    const response = await gateway.chat(body);
    assert.equal(response.status, 400, body);
    assert.ok((await response.json()).error.message.length > 10);
  }
});

Deno.test("request: hop-by-hop headers, cookies and the caller's credentials never reach the provider", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{
      url: upstream.url,
      association: { with_header: true, customer_headers: { "x-team": "a" } },
    }],
  });
  const { hostname, port } = new URL(gateway.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const body = `{"model":"m"}`;
  await connection.write(new TextEncoder().encode(
    "POST /v1/chat/completions HTTP/1.1\r\nHost: evil.example\r\n" + `Authorization: Bearer ${TOKEN}\r\n` +
      "Connection: close, x-secret-hop\r\nX-Secret-Hop: canary\r\nKeep-Alive: canary\r\nTE: trailers\r\n" +
      "Proxy-Authorization: canary\r\nCookie: canary\r\nX-Api-Key: canary\r\nX-Goog-Api-Key: canary\r\n" +
      "X-Forwarded-For: canary\r\nX-Stainless-Lang: js\r\nUser-Agent: my-agent\r\nOpenAI-Beta: v9\r\n" +
      `Idempotency-Key: k1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  ));
  const reply = await new Response(connection.readable).text();
  assert.match(reply, /^HTTP\/1\.1 200/);
  const request = upstream.requests[0];
  const raw = new TextDecoder().decode(request?.connection.bytes());
  assert.ok(!raw.includes("canary") && !raw.includes(TOKEN) && !raw.includes("evil"), raw);
  assert.equal(request?.header("x-stainless-lang"), "js");
  assert.equal(request?.header("user-agent"), "my-agent");
  assert.equal(request?.header("openai-beta"), "v9");
  assert.equal(request?.header("idempotency-key"), "k1");
  assert.equal(request?.header("x-team"), "a");
  assert.equal(request?.header("accept-encoding"), "identity");
});

Deno.test("request: without with_header nothing of the client's headers goes on", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await (await gateway.chat({}, { headers: { "x-private": "canary", "user-agent": "canary" } })).body
    ?.cancel();
  assert.ok(!new TextDecoder().decode(upstream.connections[0]?.bytes()).includes("canary"));
  assert.match(upstream.requests[0]?.header("user-agent") ?? "", /^llmio\//);
});

Deno.test("request: a provider without a key gets no credential header", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: upstream.url, key: "" }] });
  await (await gateway.chat({})).body?.cancel();
  assert.equal(upstream.requests[0]?.header("authorization"), undefined);
});

Deno.test("answer: bytes, status and the vendor's headers pass, hop-by-hop ones and cookies do not", async () => {
  const body = `{ "zebra":1.0, "10":9007199254740993,\n "choices":[{"message":{"content":"x"}}]}`;
  await using upstream = await ScriptedUpstream.start(answer(201, body, {
    "content-type": "application/json; charset=utf-8",
    "x-request-id": "req_7",
    "x-ratelimit-remaining-requests": "9",
    "openai-processing-ms": "12",
    "set-cookie": "a=b",
    "alt-svc": "h3",
    "connection": "keep-alive, x-hop",
    "x-hop": "1",
    "keep-alive": "timeout=5",
  }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({});
  assert.equal(response.status, 201);
  assert.equal(await response.text(), body);
  for (const name of ["set-cookie", "alt-svc", "keep-alive", "x-hop"]) {
    assert.equal(response.headers.get(name), null, name);
  }
  assert.equal(response.headers.get("x-request-id"), "req_7");
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "9");
  assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
});

Deno.test("answer: one that is compressed although nobody asked arrives plain and is metered", async () => {
  const plain = new TextEncoder().encode(JSON.stringify(CHAT_COMPLETION));
  for (
    const [coding, body] of [["gzip", gzipSync(plain)], ["br", brotliCompressSync(plain)], [
      "zstd",
      zstdCompressSync(plain),
    ]] as const
  ) {
    await using upstream = await ScriptedUpstream.start(
      answer(200, body, { "content-type": "application/json", "content-encoding": coding }),
    );
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    const response = await gateway.chat({});
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(await response.text(), new TextDecoder().decode(plain));
    assert.equal((await gateway.logs(1))[0]?.total_tokens, CHAT_USAGE.total_tokens);
  }
});

Deno.test("answer: a gzipped stream arrives plain, frame by frame", async () => {
  await using upstream = await ScriptedUpstream.start(
    sse([gzipSync(new TextEncoder().encode(OK_SSE.join("")))], { headers: { "content-encoding": "gzip" } }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
  assert.equal(await response.text(), OK_SSE.join(""));
  assert.equal((await gateway.logs(1))[0]?.total_tokens, CHAT_USAGE.total_tokens);
});

Deno.test("stream: every framing of SSE passes unchanged and is understood", async () => {
  const two = `data: {"choices":[],\ndata: "usage":${JSON.stringify(CHAT_USAGE)}}\n\n`;
  const frames = OK_SSE.join("");
  const framings: [string, string][] = [
    ["LF", frames],
    ["CRLF", frames.replaceAll("\n", "\r\n")],
    ["CR", frames.replaceAll("\n", "\r")],
    ["no space", frames.replaceAll("data: ", "data:")],
    ["two data lines", frames.replace(FRAME.usage, two)],
    [
      "comments, ids and retry",
      ": hi\n\nretry: 3000\n\n" + frames.replaceAll("data: ", "id: 1\ndata: ") + ":\n\n",
    ],
    ["no end mark", frames.replace(FRAME.done, "")],
    ["no last blank line", frames.trimEnd()],
    ["two end marks", frames + FRAME.done],
  ];
  for (const [name, stream] of framings) {
    for (
      const pieces of [
        [stream],
        cut(stream, ...Array.from({ length: stream.length - 1 }, (_, i) => i + 1).filter((i) => i % 7 === 0)),
      ]
    ) {
      await using upstream = await ScriptedUpstream.start(okSse(pieces));
      await using gateway = await TestGateway.start();
      await gateway.serveModel({ providers: [upstream.url] });
      const asked = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
      assert.equal(await asked.text(), stream, name);
      const unasked = await (await gateway.chat({ stream: true })).text();
      assert.ok(!unasked.includes("usage"), name);
      assert.equal(
        unasked.replaceAll(/\s/g, ""),
        stream.replace(/(id: 1\s)?data:\s?\{[^\n\r]*"choices":\[\],?[^]*?(\n\n|\r\n\r\n|\r\r)/, "")
          .replaceAll(/\s/g, ""),
        name,
      );
      for (const row of await gateway.logs(2)) {
        assert.deepEqual([row.Status, row.total_tokens], ["success", CHAT_USAGE.total_tokens], name);
      }
    }
  }
});

Deno.test("stream: frames are passed on as they come, not in a lump", async () => {
  const held = Promise.withResolvers<void>();
  const [start, ...rest] = okSse();
  assert.ok(start);
  await using upstream = await ScriptedUpstream.start([
    start,
    ...rest.slice(0, 2),
    { until: held.promise },
    ...rest.slice(2),
  ]);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true }, { headers: { "accept-encoding": "gzip, br" } });
  assert.equal(response.headers.get("cache-control"), "no-cache");
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.equal(response.headers.get("content-encoding"), null);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  // The provider goes on only once its first words have been read here.
  while (!seen.includes("Hel")) seen += (await reader?.read())?.value ?? "";
  held.resolve();
  for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
    seen += piece.value;
  }
  assert.match(seen, /\[DONE\]/);
});

Deno.test("stream: a provider that refuses to be asked for usage is asked without it, once and for all", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.text.includes("stream_options")
      ? json(422, { error: { message: "body.stream_options.include_usage: extra_forbidden" } })
      : okSse(OK_SSE.filter((frame) => frame !== FRAME.usage))
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const calls of [2, 3]) {
    const response = await gateway.chat({ stream: true });
    assert.equal(response.status, 200);
    assert.match(await response.text(), /\[DONE\]/);
    assert.equal(upstream.requests.length, calls);
  }
  // What the provider does not tell is estimated by the words that passed, and says so.
  const row = (await gateway.logs(2))[1];
  assert.equal(row?.UsageSource, "estimated");
  assert.ok(Number(row?.prompt_tokens) > 0 && Number(row?.completion_tokens) > 0);
  const own = await gateway.chat({ stream: true, stream_options: { include_usage: true } });
  assert.equal(own.status, 422);
  await own.body?.cancel();
});

Deno.test("stream: an end mark ends the answer even if the provider holds the connection", async () => {
  await using upstream = await ScriptedUpstream.start(sse(OK_SSE, { end: "hang" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const started = performance.now();
  assert.match(await (await gateway.chat({ stream: true })).text(), /\[DONE\]/);
  assert.ok(performance.now() - started < 3_000);
  assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
});

Deno.test("stream: a client that does not read slows the provider down instead of filling memory", async () => {
  const frame = `data: {"choices":[{"index":0,"delta":{"content":"${"x".repeat(64 * 1024)}"}}]}\n\n`;
  const total = 2_000;
  await using upstream = await ScriptedUpstream.start([
    ...sse([FRAME.role]).slice(0, 2),
    ...Array.from({ length: total }, () => write(`${frame.length.toString(16)}\r\n${frame}\r\n`)),
    ...sse([FRAME.done]).slice(1),
  ]);
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { hostname, port } = new URL(gateway.url);
  const client = await Deno.connect({ hostname, port: Number(port) });
  const body = `{"model":"m","stream":true}`;
  await client.write(new TextEncoder().encode(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  ));
  await upstream.waitForRequest(1);
  // Nobody reads: what leaves the provider fills the buffers on the way, far below the whole of 128 MB, and stops.
  const [connection] = upstream.connections;
  const sentIn = async (ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return connection?.sentBytes ?? 0;
  };
  let sent = await sentIn(500);
  for (let more = await sentIn(500); more > sent; more = await sentIn(500)) sent = more;
  assert.ok(sent > 0 && sent < 40 * 1024 * 1024, `${Math.round(sent / 1048576)} MB have left the provider`);
  client.close();
  await upstream.connections[0]?.closed;
});

Deno.test("routes: unknown paths and methods are answered as JSON, and nobody upstream is asked", async () => {
  await using gateway = await TestGateway.start();
  const headers = { authorization: `Bearer ${TOKEN}` };
  for (
    const [method, path, status] of [
      ["GET", "/v1/chat/completions", 405],
      ["DELETE", "/v1/models", 405],
      ["POST", "/v1/nothing", 404],
      ["GET", "/nothing", 404],
      ["GET", "/v1/models/nobody", 404],
    ] as const
  ) {
    const response = await fetch(`${gateway.url}${path}`, { method, headers });
    assert.equal(response.status, status, `${method} ${path}`);
    assert.ok((await response.json()).message);
  }
  const head = await fetch(`${gateway.url}/v1/models`, { method: "HEAD", headers });
  assert.equal(head.status, 200);
});
