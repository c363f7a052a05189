import assert from "node:assert/strict";
import fc from "fast-check";
import {
  appendMember,
  applySplices,
  parsePath,
  scanObject,
  setMember,
  setPath,
  valuesAt,
  withoutLongStrings,
  withoutMember,
} from "../../src/gateway/json_body.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const set = (body: string, name: string, json: string) => {
  const data = bytes(body);
  return text(applySplices(data, setMember(scanObject(data), name, json)));
};

Deno.test("setMember() changes nothing but the value it is given", () => {
  const body =
    `{ "zebra" : 1, "10":2 ,"2" :3.0, "big":9007199254740993, "model"\t: "a" , "exp":1e400,\n "n":{"model":"b"} }`;
  assert.equal(set(body, "model", '"x"'), body.replace('"a"', '"x"'));
});

Deno.test("setMember() replaces every member of a name that occurs twice", () => {
  assert.equal(
    set(`{"model":"a","x":[1,"model"],"model":"b"}`, "model", '"m"'),
    `{"model":"m","x":[1,"model"],"model":"m"}`,
  );
});

Deno.test("setMember() finds a name that is written with escapes", () => {
  assert.equal(set(`{"\\u006dodel":"a"}`, "model", '"m"'), `{"\\u006dodel":"m"}`);
});

Deno.test("setMember() adds what is missing at the end", () => {
  assert.equal(set(`{"a":1}`, "model", '"m"'), `{"a":1,"model":"m"}`);
  assert.equal(set(` {\n} `, "model", '"m"'), ` {\n"model":"m"} `);
});

Deno.test("setMember() is not misled by quotes, backslashes and braces in strings", () => {
  const body = String.raw`{"a":"\\","b":"\"}{","c":["]","\\\""],"model":"old","d":"\u0022"}`;
  assert.equal(set(body, "model", '"new"'), body.replace('"old"', '"new"'));
});

Deno.test("scanObject() passes over a byte order mark", () => {
  const data = new Uint8Array([0xef, 0xbb, 0xbf, ...bytes(`{"model":"a"}`)]);
  assert.equal(text(applySplices(data, setMember(scanObject(data), "model", '"m"'))), `{"model":"m"}`);
  assert.deepEqual([...applySplices(data, []).slice(0, 3)], [0xef, 0xbb, 0xbf]);
});

Deno.test("setPath() sets nested members, array items and new branches", () => {
  const cases: [string, string, string, string][] = [
    [`{"a":{"b":1,"c":2}}`, "a.b", "9", `{"a":{"b":9,"c":2}}`],
    [`{"a":{}}`, "a.b.c", "9", `{"a":{"b":{"c":9}}}`],
    [`{}`, "a.b", "9", `{"a":{"b":9}}`],
    [`{"a":[1,2]}`, "a.1", "9", `{"a":[1,9]}`],
    [`{"a":[1,2]}`, "a.-1", "9", `{"a":[1,2,9]}`],
    [`{"a":[]}`, "a.-1", "9", `{"a":[9]}`],
    [`{"a":[{"b":1}]}`, "a.0.b", "9", `{"a":[{"b":9}]}`],
    [`{"a":"text"}`, "a.b", "9", `{"a":{"b":9}}`],
    [`{"a.b":1}`, "a\\.b", "9", `{"a.b":9}`],
    [`{"a":1,"a":2}`, "a", "9", `{"a":9,"a":9}`],
    [`{"x":1}`, "", "9", `{"x":1,"":9}`],
  ];
  for (const [body, path, json, expected] of cases) {
    assert.equal(text(setPath(bytes(body), path, json)), expected, `${path} in ${body}`);
  }
});

Deno.test("parsePath() keeps escaped dots together", () => {
  assert.deepEqual(parsePath("a.b\\.c.-1"), ["a", "b.c", "-1"]);
});

Deno.test("setMember() agrees with parsing on any body", () => {
  const body = fc.dictionary(fc.string(), fc.jsonValue());
  const spacing = fc.constantFrom("", " ", "\n\t", 2);
  fc.assert(fc.property(body, fc.string(), fc.jsonValue(), spacing, (object, name, value, space) => {
    fc.pre(name !== "__proto__");
    const printed = JSON.stringify(object, null, space);
    const changed = JSON.parse(set(printed, name, JSON.stringify(value)));
    assert.deepEqual(changed, JSON.parse(JSON.stringify({ ...object, [name]: value })));
  }));
});

