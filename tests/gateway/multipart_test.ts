import assert from "node:assert/strict";
import fc from "fast-check";
import { boundaryOf, MalformedForm, readFormFields } from "../../src/gateway/multipart.ts";
import { applySplices } from "../../src/gateway/json_body.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

const part = (name: string, value: string, more = "") =>
  `--B\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const fields = (text: string, boundary = "B") =>
  readFormFields(encode(text), boundary).map(({ name, value }) => [name, value]);

Deno.test("boundaryOf() reads the boundary in any legal spelling", () => {
  const cases: [string, string | null][] = [
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data ; charset=utf-8; Boundary="a b;c"', "a b;c"],
    ["multipart/form-data;boundary=a;x=y", "a"],
    ['multipart/form-data; boundary="a\\"b"', 'a"b'],
    ["application/json", null],
    ["multipart/form-database; boundary=a", null],
    ["", null],
  ];
  for (const [type, boundary] of cases) assert.equal(boundaryOf(type), boundary, type);
  for (
    const type of [
      "multipart/form-data",
      "multipart/form-data; boundary=",
      'multipart/form-data; boundary=""',
    ]
  ) {
    assert.throws(() => boundaryOf(type), MalformedForm, type);
  }
});

Deno.test("readFormFields() reads text fields and leaves files alone", () => {
  const text = part("model", "m") +
    part("file", "no delimiter: --B\r\n-B", '; filename="a.png"\r\nContent-Type: image/png') +
    part("note", "两行\r\n文字") + part("empty", "") + "--B--\r\nepilogue";
  assert.deepEqual(fields(text), [["model", "m"], ["note", "两行\r\n文字"], ["empty", ""]]);
});

Deno.test("readFormFields() takes what clients make of the format", () => {
  const named = (head: string) => fields(`--B\r\n${head}\r\n\r\nv\r\n--B--`);
  assert.deepEqual(named("content-disposition:form-data;name=model"), [["model", "v"]]);
  assert.deepEqual(
    named('Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"'),
    [["model", "v"]],
  );
  assert.deepEqual(named('Content-Disposition: form-data; name="a; filename=\\"x\\""'), [[
    'a; filename="x"',
    "v",
  ]]);
  assert.deepEqual(named("Content-Disposition: form-data; name=f; filename*=UTF-8''x"), []);
  assert.deepEqual(named("X-Other: 1"), []);
  assert.deepEqual(fields(`preamble\r\n--B \t\r\n${part("a", "1").slice(5)}--B--`), [["a", "1"]]);
  assert.deepEqual(fields("--B\r\n\r\nno head\r\n--B--"), []);
  assert.deepEqual(fields(`--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n--B--`), [["a", ""]]);
  assert.deepEqual(fields("--B--"), []);
});

Deno.test("readFormFields() refuses what is no whole form, with a reason", () => {
  const whole = part("model", "m") + part("a", "b") + "--B--\r\n";
  assert.equal(fields(whole).length, 2);
  for (let at = 0; at < whole.length - 4; at++) {
    assert.throws(() => fields(whole.slice(0, at)), MalformedForm, `cut at ${at}`);
  }
  for (const text of ["{}", part("a", "b"), "--B\nx\n\n--B--", "--Bx\r\n\r\n--B--"]) {
    assert.throws(() => fields(text), MalformedForm, text);
  }
  assert.throws(() => fields(part("a", "").repeat(1_001) + "--B--"), /more than 1000 parts/);
  assert.throws(() => fields(`--B\r\nX: ${"x".repeat(20_000)}\r\n\r\n\r\n--B--`), MalformedForm);
});

Deno.test("readFormFields() does not read long fields, and finds the end of a large file at once", () => {
  const file = "A".repeat(20_000_000);
  const text = encode(
    part("prompt", "p".repeat(9_000)) + part("file", file, '; filename="f"') + part("model", "m") + "--B--",
  );
  const started = performance.now();
  assert.deepEqual(readFormFields(text, "B").map(({ name }) => name), ["model"]);
  assert.ok(performance.now() - started < 1_000);
});

/** The same by plain means: the body is split at its delimiters. */
function slowFields(text: string): [string, string][] {
  return text.slice("--B\r\n".length, text.lastIndexOf("\r\n--B--")).split("\r\n--B\r\n").flatMap((each) => {
    const [head = "", ...rest] = each.split("\r\n\r\n");
    const name = /name="(\w+)"/.exec(head)?.[1];
    return name === undefined || head.includes("filename") ? [] : [[name, rest.join("\r\n\r\n")]];
  });
}

Deno.test("readFormFields() agrees with a plain reading of any form, and replacing a value keeps all other bytes", () => {
  const value = fc.uint8Array({ maxLength: 60 }).map(latin1).filter((text) => !text.includes("\r\n--B"));
  const arbitrary = fc.record({
    name: fc.constantFrom("model", "prompt", "n"),
    value,
    file: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(arbitrary, { minLength: 1, maxLength: 8 }), (parts) => {
      const text = parts.map(({ name, value, file }) =>
        part(name, value, file ? '; filename="f"' : "")
      ).join("") +
        "--B--\r\n";
      const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
      const read = readFormFields(bytes, "B");
      assert.deepEqual(
        read.map(({ name, start, end }) => [name, latin1(bytes.subarray(start, end))]),
        slowFields(text),
      );
      const models = read.filter(({ name }) => name === "model");
      const spliced = applySplices(
        bytes,
        models.map(({ start, end }) => ({ start, end, bytes: encode("new") })),
      );
      const expected = parts.map(({ name, value, file }) =>
        part(name, name === "model" && !file ? "new" : value, file ? '; filename="f"' : "")
      ).join("") + "--B--\r\n";
      assert.equal(latin1(spliced), expected);
    }),
    { numRuns: 500 },
  );
});

Deno.test("readFormFields() answers or refuses, whatever the bytes", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "--B",
      "\r\n",
      "--",
      "Content-Disposition: form-data; name=",
      '"',
      "model",
      "\r\n\r\n",
      ";",
    ),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        readFormFields(encode(pieces.join("")), "B");
      } catch (error) {
        assert.ok(error instanceof MalformedForm, String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});
