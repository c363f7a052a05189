/** Rules of taking masks out of texts from elsewhere. @module */
import assert from "node:assert/strict";
import { maskConfig } from "../../src/access/config_secrets.ts";
import { urlWithoutMasks, withoutMaskedMembers } from "../../src/access/mask_removal.ts";
import { maskUrl } from "../../src/access/url_secrets.ts";

const CONFIGS: readonly [what: string, config: string, left: unknown][] = [
  ["a key", '{"base_url":"https://h/v1","api_key":"sk-0123456789abcdef"}', { base_url: "https://h/v1" }],
  ["a short key", '{"base_url":"https://h/v1","api_key":"sk-1"}', { base_url: "https://h/v1" }],
  ["a pool", '{"api_keys":["sk-0123456789abcdef",{"key":"sk-1","name":"n","weight":2}],"version":"1"}', {
    version: "1",
  }],
  ["a secret deep inside", '{"extra":{"auth":{"x":"sk-0123456789abcdef"},"n":1}}', {
    extra: { auth: {}, n: 1 },
  }],
  ["a URL with credentials", '{"base_url":"https://u:p-secret@h/v1?key=sk-0123456789abcdef&a=1"}', {
    base_url: "https://h/v1?a=1",
  }],
];

for (const [what, config, left] of CONFIGS) {
  Deno.test(`withoutMaskedMembers() leaves nothing of ${what} that a read has masked`, () => {
    const shown = maskConfig(config);
    assert.match(shown, /\*{4}/);
    assert.deepEqual(JSON.parse(withoutMaskedMembers(shown)), left);
  });
}

Deno.test("withoutMaskedMembers() drops what llmio enhanced has redacted", () => {
  assert.equal(withoutMaskedMembers('{"api_key":"***REDACTED***","a":1}'), '{"a":1}');
});

Deno.test("withoutMaskedMembers() keeps a text without masks to the byte, JSON or not", () => {
  for (const text of ['{ "api_key": "sk-1",  "n": 1.0 }', '{"note":"*** stars ***"}', "", "{***", "***"]) {
    assert.equal(withoutMaskedMembers(text), text);
  }
});

Deno.test("urlWithoutMasks() leaves a URL that needs no credentials", () => {
  const cases = [
    ["http://user:secret@proxy.example:3128", "http://proxy.example:3128"],
    ["socks5://token@proxy.example:1", "socks5://proxy.example:1"],
    ["https://h/x?key=sk-0123456789abcdef", "https://h/x"],
    ["https://h/x?a=1&token=sk-0123456789abcdef#f", "https://h/x?a=1#f"],
    ["https://h/x?token=sk-0123456789abcdef&b=2", "https://h/x?b=2"],
  ] as const;
  for (const [url, left] of cases) assert.equal(urlWithoutMasks(maskUrl(url)), left);
  assert.equal(urlWithoutMasks("https://h/x?a=1"), "https://h/x?a=1");
});
