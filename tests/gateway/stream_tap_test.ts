import assert from "node:assert/strict";
import fc from "fast-check";
import { StreamTap } from "../../src/gateway/stream_tap.ts";
import { messageStream } from "../../src/protocols/anthropic/answer.ts";
import { readChatEvent } from "../../src/protocols/openai/answer.ts";
import { eventByEvent } from "../../src/protocols/protocol.ts";
import { CHAT_USAGE, FRAME, OK_SSE, textFrame } from "../upstream/fixtures.ts";
import { concatBytes } from "../upstream/http_reader.ts";

const chat = eventByEvent((_name, data) => readChatEvent(data));
const encode = (text: string) => new TextEncoder().encode(text);

function pass(tap: StreamTap, pieces: readonly Uint8Array<ArrayBuffer>[]): string {
  const out = pieces.flatMap((piece) => tap.push(piece));
  return new TextDecoder().decode(concatBytes([...out, ...tap.end()]));
}

Deno.test("StreamTap passes every byte on when nothing is to be taken out", () => {
  const tap = new StreamTap(chat, false);
  const text = `: hi\n\n${OK_SSE.join("")}`;
  assert.equal(pass(tap, [encode(text)]), text);
  assert.deepEqual([tap.sawOutput, tap.ended, tap.complete, tap.incomplete], [true, true, true, false]);
  assert.equal(tap.usage?.totalTokens, CHAT_USAGE.total_tokens);
  assert.equal(tap.size, text.length);
});

Deno.test("StreamTap takes the usage event out whole, wherever the bytes are cut", () => {
  const text = OK_SSE.join("");
  const expected = text.replace(FRAME.usage, "");
  for (let at = 0; at <= text.length; at++) {
    const tap = new StreamTap(chat, true);
    assert.equal(pass(tap, [encode(text.slice(0, at)), encode(text.slice(at))]), expected, `cut at ${at}`);
    assert.equal(tap.usage?.completionTokens, CHAT_USAGE.completion_tokens);
  }
});

Deno.test("StreamTap keeps a usage event that carries a choice as well", () => {
  const both =
    `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n`;
  assert.equal(pass(new StreamTap(chat, true), [encode(both)]), both);
});

Deno.test("StreamTap passes everything on but the usage event, for any text cut anywhere", () => {
  const frame = fc.oneof(
    fc.string({ unit: "binary" }).map(textFrame),
    fc.constantFrom(": c\n\n", "retry: 1\n\n", FRAME.role, FRAME.usage, FRAME.finish, "data: junk\n\n", "\n"),
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 8 }), (frames, cuts) => {
      const bytes = encode(frames.join(""));
      const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const pieces = edges.slice(1).map((edge, i) => bytes.slice(edges[i], edge));
      const expected = frames.filter((each) => each !== FRAME.usage).join("");
      assert.equal(pass(new StreamTap(chat, true), pieces), expected);
    }),
    { numRuns: 300 },
  );
});

Deno.test("StreamTap does not hold a long event back for its end", () => {
  const tap = new StreamTap(chat, true);
  const out = tap.push(encode(`data: ${"x".repeat(100_000)}`));
  assert.equal(out.reduce((sum, piece) => sum + piece.length, 0), 100_006);
});

Deno.test("StreamTap of a stream made here keeps what the whole answer has told, wherever the stream ends", () => {
  const usage = {
    promptTokens: 7,
    completionTokens: 2,
    totalTokens: 9,
    cachedTokens: null,
    audioTokens: null,
  };
  const tap = new StreamTap(messageStream, false);
  tap.foretell({ kind: "output", usage, incomplete: true, answerId: "resp_1" });
  tap.push(
    encode(
      'data: {"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":0}}}\n\n' +
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n',
    ),
  );
  assert.deepEqual([tap.usage, tap.incomplete, tap.complete, tap.answerId], [usage, true, true, "resp_1"]);
  assert.deepEqual([tap.sawOutput, tap.ended], [true, false]);
});

Deno.test("StreamTap of a stream made here leaves figures unknown that the whole answer does not tell", () => {
  const tap = new StreamTap(messageStream, false);
  tap.foretell({ kind: "output" });
  pass(tap, [encode('data: {"type":"message_start","message":{"usage":{}}}\n\n')]);
  assert.equal(tap.usage, null);
});

Deno.test("StreamTap tells an event's error from a null error", () => {
  const fine = new StreamTap(chat, false);
  fine.push(encode(`data: {"error":null,"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n`));
  assert.deepEqual([fine.error, fine.sawOutput], [null, true]);
  const broken = new StreamTap(chat, false);
  broken.push(encode(`data: {"error":{"message":"boom","type":"server_error","code":503}}\n\n`));
  assert.deepEqual(broken.error, { code: "503", type: "server_error", message: "boom", status: 503 });
});

Deno.test("StreamTap reads empty and missing choices, and events of other protocols, without harm", () => {
  const tap = new StreamTap(chat, false);
  tap.push(
    encode(
      'data: {"choices":[],"prompt_filter_results":[{}]}\n\ndata: {"id":"x"}\n\ndata: [1]\n\ndata: no json\n\n',
    ),
  );
  assert.deepEqual([tap.sawOutput, tap.events, tap.junk, tap.error], [false, 4, 2, null]);
});
