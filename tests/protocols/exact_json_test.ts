import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExact } from "../../src/protocols/exact_json.ts";

const again = (text: string) => JSON.stringify(parseExact(text));

Deno.test("parseExact() keeps numbers as they were written", () => {
  for (const number of ["12345678901234567890", "1.0", "-0", "1e400", "0.1", "1E5", "-12.50", "7"]) {
    assert.equal(again(number), number);
    assert.equal(again(`{"a":[${number}]}`), `{"a":[${number}]}`);
  }
});

Deno.test("parseExact() gives ordinary numbers as numbers, and refuses what is no JSON", () => {
  assert.deepEqual(parseExact('{"a":1,"b":[true,null,"1.0"]}'), { a: 1, b: [true, null, "1.0"] });
  assert.throws(() => parseExact("{"), SyntaxError);
});

Deno.test("parseExact() keeps a member that is called __proto__", () => {
  assert.equal(again('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}');
});

Deno.test("parseExact() reads whatever JSON.stringify prints", () => {
  fc.assert(fc.property(fc.json(), (text) => assert.equal(again(text), JSON.stringify(JSON.parse(text)))));
});
