/** Rules of `src/access/config_secrets.ts` and of what it is built on. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { maskConfig, mergeConfig, UNREADABLE_CONFIG } from "../../src/access/config_secrets.ts";
import { type JsonNode, parseJsonObject, setTextMember } from "../../src/access/json_text.ts";

function merged(stored: unknown, incoming: unknown): unknown {
  const result = mergeConfig(JSON.stringify(stored), JSON.stringify(incoming));
  return result.ok ? JSON.parse(result.text) : `refused: ${result.reason}`;
}

const A = "sk-canary-aaaaaaaa-1111", B = "sk-canary-bbbbbbbb-2222";

Deno.test("maskConfig() masks every kind of key and keeps all other bytes", () => {
  const text = `{
\t"base_url" : "http://h/v1", "10": 1, "2": 9007199254740993,
\t"api_key":"${A}", "api_keys": [ "${B}", {"key":"${A}","name":"main","weight":1.0} ],
\t"original_api_key":"${A}", "oauth": {"client_secret": "${B}"}, "pin_secret": 12345, "key_policy": "random",
\t"empty_key": "", "no_key": null, "proxy_url": "http://u:${B}@p"
}`;
  const shown = maskConfig(text);
  assert.equal(
    shown,
    text.replace(`"http://u:${B}@p"`, '"http://u:****@p"').replaceAll(A, "****1111").replaceAll(B, "****2222")
      .replace("12345", '"****"'),
  );
  assert.doesNotMatch(shown, /canary/);
});

Deno.test("maskConfig() masks escaped spellings of a member's name", () => {
  assert.equal(maskConfig(`{"\\u0061pi_key":"${A}"}`), '{"\\u0061pi_key":"****1111"}');
});

for (
  const text of [
    "{",
    `"${A}"`,
    `["${A}"]`,
    "null",
    `{"api_key":"${A}"} x`,
    `{"a":${"[".repeat(99)}${"]".repeat(99)}}`,
  ]
) {
  Deno.test(`maskConfig() does not show the unreadable ${text.slice(0, 30)}`, () => {
    assert.equal(maskConfig(text), UNREADABLE_CONFIG);
    assert.deepEqual(
      mergeConfig(text, UNREADABLE_CONFIG),
      { ok: true, text },
      "sent back, it changes nothing",
    );
  });
}

Deno.test("mergeConfig() keeps the stored text when the masked one is sent back", () => {
  const text = `{ "base_url":"http://h", "api_key" : "${A}" }`;
  assert.deepEqual(mergeConfig(text, maskConfig(text)), { ok: true, text });
});

Deno.test("mergeConfig() keeps the key when a mask is sent with other changes", () => {
  const merge = mergeConfig(
    `{"api_key":"${A}"}`,
    '{ "base_url":"http://new", "api_key":"****1111","2":1,"1":2 }',
  );
  assert.deepEqual(merge, { ok: true, text: `{ "base_url":"http://new", "api_key":"${A}","2":1,"1":2 }` });
});

/** Stored, sent and what is stored then. */
const WRITES: readonly [rule: string, stored: unknown, sent: unknown, result: unknown][] = [
  ["keeps a key that is left out", { base_url: "a", api_key: A }, { base_url: "b" }, {
    base_url: "b",
    api_key: A,
  }],
  ["keeps keys that an empty object leaves out", { api_key: A, api_keys: [B] }, {}, {
    api_key: A,
    api_keys: [B],
  }],
  ["takes a new key", { api_key: A }, { api_key: B }, { api_key: B }],
  ["removes the key for an empty text", { api_key: A }, { api_key: "" }, { api_key: "" }],
  ["removes the key for null", { api_key: A }, { api_key: null }, { api_key: null }],
  ["removes the pool for an empty array", { api_keys: [A] }, { api_keys: [] }, { api_keys: [] }],
  ["keeps a pool that is left out beside api_key", { api_keys: [A] }, { api_key: "" }, {
    api_key: "",
    api_keys: [A],
  }],
  ["lets a pool replace the single key", { api_key: A }, { api_keys: [B] }, { api_keys: [B] }],
  ["moves the single key into a pool by its mask", { api_key: A }, { api_keys: ["****1111", B] }, {
    api_keys: [A, B],
  }],
  [
    "makes a pool key the single key by its mask",
    { api_keys: [A, B] },
    { api_key: "****2222", api_keys: [] },
    {
      api_key: B,
      api_keys: [],
    },
  ],
  ["follows pool keys that are reordered", { api_keys: [A, B] }, { api_keys: ["****2222", "****1111"] }, {
    api_keys: [B, A],
  }],
  ["drops a pool key that is left out", { api_keys: [A, B] }, { api_keys: ["****2222"] }, { api_keys: [B] }],
  ["adds a pool key", { api_keys: [A] }, { api_keys: ["new", "****1111"] }, { api_keys: ["new", A] }],
  ["keeps a pool key whose name and weight change", { api_keys: [{ key: A, name: "x" }] }, {
    api_keys: [{ key: "****1111", name: "y", weight: 3 }],
  }, { api_keys: [{ key: A, name: "y", weight: 3 }] }],
  ["tells look-alikes by name", { api_keys: [{ key: "s1", name: "x" }, { key: "s2", name: "y" }] }, {
    api_keys: [{ key: "****", name: "y" }],
  }, { api_keys: [{ key: "s2", name: "y" }] }],
  ["tells look-alikes by order when all are there", { api_keys: ["s1", "s2"] }, {
    api_keys: ["****", "****"],
  }, {
    api_keys: ["s1", "s2"],
  }],
  ["keeps other secrets that are left out", { oauth_secret: A }, { base_url: "b" }, {
    base_url: "b",
    oauth_secret: A,
  }],
  ["puts nested secrets back by their place", { o: { secret: A } }, { o: { secret: "****1111", n: 1 } }, {
    o: { secret: A, n: 1 },
  }],
  [
    "puts the secret of a URL back",
    { base_url: "http://h?key=canary" },
    { base_url: "http://h/v1?key=****" },
    {
      base_url: "http://h/v1?key=canary",
    },
  ],
  ["puts the password of a URL back", { proxy: "http://u:canary@p" }, { proxy: "http://u:****@p", n: 1 }, {
    proxy: "http://u:canary@p",
    n: 1,
  }],
  ["drops plain members that are left out", { region: "eu" }, { base_url: "b" }, { base_url: "b" }],
];

