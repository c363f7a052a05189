import assert from "node:assert/strict";
import {
  brotliCompressSync,
  createBrotliCompress,
  createDeflate,
  createGzip,
  createZstdCompress,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { CHAT_COMPLETION, CHAT_USAGE, OK_SSE, okSse } from "../upstream/fixtures.ts";
import { answer, chunk, hang, head, type Reply, sse, type Step, until, write } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

const asked = { stream: true, stream_options: { include_usage: true } };
const PLAIN = OK_SSE.join("");

const CODERS: readonly (readonly [coding: string, code: (bytes: Uint8Array) => Uint8Array])[] = [
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
  ["zstd", zstdCompressSync],
  ["deflate", deflateSync],
  // Mislabelled: what some relays send on after their own HTTP client has decoded it.
  ["gzip", (bytes) => bytes],
];

async function gatewayFor(...upstreams: readonly ScriptedUpstream[]): Promise<TestGateway> {
  const gateway = await TestGateway.start();
  await gateway.serveModel({
    model: { strategy: "rotor" },
    providers: upstreams.map(({ url }, index) => ({ url, association: { weight: 100 - index } })),
  });
  return gateway;
}

Deno.test("a coded answer, error or stream arrives plain, with headers that fit it, whatever the client accepts", async () => {
  const fault = JSON.stringify({ error: { message: "no", type: "invalid_request_error" } });
  const encode = (text: string) => new TextEncoder().encode(text);
  await using upstream = await ScriptedUpstream.start();
  await using gateway = await gatewayFor(upstream);
  for (const [coding, code] of CODERS) {
    for (const accepted of ["gzip", "identity", "zstd"]) {
      const headers = { "content-type": "application/json", "content-encoding": coding };
      const cases: [Reply, Record<string, unknown>, number, string][] = [
        [
          answer(200, code(encode(JSON.stringify(CHAT_COMPLETION))), headers),
          {},
          200,
          JSON.stringify(CHAT_COMPLETION),
        ],
        [answer(400, code(encode(fault)), headers), {}, 400, fault],
        [sse([code(encode(PLAIN))], { headers: { "content-encoding": coding } }), asked, 200, PLAIN],
      ];
      for (const [reply, body, status, text] of cases) {
        upstream.enqueue(reply);
        const response = await gateway.chat(body, { headers: { "accept-encoding": accepted } });
        assert.deepEqual([response.status, await response.text()], [status, text], coding);
        assert.equal(response.headers.get("content-encoding"), null);
        const length = response.headers.get("content-length");
        assert.ok(length === null || Number(length) === encode(text).length);
      }
    }
  }
  const rows = await gateway.logs(CODERS.length * 9);
  const served = rows.filter((row) => row.Status === "success");
  assert.equal(served.length, CODERS.length * 6);
  for (const row of served) assert.equal(row.total_tokens, CHAT_USAGE.total_tokens);
});

Deno.test("a coded stream that is flushed for each frame arrives frame by frame", async () => {
  const makers = {
    gzip: createGzip,
    br: createBrotliCompress,
    zstd: createZstdCompress,
    deflate: createDeflate,
  };
  for (const [coding, make] of Object.entries(makers)) {
    const frames = await codedFrames(make());
    const gates = frames.map(() => Promise.withResolvers<void>());
    const steps: Step[] = frames.flatMap((
      frame,
      i,
    ) => [until(gates[i]?.promise ?? Promise.resolve()), write(chunk(frame))]);
    await using upstream = await ScriptedUpstream.start([
      write(head(200, {
        "content-type": "text/event-stream",
        "content-encoding": coding,
        "transfer-encoding": "chunked",
      })),
      ...steps,
      write("0\r\n\r\n"),
    ]);
    await using gateway = await gatewayFor(upstream);
    gates[0]?.resolve();
    gates[1]?.resolve();
    const response = await gateway.chat(asked, { headers: { "accept-encoding": "gzip, br" } });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    for (let i = 1; i < OK_SSE.length; i++) {
      // The provider writes a frame only when the one before has been read here.
      gates[i]?.resolve();
      const expected = OK_SSE.slice(0, i + 1).join("");
      while (seen.length < expected.length) seen += (await reader?.read())?.value ?? assert.fail(coding);
      assert.equal(seen, expected, coding);
    }
    for (const gate of gates) gate.resolve();
    assert.equal((await reader?.read())?.done, true, coding);
    assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
  }
});

Deno.test("a stream in a coding that nobody knows, or that does not decode, is served by the next provider", async () => {
  await using good = await ScriptedUpstream.start(okSse());
  const bad: [string, Uint8Array][] = [
    ["lzw", new TextEncoder().encode(PLAIN)],
    ["gzip, lzw", gzipSync(PLAIN)],
    ["br", new TextEncoder().encode("<html>busy</html>")],
    ["gzip", gzipSync(PLAIN).fill(0xff, 12, 40)],
    ["gzip", new TextEncoder().encode("<html>busy</html>")],
  ];
  for (const [coding, bytes] of bad) {
    await using upstream = await ScriptedUpstream.start(
      sse([bytes], { headers: { "content-encoding": coding } }),
    );
    await using gateway = await gatewayFor(upstream, good);
    assert.equal(await (await gateway.chat(asked)).text(), PLAIN, coding);
    assert.deepEqual((await gateway.logs(2)).map((row) => row.Outcome), ["bad_answer", "completed"], coding);
  }
});

Deno.test("a client that leaves a coded stream closes the provider's connection", async () => {
  const [first, second] = await codedFrames(createGzip());
  assert.ok(first && second);
  await using upstream = await ScriptedUpstream.start([
    write(head(200, {
      "content-type": "text/event-stream",
      "content-encoding": "gzip",
      "transfer-encoding": "chunked",
    })),
    write(chunk(first)),
    write(chunk(second)),
    hang,
  ]);
  await using gateway = await gatewayFor(upstream);
  const response = await gateway.chat(asked);
  await response.body?.cancel();
  assert.equal((await upstream.connections[0]?.closed)?.by, "client");
  assert.equal((await gateway.logs(1))[0]?.Outcome, "client_gone");
});

/** The frames of a chat stream, each with all that its coder has for it; the coder's end stands with the last one. */
async function codedFrames(coder: ReturnType<typeof createGzip>): Promise<Uint8Array[]> {
  let pieces: Uint8Array[] = [];
  coder.on("data", (piece: Uint8Array) => pieces.push(new Uint8Array(piece)));
  const frames: Uint8Array[] = [];
  for (const [index, frame] of OK_SSE.entries()) {
    coder.write(frame);
    await new Promise<void>((resolve) => {
      if (index === OK_SSE.length - 1) coder.once("end", resolve).end();
      else coder.flush(resolve);
    });
    frames.push(new Uint8Array(await new Blob(pieces.map((piece) => new Uint8Array(piece))).arrayBuffer()));
    pieces = [];
  }
  return frames;
}
