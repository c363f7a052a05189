/** Rules of `src/protocols/provider_config.ts`. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  keyId,
  keysOn,
  parseProviderConfig,
  type ProviderConfig,
} from "../../src/protocols/provider_config.ts";

function parsed(type: string, config: unknown): ProviderConfig {
  const result = parseProviderConfig(type, JSON.stringify(config));
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.config;
}

function reason(type: string, text: string): string {
  const result = parseProviderConfig(type, text);
  assert.equal(result.ok, false);
  return result.ok ? "" : result.reason;
}

const base_url = "http://h";

Deno.test("parseProviderConfig() normalises the base URL and gives defaults", () => {
  assert.deepEqual(parsed("anthropic", { base_url: "http://h/", api_key: "k1" }), {
    baseUrl: "http://h/v1",
    keys: [{ id: keyId("k1"), name: "", weight: 1, enabled: true, secret: "k1" }],
    keyPolicy: "round_robin",
    version: "2023-06-01",
    beta: "",
    checkModel: "",
    extra: {},
  });
});

Deno.test("keysOn() tells a pool that is switched off from none", () => {
  const off = { key: "k1", enabled: false };
  assert.deepEqual(keysOn(parsed("openai", { base_url })), []);
  assert.equal(keysOn(parsed("openai", { base_url, api_keys: [off] })), null);
  // The first of two that are the same key counts.
  assert.equal(keysOn(parsed("openai", { base_url, api_keys: [off, "k1"] })), null);
});

Deno.test("parseProviderConfig() reads every member", () => {
  const config = parsed("anthropic", {
    base_url,
    api_key: "k1",
    api_keys: ["k2", { key: "k3", name: "spare", weight: 0 }, { key: "k4", enabled: false }],
    key_policy: "least_used",
    version: "2024-01-01",
    beta: "a,b",
    check_model: "small",
  });
  assert.deepEqual(config.keys.map(({ secret, name, weight, enabled }) => [secret, name, weight, enabled]), [
    ["k1", "", 1, true],
    ["k2", "", 1, true],
    ["k3", "spare", 0, true],
    ["k4", "", 1, false],
  ]);
  assert.deepEqual(keysOn(config)?.map(({ secret }) => secret), ["k1", "k2", "k3"]);
  assert.equal(config.keyPolicy, "least_used");
  assert.equal(config.version, "2024-01-01");
  assert.equal(config.beta, "a,b");
  assert.equal(config.checkModel, "small");
});

Deno.test("parseProviderConfig() keeps members that it does not know", () => {
  assert.deepEqual(parsed("openai", { base_url, region: "eu", nested: { a: [1] } }).extra, {
    region: "eu",
    nested: { a: [1] },
  });
});

for (const api_key of ["", "  ", null, undefined]) {
  Deno.test(`parseProviderConfig() takes api_key ${JSON.stringify(api_key)} for a provider without credentials`, () => {
    assert.deepEqual(parsed("openai", { base_url, api_key, api_keys: null }).keys, []);
  });
}

Deno.test("parseProviderConfig() takes a repeated secret once", () => {
  const { keys } = parsed("openai", { base_url, api_key: "k", api_keys: ["k", { key: "k" }, "l", ""] });
  assert.deepEqual(keys.map(({ secret }) => secret), ["k", "l"]);
});

Deno.test("parseProviderConfig() trims keys", () => {
  assert.equal(parsed("openai", { base_url, api_key: " k\n" }).keys[0]?.secret, "k");
});

Deno.test("keyId() is short, depends on the secret alone and does not show it", () => {
  assert.match(keyId("sk-canary"), /^[0-9a-f]{16}$/);
  assert.equal(keyId("sk-canary"), keyId("sk-canary"));
  assert.notEqual(keyId("sk-canary"), keyId("sk-canarz"));
});

/** Texts that mean nothing, with words of the reason. */
const REFUSED: readonly [type: string, text: string, reason: RegExp][] = [
  ["openai", "", /config is not valid JSON/],
  ["openai", "{", /config is not valid JSON/],
  ["openai", "[]", /config must be a JSON object/],
  ["openai", "null", /config must be a JSON object/],
  ["openai", '"x"', /config must be a JSON object/],
  ["openai", "{}", /base_url is empty/],
  ["openai", '{"base_url":null}', /base_url is empty/],
  ["openai", '{"base_url":1}', /base_url must be a string/],
  ["openai", '{"base_url":"ftp://h"}', /base_url must be an http or https URL/],
  ["openai", '{"base_url":"http://h","api_key":7}', /api_key must be a string/],
  [
    "openai",
    '{"base_url":"http://h","api_key":"canary\\nx: y"}',
    /api_key contains a character that cannot be sent/,
  ],
  [
    "openai",
    '{"base_url":"http://h","api_key":"canary€"}',
    /api_key contains a character that cannot be sent/,
  ],
  ["openai", '{"base_url":"http://h","api_keys":"canary"}', /api_keys must be an array/],
  ["openai", '{"base_url":"http://h","api_keys":[1]}', /api_keys\[0\] must be a string or an object/],
  ["openai", '{"base_url":"http://h","api_keys":["a",{"name":"n"}]}', /api_keys\[1\]\.key must be a string/],
  [
    "openai",
    '{"base_url":"http://h","api_keys":[{"key":"canary","name":1}]}',
    /api_keys\[0\]\.name must be a string/,
  ],
  [
    "openai",
    '{"base_url":"http://h","api_keys":[{"key":"canary","weight":-1}]}',
    /api_keys\[0\]\.weight must be a whole/,
  ],
  ["openai", '{"base_url":"http://h","api_keys":[{"key":"canary","weight":0.5}]}', /api_keys\[0\]\.weight/],
  ["openai", '{"base_url":"http://h","api_keys":[{"key":"canary","enabled":1}]}', /api_keys\[0\]\.enabled/],
  ["openai", '{"base_url":"http://h","api_keys":[{"key":"canary","weight":"3"}]}', /api_keys\[0\]\.weight/],
  [
    "openai",
    '{"base_url":"http://h","key_policy":"best"}',
    /key_policy must be one of round_robin, random, least_used/,
  ],
  ["anthropic", '{"base_url":"http://h","version":"x\\r\\ny"}', /version contains a character/],
  ["openai", '{"base_url":"http://h","check_model":{}}', /check_model must be a string/],
  ["mystery", '{"base_url":"http://h"}', /type is unknown; known are openai, openai-res, anthropic, gemini/],
  ["", '{"base_url":"http://h"}', /type is unknown/],
];

for (const [type, text, expected] of REFUSED) {
  Deno.test(`parseProviderConfig() refuses ${type || "no type"} with ${text || "no text"}`, () => {
    assert.match(reason(type, text), expected);
    assert.doesNotMatch(reason(type, text), /canary/);
  });
}

Deno.test("parseProviderConfig() never throws", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseProviderConfig("openai", text)));
  const members = fc.dictionary(
    fc.constantFrom("base_url", "api_key", "api_keys", "key_policy", "version"),
    fc.jsonValue(),
  );
  fc.assert(fc.property(members, (config) => void parseProviderConfig("openai", JSON.stringify(config))));
});
