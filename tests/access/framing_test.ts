import assert from "node:assert/strict";
import { doubtOf } from "../../src/access/framing.ts";

/** A request as the server hands it over: the URL is made of the scheme, `Host` and the target. */
function doubt(
  headers: Record<string, string>,
  url = `http://${headers.host ?? "localhost"}/v1/x?y=/z`,
): string | null {
  return doubtOf({ url, headers: new Headers(headers) } as Request);
}

const SOUND: Record<string, string>[] = [
  {},
  { host: "" },
  { host: "localhost:7070" },
  { host: "my_gateway.example", "content-length": "0" },
  { host: "[::1]:7070", "content-length": "12" },
  { host: "[::ffff:127.0.0.1]" },
  { host: "h", "transfer-encoding": "chunked" },
  { host: "h", "transfer-encoding": " Chunked " },
];

for (const headers of SOUND) {
  Deno.test(`doubtOf() sees none in ${JSON.stringify(headers)}`, () => assert.equal(doubt(headers), null));
}

const DOUBTFUL: [headers: Record<string, string>, doubt: RegExp][] = [
  ...["a/b", "a/api/keys?", "a?b", "a#b", "user@evil", "a b", "a, b", "a\\b", "a:port", "[::1", "ä", "a:1:2"]
    .map((host): [Record<string, string>, RegExp] => [{ host }, /^host must be/]),
  ...["gzip, chunked", "chunked, identity", "identity", "chunked, chunked", "xchunked", ""]
    .map((coding): [Record<string, string>, RegExp] => [
      { host: "h", "transfer-encoding": coding },
      /^transfer-encoding must be chunked/,
    ]),
  ...["4, 4", "+4", "-4", "0x4", "4.0", "", "9999999999999999"]
    .map((length): [Record<string, string>, RegExp] => [
      { host: "h", "content-length": length },
      /^content-length must be/,
    ]),
  [{ host: "h", "transfer-encoding": "chunked", "content-length": "4" }, /exclude each other/],
];

for (const [headers, expected] of DOUBTFUL) {
  Deno.test(`doubtOf() sees one in ${JSON.stringify(headers)}`, () =>
    assert.match(doubt(headers) ?? "none", expected));
}

Deno.test("doubtOf() sees one in a target for another host, whatever its spelling", () => {
  assert.match(doubt({ host: "h" }, "http://evil.example/v1") ?? "", /differ/);
  assert.match(doubt({ host: "h" }, "http://h.evil.example/v1") ?? "", /differ/);
  assert.match(doubt({ host: "h" }, "http://h@evil.example/v1") ?? "", /differ/);
  assert.equal(doubt({ host: "H:80" }, "http://h/v1"), null);
  assert.equal(doubt({ host: "h" }, "https://h?x"), null);
});
