/** Rules of `src/access/secrets.ts`, `url_secrets.ts` and `header_secrets.ts`. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { maskHeaders, mergeHeaders } from "../../src/access/header_secrets.ts";
import { isMask, isSecretName, mask } from "../../src/access/secrets.ts";
import { urlWithoutMasks } from "../../src/access/mask_removal.ts";
import { maskUrl, mergeUrl } from "../../src/access/url_secrets.ts";

Deno.test("mask() shows the last four characters of a long secret and nothing of a short one", () => {
  assert.equal(mask("sk-0123456789"), "****6789");
  assert.equal(mask("123456789abc"), "****9abc");
  assert.equal(mask("123456789ab"), "****");
  assert.equal(mask(""), "****");
});

Deno.test("isMask() knows every mask, and what older programs wrote for a key", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (secret) => isMask(mask(secret))));
  assert.equal(isMask("***REDACTED***"), true);
  for (const text of ["", "***", "*****", "sk-1", "****1", "****12345", "x****1234"]) {
    assert.equal(isMask(text), false, text);
  }
});

const SECRET_NAMES = [
  ...[
    "api_key",
    "apiKey",
    "API-Key",
    "api_keys",
    "original_api_key",
    "originalapikey",
    "key",
    "secret",
    "client_secret",
  ],
  ...[
    "Authorization",
    "Proxy-Authorization",
    "x-api-key",
    "X-Goog-Api-Key",
    "Cookie",
    "x-auth-token",
    "access_token",
  ],
  ...[
    "X-Amz-Security-Token",
    "password",
    "db_password",
    "credentials",
    "X-Auth",
    "secret_name",
    "accessToken",
    "sig",
  ],
];
const PLAIN_NAMES = [
  ...[
    "base_url",
    "key_policy",
    "version",
    "beta",
    "check_model",
    "name",
    "weight",
    "max_tokens",
    "X-Team",
    "monkey",
  ],
  ...["Idempotency-Key", "anthropic-version", "User-Agent", "tokenizer", "author", "keyboard", "design", ""],
];

Deno.test("isSecretName() tells credentials from other names", () => {
  for (const name of SECRET_NAMES) assert.equal(isSecretName(name), true, name);
  for (const name of PLAIN_NAMES) assert.equal(isSecretName(name), false, name);
});

/** URLs with secrets, and how they are shown. */
const URLS: readonly [stored: string, shown: string][] = [
  ["http://user:canary@proxy:8080", "http://user:****@proxy:8080"],
  ["socks5://user:canary@proxy:1080/", "socks5://user:****@proxy:1080/"],
  ["http://canary@proxy:8080", "http://****@proxy:8080"],
  ["http://canary:@proxy:8080", "http://****:@proxy:8080"],
  ["http://:canary@proxy:8080", "http://:****@proxy:8080"],
  ["http://user:can@ary@proxy:8080", "http://user:****@proxy:8080"],
  ["http://user:can/ary@proxy:8080", "http://user:****@proxy:8080"],
  ["user:canary@proxy:8080", "user:****@proxy:8080"],
  ["http://h/v1?key=canary-0123456789&x=1", "http://h/v1?key=****6789&x=1"],
  ["http://h/v1?x=1&api_key=canary", "http://h/v1?x=1&api_key=****"],
  ["http://h/v1?code=canary", "http://h/v1?code=****"],
  ["http://h/v1?x?key=canary", "http://h/v1?x?key=****"],
];

for (const [stored, shown] of URLS) {
  Deno.test(`maskUrl() shows ${shown}, and mergeUrl() puts the secret back`, () => {
    assert.equal(maskUrl(stored), shown);
    assert.deepEqual(mergeUrl(stored, shown, "proxy"), { ok: true, text: stored });
  });
}

for (
  const plain of [
    "",
    "http://proxy:8080",
    "https://h/@scope/x",
    "http://h/v1?api-version=1",
    "me@example.com",
  ]
) {
  Deno.test(`maskUrl() leaves ${JSON.stringify(plain)} as it is`, () => assert.equal(maskUrl(plain), plain));
}

Deno.test("maskUrl(), mergeUrl() and urlWithoutMasks() take linear time, whatever the text repeats", () => {
  const units = [
    "?",
    "&",
    "?a",
    "&a",
    "?a=",
    "=",
    "#",
    "@",
    ":",
    "://",
    "a:",
    "****",
    "****@",
    " ",
    "?a=****",
  ];
  const startedAt = performance.now();
  for (const unit of units) {
    const text = unit.repeat(Math.ceil(1024 * 1024 / unit.length));
    maskUrl(text);
    mergeUrl("http://h?key=canary", `${text}x`, "proxy");
    urlWithoutMasks(`****${text}x`);
  }
  // A pattern that reads again what it has read would take hours for one of them.
  assert.ok(performance.now() - startedAt < 60_000);
});

Deno.test("mergeUrl() keeps the password when the host changes, and takes a new password", () => {
  const stored = "http://user:canary@old:1";
  assert.deepEqual(mergeUrl(stored, "http://user:****@new:2", "proxy"), {
    ok: true,
    text: "http://user:canary@new:2",
  });
  assert.deepEqual(mergeUrl(stored, "http://user:fresh@old:1", "proxy"), {
    ok: true,
    text: "http://user:fresh@old:1",
  });
  assert.deepEqual(mergeUrl(stored, "", "proxy"), { ok: true, text: "" });
});

Deno.test("mergeUrl() refuses a mask that stands for nothing", () => {
  for (const stored of ["", "http://proxy", "http://other:canary@proxy"]) {
    const merged = mergeUrl(stored, "http://user:****@proxy", "proxy");
    assert.equal(merged.ok, false, stored);
    assert.match(merged.ok ? "" : merged.reason, /^proxy is a mask that matches no stored secret/);
  }
  assert.equal(mergeUrl("http://h?key=canary", "http://h?key=****zzzz", "base_url").ok, false);
});

const headers = { Authorization: "Bearer canary-0123456789", "X-Team": "a", "X-Api-Key": "short" };

Deno.test("maskHeaders() masks credentials and shows the rest", () => {
  assert.deepEqual(maskHeaders(headers), { Authorization: "****6789", "X-Team": "a", "X-Api-Key": "****" });
});

Deno.test("mergeHeaders() puts credentials back whatever the name's case, and removes what is left out", () => {
  assert.deepEqual(mergeHeaders(headers, { authorization: "****6789", "X-Team": "b" }), {
    ok: true,
    headers: { authorization: "Bearer canary-0123456789", "X-Team": "b" },
  });
});

Deno.test("mergeHeaders() refuses a mask that matches no stored credential", () => {
  const merged = mergeHeaders(headers, { Authorization: "****0000" });
  assert.match(merged.ok ? "" : merged.reason, /^customer_headers\.Authorization is a mask/);
  assert.equal(mergeHeaders({}, { Cookie: "****" }).ok, false);
});
