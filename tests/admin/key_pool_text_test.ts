/** Edits of the key pool in a config's text. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { addKey, changeKey, type PoolEntry, removeKey } from "../../src/admin/key_pool_text.ts";
import { parseProviderConfig } from "../../src/protocols/provider_config.ts";

const plain = (key: string): PoolEntry => ({ key, name: "", weight: 1, enabled: true });

/** The pool that a text makes. */
function poolOf(text: string): PoolEntry[] {
  const parsed = parseProviderConfig("openai", text);
  assert.ok(parsed.ok, text);
  return parsed.config.keys.map(({ id: _id, secret, ...entry }) => ({ key: secret, ...entry }));
}

const URL = '"base_url":"http://h/v1"';

Deno.test("addKey() puts a provider's first plain key where older programs look for it", () => {
  assert.equal(addKey(`{ ${URL} }`, plain("k1")), `{ ${URL} ,"api_key":"k1"}`);
  assert.equal(addKey(`{"api_key": "", ${URL}}`, plain("k1")), `{"api_key": "k1", ${URL}}`);
  assert.equal(
    addKey(`{"api_key": null,"api_keys":[],${URL}}`, plain("k1")),
    `{"api_key": "k1","api_keys":[],${URL}}`,
  );
  const named = { ...plain("k1"), name: "main", weight: 2 };
  assert.equal(addKey(`{${URL}}`, named), `{${URL},"api_keys":[{"key":"k1","name":"main","weight":2}]}`);
});

Deno.test("addKey() keeps the key that is there, in either form", () => {
  assert.equal(addKey(`{${URL}, "api_key":"k1"}`, plain("k2")), `{${URL}, "api_key":"k1","api_keys":["k2"]}`);
  assert.equal(
    addKey(`{${URL},"api_keys":[ "k1" ],"n":10000000000000000001}`, { ...plain("k2"), name: "b" }),
    `{${URL},"api_keys":[ "k1",{"key":"k2","name":"b"} ],"n":10000000000000000001}`,
  );
  assert.equal(
    addKey(`{"api_key":"k1","api_keys":null,${URL}}`, plain("k2")),
    `{"api_key":"k1","api_keys":["k2"],${URL}}`,
  );
});

Deno.test("changeKey() moves a single key into the pool, since api_key has no room for a name", () => {
  assert.equal(
    changeKey(`{"api_key": "k1", ${URL}}`, plain("k1"), { name: "main" }),
    `{${URL},"api_keys":[{"key":"k1","name":"main"}]}`,
  );
  assert.equal(
    changeKey(`{${URL}, "api_key":"k1", "api_keys":["k2", "k1"]}`, plain("k1"), { weight: 0 }),
    `{${URL}, "api_keys":[{"key":"k1","weight":0},"k2"]}`,
  );
  assert.equal(changeKey(`{"api_key":"k1",${URL}}`, plain("k1"), { weight: 1 }), `{"api_key":"k1",${URL}}`);
});

Deno.test("changeKey() touches nothing of an entry but what is changed", () => {
  assert.equal(
    changeKey(
      `{${URL},"api_keys":["k1", {"weight": 3, "note":1.0, "key":"k2"}]}`,
      { ...plain("k2"), weight: 3 },
      { name: "b" },
    ),
    `{${URL},"api_keys":["k1", {"weight": 3, "note":1.0, "key":"k2","name":"b"}]}`,
  );
  assert.equal(
    changeKey(`{${URL},"api_keys":["k1","k2"]}`, plain("k1"), { weight: 5 }),
    `{${URL},"api_keys":[{"key":"k1","weight":5},"k2"]}`,
  );
});

Deno.test("changeKey() writes that a key is off, out of reach of older programs, and that it is on again", () => {
  const off = changeKey(`{${URL},"api_key":"k1"}`, plain("k1"), { enabled: false });
  assert.equal(off, `{${URL},"api_keys":[{"key":"k1","enabled":false}]}`);
  assert.deepEqual(poolOf(off), [{ ...plain("k1"), enabled: false }]);
  const on = changeKey(off, { ...plain("k1"), enabled: false }, { enabled: true });
  assert.equal(on, `{${URL},"api_keys":[{"key":"k1","enabled":true}]}`);
  assert.equal(
    addKey(`{${URL}}`, { ...plain("k1"), enabled: false }),
    `{${URL},"api_keys":[{"key":"k1","enabled":false}]}`,
  );
});

Deno.test("removeKey() takes a key out wherever it stands, and its comma with it", () => {
  assert.equal(removeKey(`{"api_key":"k1", ${URL}}`, "k1"), `{${URL}}`);
  assert.equal(removeKey(`{${URL}, "api_key":"k1"}`, "k1"), `{${URL}}`);
  assert.equal(
    removeKey(`{"api_key":"old",${URL},"api_key":"k1","api_keys":["k1",{"key":"k1"}, "k2" ,"k1"]}`, "k1"),
    `{${URL},"api_keys":["k2"]}`,
  );
  assert.equal(removeKey(`{${URL},"api_keys":[ "k1" ]}`, "k1"), `{${URL},"api_keys":[]}`);
});

const keys = fc.constantFrom("k1", "k2", "k3", "k4");
const entry = fc.oneof(
  keys,
  fc.record(
    { key: keys, name: fc.constantFrom("a", ""), weight: fc.nat(3), enabled: fc.boolean() },
    { requiredKeys: ["key"] },
  ),
  fc.constant(""),
);
const layout = fc.constantFrom(undefined, 1, "\t");

Deno.test("edits change the pool as they say and leave every other member alone", () => {
  fc.assert(fc.property(
    fc.record({
      api_key: fc.option(keys),
      api_keys: fc.option(fc.array(entry, { maxLength: 5 })),
      zeta: fc.json(),
    }, {
      requiredKeys: [],
    }),
    keys,
    fc.record({ name: fc.constantFrom("n", ""), weight: fc.nat(3), enabled: fc.boolean() }),
    layout,
    (members, key, change, indent) => {
      const text = JSON.stringify({ ...members, base_url: "http://h/v1", "10": 1, "2": 2 }, null, indent);
      const rest = (config: string) => ({ ...JSON.parse(config), api_key: 0, api_keys: 0 });
      const before = poolOf(text);
      const others = before.filter((each) => each.key !== key);
      const known = before.find((each) => each.key === key);

      const removed = removeKey(text, key);
      assert.deepEqual(poolOf(removed), others);
      assert.deepEqual(rest(removed), rest(text));

      if (known === undefined) {
        const added = addKey(text, { key, ...change });
        assert.deepEqual(poolOf(added), [...before, { key, ...change }]);
        assert.deepEqual(rest(added), rest(text));
      } else {
        const changed = changeKey(text, known, change);
        assert.deepEqual(poolOf(changed), before.map((each) => each === known ? { key, ...change } : each));
        assert.deepEqual(rest(changed), rest(text));
      }
    },
  ));
});
