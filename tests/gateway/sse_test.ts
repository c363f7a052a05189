import assert from "node:assert/strict";
import fc from "fast-check";
import { type SseEvent, SseReader } from "../../src/gateway/sse.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Everything a reader makes of pieces: data of the events, and `null` for each block without any. */
function read(pieces: readonly Uint8Array[], maxEventBytes?: number): (SseEvent | null)[] {
  const events: (SseEvent | null)[] = [];
  const reader = new SseReader((event) => events.push(event), maxEventBytes);
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return events;
}
const dataOf = (events: readonly (SseEvent | null)[]) =>
  events.flatMap((event) => event === null ? [] : [event.data]);
const data = (text: string) => dataOf(read([encode(text)]));

Deno.test("SseReader reads every line ending the standard knows", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = ["data: one", "", ": a comment", "event: named", "data:two", "data: lines", "", ""].join(
      end,
    );
    const events = read([encode(text)]);
    assert.deepEqual(dataOf(events), ["one", "two\nlines"], JSON.stringify(end));
    assert.equal(events[1]?.name, "named");
  }
});

Deno.test("SseReader reads data with and without a space, and keeps further spaces", () => {
  assert.deepEqual(data("data:a\n\ndata: b\n\ndata:  c\n\ndata\n\n"), ["a", "b", " c", ""]);
});

Deno.test("SseReader makes no event of comments, ids and retry times alone", () => {
  assert.deepEqual(read([encode(": ping\n\n:\n\nretry: 3000\n\nid: 7\n\n")]), [null, null, null, null]);
});

Deno.test("SseReader ignores unknown fields and fields that only begin like known ones", () => {
  assert.deepEqual(data("database: x\nevents: y\ndata: z\n\n"), ["z"]);
});

Deno.test("SseReader passes over a byte order mark", () => {
  assert.deepEqual(dataOf(read([new Uint8Array([0xef, 0xbb, 0xbf, ...encode("data: a\n\n")])])), ["a"]);
});

Deno.test("SseReader reads an event that the end of the stream cuts short of its blank line", () => {
  assert.deepEqual(data("data: a\n\ndata: b"), ["a", "b"]);
  assert.deepEqual(data("data: a\n\ndata: b\n"), ["a", "b"]);
});

Deno.test("SseReader reads the same events wherever the bytes are cut", () => {
  const stream = encode("data: 北京 🌍 é\r\n\r\n: c\r\rdata: x\ndata: y\n\nevent: e\r\ndata: z\r\n\r\n");
  const whole = read([stream]);
  for (let i = 0; i <= stream.length; i++) {
    for (let j = i; j <= stream.length; j += 3) {
      const pieces = [stream.slice(0, i), stream.slice(i, j), stream.slice(j)];
      assert.deepEqual(read(pieces), whole, `cut at ${i} and ${j}`);
    }
  }
  assert.deepEqual(read([...stream].map((byte) => new Uint8Array([byte]))), whole);
});

Deno.test("SseReader agrees with a slow reference on any input, cut anywhere", () => {
  const piece = fc.constantFrom(
    "data",
    "event",
    "data:",
    "data: ",
    ":",
    " ",
    "\n",
    "\r",
    "\r\n",
    "é",
    "x",
    "id: 1",
    "🌍",
    "\n\n",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(60), { maxLength: 6 }), (parts, cuts) => {
      const text = parts.join("");
      const stream = encode(text);
      const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
      const pieces = at.slice(1).map((end, i) => stream.slice(at[i], end));
      assert.deepEqual(dataOf(read(pieces)), slowReference(text));
    }),
    { numRuns: 500 },
  );
});

/** The standard's algorithm, line by line, with the lenient end that {@link SseReader.end} describes. */
function slowReference(text: string): string[] {
  const events: string[] = [];
  let lines: string[] = [];
  const dispatch = () => {
    if (lines.length > 0) events.push(lines.join("\n"));
    lines = [];
  };
  const all = text.split(/\r\n|\n|\r/);
  for (const line of all) {
    if (line === "") dispatch();
    const [, value] = /^data(?::(?: ?)([^]*))?$/.exec(line) ?? [null, undefined];
    if (/^data(?::|$)/.test(line)) lines.push(value ?? "");
  }
  dispatch();
  return events;
}

Deno.test("SseReader reads a line of many megabytes in linear time", () => {
  const long = "x".repeat(12_000_000);
  const stream = encode(`data: ${long}\n\ndata: next\n\n`);
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < stream.length; i += 16_384) pieces.push(stream.subarray(i, i + 16_384));
  const started = performance.now();
  const events = dataOf(read(pieces));
  // Far above what it takes; a buffer that is searched from its start again and again would need minutes.
  assert.ok(performance.now() - started < 2_000);
  assert.deepEqual(events.map((event) => event.length), [long.length, 4]);
});

Deno.test("SseReader keeps no more of an endless line than its limit, and reads on after it", () => {
  const reader = new SseReader(() => {}, 1_000);
  const before = Deno.memoryUsage().external;
  for (let i = 0; i < 2_000; i++) reader.push(encode("a".repeat(16_384)));
  assert.ok(Deno.memoryUsage().external - before < 8_000_000);
  const events = read([encode(`data: ${"a".repeat(2_000)}\ndata: more\n\ndata: b\n\n`)], 1_000);
  assert.deepEqual(events, [
    { name: "", data: "", oversized: true },
    { name: "", data: "b", oversized: false },
  ]);
});