Deno.test("scanObject() crosses a body of many megabytes in linear time", () => {
  const long = "A".repeat(8_000_000) + String.raw`\"`.repeat(100_000);
  const data = bytes(`{"image":"${long}","list":[${"1,".repeat(200_000)}1],"model":"a"}`);
  const started = performance.now();
  const span = scanObject(data);
  // Far above what it takes; a scan that goes back would need minutes.
  assert.ok(performance.now() - started < 2_000);
  assert.deepEqual(span.members.map((member) => member.name), ["image", "list", "model"]);
});

Deno.test("appendMember() writes no comma into an empty object", () => {
  const data = bytes("{}");
  assert.equal(text(applySplices(data, [appendMember(scanObject(data), "a", "1")])), `{"a":1}`);
});

Deno.test("valuesAt() finds what stands at a path, in each item of an array for *, and nothing else", () => {
  const text = ` {"a":[ {"b":1.0},{"c":2}, {"b" : "x","b":[ ]},7], "b":{"a":null}}`;
  const found = (...path: string[]) =>
    valuesAt(bytes(text), path).map(({ start, end }) => text.slice(start, end));
  assert.deepEqual(found("a", "*", "b"), ["1.0", '"x"', "[ ]"]);
  assert.deepEqual(found("b", "a"), ["null"]);
  assert.deepEqual(found("b"), ['{"a":null}']);
  assert.deepEqual([found("b", "*"), found("a", "b"), found("c"), found("b", "a", "x")], [[], [], [], []]);
});

Deno.test("withoutLongStrings() leaves the long strings empty and everything else as it was", () => {
  const long = String.raw`x\"\\`.repeat(20);
  const body = String.raw`{"a":"short \" }","${long}":1,"b":["${long}",{"c":"${long}"}],"d":"e"}`;
  assert.deepEqual(
    JSON.parse(text(withoutLongStrings(bytes(body), 50))),
    { a: 'short " }', "": 1, b: ["", { c: "" }], d: "e" },
  );
  assert.equal(text(withoutLongStrings(bytes('{"a":"b"}'), 50)), '{"a":"b"}');
});

Deno.test("withoutLongStrings() makes no JSON of what is none", () => {
  const long = "x".repeat(60);
  for (
    const body of [
      `{"a":"${long}`,
      `{"a":"${long}\\"}`,
      `"${long}"}`,
      `{"a":"${long}" "b"}`,
      `{"a":${long}"b"}`,
    ]
  ) {
    assert.throws(() => JSON.parse(text(withoutLongStrings(bytes(body), 50))), SyntaxError, body);
  }
});

Deno.test("withoutLongStrings() agrees with parsing on any body", () => {
  const limit = 8;
  const emptied = (value: unknown): unknown => {
    if (typeof value === "string") {
      return new TextEncoder().encode(JSON.stringify(value)).length > limit ? "" : value;
    }
    if (Array.isArray(value)) return value.map(emptied);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [emptied(name), emptied(each)]));
  };
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
    const printed = JSON.stringify(value);
    assert.deepEqual(
      JSON.parse(text(withoutLongStrings(bytes(printed), limit))),
      JSON.parse(JSON.stringify(emptied(JSON.parse(printed)))),
    );
  }));
});

Deno.test("withoutMember() takes every member of a name out, and leaves all other bytes", () => {
  const without = (text: string) =>
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(withoutMember(new TextEncoder().encode(text), "x"));
  for (
    const [text, rest] of [
      ["{}", "{}"],
      ['{"x":1}', "{}"],
      ['\ufeff { "x" : [1,{"x":2}] }', "\ufeff { }"],
      ['{"x":1 , "a":{"x":1}}', '{ "a":{"x":1}}'],
      ['{"a":"x" , "x" : "}" }', '{"a":"x" }'],
      ['{"a":1,"x":2,"b":3}', '{"a":1,"b":3}'],
      ['{"x":1,"x":2,"a":3,"\\u0078":4,"x":5}', '{"a":3}'],
      ['{"x":1,"x":2}', "{}"],
    ] as const
  ) assert.equal(without(text), rest);
});