for (const [rule, stored, sent, result] of WRITES) {
  Deno.test(`mergeConfig() ${rule}`, () => assert.deepEqual(merged(stored, sent), result));
}

/** Stored and sent texts that cannot be merged, with words of the reason. */
const REFUSED: readonly [rule: string, stored: unknown, sent: unknown, reason: RegExp][] = [
  [
    "a mask that matches no stored key",
    { api_key: A },
    { api_key: "****9999" },
    /api_key is a mask that matches no/,
  ],
  ["a mask where nothing is stored", {}, { api_key: "****" }, /api_key is a mask/],
  ["the fork's redaction", { api_key: A }, { api_key: "***REDACTED***" }, /api_key is a mask/],
  [
    "a pool mask that matches nothing",
    { api_keys: [A] },
    { api_keys: ["****9999"] },
    /api_keys\[0\] is a mask/,
  ],
  ["a pool mask in an object", {}, { api_keys: [{ key: "****" }] }, /api_keys\[0\]\.key is a mask/],
  [
    "a mask that fits several keys",
    { api_keys: ["s1", "s2"] },
    { api_keys: ["****"] },
    /fits several stored keys/,
  ],
  ["a text that is no object", { api_key: A }, [A], /config must be a JSON object/],
];

for (const [rule, stored, sent, reason] of REFUSED) {
  Deno.test(`mergeConfig() refuses ${rule}`, () => {
    assert.match(String(merged(stored, sent)), reason);
    assert.doesNotMatch(String(merged(stored, sent)), /canary/);
  });
}

Deno.test("mergeConfig() never stores a mask and always gives back what a read showed", () => {
  const secret = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !text.startsWith("***"));
  const entry = fc.oneof(secret, fc.record({ key: secret, name: fc.string(), weight: fc.nat() }));
  const config = fc.record(
    {
      base_url: fc.webUrl(),
      api_key: secret,
      api_keys: fc.array(entry),
      other: fc.jsonValue({ maxDepth: 3 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(fc.property(config, (stored) => {
    const text = JSON.stringify(stored);
    // One more member, so that the whole text is not simply recognised.
    const sent = { ...JSON.parse(maskConfig(text)), added: 1 };
    assert.deepEqual(merged(stored, sent), { ...JSON.parse(text), added: 1 });
  }));
});

Deno.test("parseJsonObject() reads what JSON.parse reads, and each span holds its value", () => {
  const value = (node: JsonNode): unknown => {
    if (node.kind === "scalar") return node.value;
    if (node.kind === "array") return node.items.map(value);
    return Object.fromEntries(node.members.map((member) => [member.name, value(member.value)]));
  };
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2, "\t"), (object, indent) => {
      const text = JSON.stringify(object, null, indent);
      const node = parseJsonObject(text);
      assert.ok(node);
      assert.deepEqual(value(node), JSON.parse(text));
      for (const member of node.members) {
        assert.deepEqual(JSON.parse(text.slice(member.value.start, member.value.end)), value(member.value));
      }
    }),
  );
});

Deno.test("setTextMember() changes that member alone", () => {
  assert.equal(
    setTextMember('{ "2":1, "u" : "a", "1":{"u":"a"} }', "u", "b"),
    '{ "2":1, "u" : "b", "1":{"u":"a"} }',
  );
  assert.equal(setTextMember('{"u":"a"}', "u", "a"), '{"u":"a"}');
  assert.equal(setTextMember('{"u":"\\u0061"}', "u", "a"), '{"u":"\\u0061"}');
});
