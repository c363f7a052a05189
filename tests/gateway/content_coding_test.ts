import assert from "node:assert/strict";
import {
  brotliCompressSync,
  createBrotliCompress,
  createDeflate,
  createDeflateRaw,
  createGzip,
  createZstdCompress,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { decodedStream, isCoded } from "../../src/gateway/content_coding.ts";
import { CallEnded } from "../../src/gateway/upstream.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const textOf = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Response(stream).text();

/** A source that gives its pieces one by one, and tells what has become of it. */
function source(pieces: readonly Uint8Array[], failure?: Error) {
  const state = { given: 0, cancelled: undefined as unknown };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = pieces[state.given];
      if (piece !== undefined) {
        state.given++;
        controller.enqueue(new Uint8Array(piece));
      } else if (failure) controller.error(failure);
      else controller.close();
    },
    cancel(reason) {
      state.cancelled = reason;
    },
  }, { highWaterMark: 0 });
  return { state, stream };
}

const CODERS = {
  "gzip": gzipSync,
  "x-gzip": gzipSync,
  "br": brotliCompressSync,
  "zstd": zstdCompressSync,
  "deflate": deflateSync,
} as const;

Deno.test("decodedStream() undoes every coding, wherever the bytes are cut", async () => {
  const text = "北京 🌍 ".repeat(40);
  for (const [coding, code] of [...Object.entries(CODERS), ["deflate", deflateRawSync] as const]) {
    const coded = new Uint8Array(code(encode(text)));
    for (let at = 1; at < coded.length; at++) {
      const { stream } = source([coded.subarray(0, at), coded.subarray(at)]);
      assert.equal(await textOf(decodedStream(stream, [coding])), text, `${coding} cut at ${at}`);
    }
  }
});

Deno.test("decodedStream() undoes several codings from the last to the first, and none at all", async () => {
  const { stream } = source([zstdCompressSync(gzipSync(encode("twice")))]);
  assert.equal(await textOf(decodedStream(stream, ["gzip", "zstd"])), "twice");
  assert.equal(await textOf(decodedStream(source([encode("plain")]).stream, [])), "plain");
  assert.equal(await textOf(decodedStream(source([]).stream, ["gzip"])), "");
});

Deno.test("decodedStream() gives each frame as soon as the provider has flushed it", async () => {
  const makers = {
    gzip: createGzip,
    br: createBrotliCompress,
    zstd: createZstdCompress,
    deflate: createDeflate,
    "deflate (raw)": createDeflateRaw,
  };
  for (const [name, make] of Object.entries(makers)) {
    const coder = make();
    const pipe = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    const writer = pipe.writable.getWriter();
    coder.on("data", (piece: Uint8Array) => writer.write(new Uint8Array(piece)));
    const reader = decodedStream(pipe.readable, [name.split(" ")[0] ?? ""])
      .pipeThrough(new TextDecoderStream()).getReader();
    for (const frame of ["data: one\n\n", "data: two\n\n", "data: three\n\n"]) {
      // The next frame is written only when this one has been read.
      coder.write(frame, () => coder.flush());
      let seen = "";
      while (seen.length < frame.length) seen += (await reader.read()).value ?? assert.fail(name);
      assert.equal(seen, frame, name);
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    coder.once("end", resolve);
    coder.end();
    await ended;
    await writer.close();
    assert.deepEqual(await reader.read(), { done: true, value: undefined }, name);
  }
});

Deno.test("decodedStream() can be read into a buffer of the reader's own", async () => {
  const reader = decodedStream(source([gzipSync(encode("own"))]).stream, ["gzip"]).getReader({
    mode: "byob",
  });
  const { value } = await reader.read(new Uint8Array(16));
  assert.equal(new TextDecoder().decode(value), "own");
  assert.equal((await reader.read(new Uint8Array(16))).done, true);
});

Deno.test("decodedStream() takes bytes that are plain, whatever their label, as they are", async () => {
  for (const coding of ["gzip", "zstd"]) {
    const { stream } = source([encode("data: {}\n"), encode("\n")]);
    assert.equal(await textOf(decodedStream(stream, [coding])), "data: {}\n\n");
  }
  assert.deepEqual(["gzip", "x-gzip", "zstd"].map((coding) => isCoded(coding, encode("{}"))), [
    false,
    false,
    false,
  ]);
  assert.ok(isCoded("gzip", gzipSync("x")) && isCoded("zstd", zstdCompressSync(encode("x"))));
  assert.ok(isCoded("br", encode("{}")) && isCoded("gzip", new Uint8Array(0)));
});

Deno.test("decodedStream() calls a coding that nobody knows, and bytes that do not decode, a bad answer", async () => {
  const isBadAnswer = (error: unknown) => {
    assert.ok(error instanceof CallEnded && error.outcome.type === "bad_answer");
    return true;
  };
  const { stream, state } = source([encode("x")]);
  assert.throws(() => decodedStream(stream, ["gzip", "lzw"]), isBadAnswer);
  assert.deepEqual([state.given, stream.locked], [0, false]);
  const coded = new Uint8Array(gzipSync(encode("x".repeat(500))));
  const broken = coded.slice();
  broken.fill(0xff, 12);
  for (
    const [coding, bytes] of [["gzip", broken], ["gzip", coded.subarray(0, -6)], [
      "br",
      encode("<html>"),
    ]] as const
  ) {
    await assert.rejects(textOf(decodedStream(source([bytes]).stream, [coding])), isBadAnswer, coding);
  }
});

Deno.test("decodedStream() hands a source's own failure on as it is", async () => {
  const failure = new Error("connection reset");
  for (const pieces of [[], [gzipSync(encode("x".repeat(500))).subarray(0, 15)]]) {
    await assert.rejects(
      textOf(decodedStream(source(pieces, failure).stream, ["gzip"])),
      (error) => error === failure,
    );
  }
});

Deno.test("decodedStream() reads no further than it is asked to", async () => {
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const pieces = Array.from({ length: 200 }, () => new Uint8Array(gzipSync(noise)));
  const { stream, state } = source(pieces);
  const reader = decodedStream(stream, ["gzip"]).getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve));
  assert.ok(state.given < 10, `${state.given} of 200 pieces were taken`);
  await reader.cancel("enough");
});

Deno.test("decodedStream() cancels its source, before the first byte, while it waits and between reads", async () => {
  for (const pieces of [[], [gzipSync(encode("x".repeat(100)))]]) {
    const cancelled = Promise.withResolvers<unknown>();
    let given = 0;
    const waiting = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const piece = pieces[given++];
        if (piece === undefined) return new Promise<void>(() => {});
        controller.enqueue(new Uint8Array(piece));
        return undefined;
      },
      cancel: (reason) => cancelled.resolve(reason),
    }, { highWaterMark: 0 });
    const reader = decodedStream(waiting, ["gzip"]).getReader();
    if (pieces.length > 0) await reader.read();
    const pending = reader.read();
    await reader.cancel("gone");
    assert.equal(await cancelled.promise, "gone");
    assert.equal((await pending).done, true);
  }
  const { stream, state } = source([encode("x")]);
  await decodedStream(stream, ["gzip"]).cancel("never read");
  assert.equal(state.cancelled, "never read");
});
