/** Rules of `src/protocols/base_url.ts`. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { endpoint, normaliseBaseUrl } from "../../src/protocols/base_url.ts";

function normalised(type: string, text: string): string {
  const result = normaliseBaseUrl(type, text);
  return result.ok ? result.url : `refused: ${result.reason}`;
}

/** Spellings that work, with the one form that each has. */
const SPELLINGS: readonly [type: string, typed: string, url: string][] = [
  ["openai", "http://h", "http://h/v1"],
  ["openai", "http://h/", "http://h/v1"],
  ["openai", "http://h//", "http://h/v1"],
  ["openai", "http://h/v1", "http://h/v1"],
  ["openai", "http://h/v1/", "http://h/v1"],
  ["openai", "http://h/v1///", "http://h/v1"],
  ["openai", "http://h//v1", "http://h/v1"],
  ["openai", "http://h/v1/chat/completions", "http://h/v1"],
  ["openai", "http://h/v1/chat/completions/", "http://h/v1"],
  ["openai", "http://h/chat/completions", "http://h/v1"],
  ["openai", "http://h/v1/models", "http://h/v1"],
  ["openai", "http://h/v1/embeddings", "http://h/v1"],
  ["openai", "http://h/v1/completions", "http://h/v1"],
  ["openai", "http://h/V1/Chat/Completions", "http://h/V1"],
  ["openai", "http://h/api/paas/v4", "http://h/api/paas/v4"],
  ["openai", "http://h/api/paas/v4/", "http://h/api/paas/v4"],
  ["openai", "http://h/api/paas/v4/chat/completions", "http://h/api/paas/v4"],
  ["openai", "https://h.example/models", "https://h.example/models"],
  [
    "openai",
    "https://h.example/models/chat/completions?api-version=x",
    "https://h.example/models?api-version=x",
  ],
  ["openai", "http://h/v1beta/openai", "http://h/v1beta/openai"],
  ["openai", "http://h/v1?api-version=x", "http://h/v1?api-version=x"],
  ["openai", "http://h?api-version=x", "http://h/v1?api-version=x"],
  ["openai", "http://h/v1/chat/completions?api-version=x&y=%20", "http://h/v1?api-version=x&y=%20"],
  ["openai", " http://h/v1 ", "http://h/v1"],
  ["openai", "\n\thttp://h/v1\r\n", "http://h/v1"],
  ["openai", "HTTP://H/v1", "http://h/v1"],
  ["openai", "HTTPS://API.Example.COM", "https://api.example.com/v1"],
  ["openai", "https://h:443/v1", "https://h/v1"],
  ["openai", "http://h:80", "http://h/v1"],
  ["openai", "http://h:11434", "http://h:11434/v1"],
  ["openai", "https://bücher.example/v1", "https://xn--bcher-kva.example/v1"],
  ["openai", "http://h/a/../v1", "http://h/v1"],
  ["openai", "http://h/%2e%2e/v1", "http://h/v1"],
  ["openai", "http://h/completions/completions", "http://h/v1"],
  ["openai-res", "http://h", "http://h/v1"],
  ["openai-res", "http://h/v1/responses", "http://h/v1"],
  ["anthropic", "http://h", "http://h/v1"],
  ["anthropic", "http://h/v1", "http://h/v1"],
  ["anthropic", "http://h/v1/messages", "http://h/v1"],
  ["anthropic", "http://h/v1/messages/count_tokens", "http://h/v1"],
  ["anthropic", "http://h/anthropic/v1/", "http://h/anthropic/v1"],
  ["gemini", "http://h", "http://h/v1beta"],
  ["gemini", "http://h/", "http://h/v1beta"],
  ["gemini", "http://h/v1beta", "http://h/v1beta"],
  ["gemini", "http://h/v1beta/", "http://h/v1beta"],
  ["gemini", "http://h/v1", "http://h/v1"],
  ["gemini", "http://h/v1beta/models", "http://h/v1beta"],
  ["gemini", "http://h/v1beta/models/gemini-x:generateContent", "http://h/v1beta"],
  ["gemini", "http://h/v1beta/models/gemini-x:streamGenerateContent", "http://h/v1beta"],
  ["something-else", "http://h/", "http://h"],
  // Local models are normal providers.
  ["openai", "http://localhost:11434", "http://localhost:11434/v1"],
  ["openai", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"],
  ["openai", "http://[::1]:8080/v1", "http://[::1]:8080/v1"],
  ["openai", "http://10.0.0.5/v1", "http://10.0.0.5/v1"],
  ["openai", "http://192.168.1.5/v1", "http://192.168.1.5/v1"],
  ["openai", "http://169.254.7.7/v1", "http://169.254.7.7/v1"],
];

for (const [type, typed, url] of SPELLINGS) {
  Deno.test(`normaliseBaseUrl() reads ${JSON.stringify(typed)} for ${type} as ${url}`, () => {
    assert.equal(normalised(type, typed), url);
    assert.equal(normalised(type, url), url, "normalising again changes nothing");
  });
}

/** Texts that cannot work, with words of the reason. */
const REFUSED: readonly [typed: string, reason: RegExp][] = [
  ["", /base_url is empty; give/],
  ["   ", /is empty/],
  ["h/v1", /must begin with http:\/\/ or https:\/\//],
  ["//h/v1", /must begin with/],
  ["localhost:8080", /must begin with/],
  ["http:h", /must begin with/],
  ["file:///etc/passwd", /must be an http or https URL/],
  ["ftp://h/v1", /must be an http or https URL/],
  ["ws://h/v1", /must be an http or https URL/],
  ["javascript://h/%0aalert(1)", /must be an http or https URL/],
  ["http://", /has no host/],
  ["http:///v1", /has no host/],
  ["http://?x", /has no host/],
  ["http://h /v1", /blank or a control character/],
  ["http://h/\tv1", /blank or a control character/],
  ["http://h/v1\u0000", /blank or a control character/],
  ["http://h\\v1", /backslash/],
  ["http://h/v1#top", /fragment/],
  ["http://h/v1#", /fragment/],
  ["http://[::1", /is not a valid URL/],
  ["http://h:99999", /is not a valid URL/],
  ["http://1.2.3.4.5", /is not a valid URL/],
  ["http://user:canary@h/v1", /user name or password; put the credential into api_key/],
  ["http://canary@h/v1", /user name or password/],
  ["http://h:22/v1", /uses port 22, which HTTP clients refuse/],
  ["http://h:0/v1", /uses port 0/],
  ["https://h:6667/v1", /uses port 6667/],
  ["http://h:6000", /uses port 6000/],
  ["http://h:10080", /uses port 10080/],
];

for (const [typed, reason] of REFUSED) {
  Deno.test(`normaliseBaseUrl() refuses ${JSON.stringify(typed)}`, () => {
    const result = normaliseBaseUrl("openai", typed);
    assert.equal(result.ok, false);
    assert.match(result.ok ? "" : result.reason, reason);
    assert.doesNotMatch(result.ok ? "" : result.reason, /canary/);
  });
}

/** One address, many spellings. */
const METADATA = [
  ...[
    "http://169.254.169.254",
    "http://169.254.169.254/latest",
    "https://169.254.169.254:8080",
    "http://2852039166",
  ],
  ...[
    "http://0xa9fea9fe",
    "http://0xA9.0xFE.0xA9.0xFE",
    "http://0251.0376.0251.0376",
    "http://169.254.43518",
  ],
  ...[
    "http://169.16689662",
    "http://169.254.169.254.",
    "http://１６９.254.169.254",
    "http://169%2e254.169.254",
  ],
  ...["http://[::ffff:169.254.169.254]", "http://[::ffff:a9fe:a9fe]", "http://[0:0:0:0:0:FFFF:A9FE:A9FE]"],
  ...["http://[::169.254.169.254]", "http://[::ffff:0:169.254.169.254]", "http://[64:ff9b::a9fe:a9fe]"],
  ...["http://[64:ff9b::169.254.169.254]", "http://[64:ff9b:1::a9fe:a9fe]", "http://[2002:a9fe:a9fe::1]"],
  ...["http://[2001:0:1234::5601:5601]", "http://[fd00:ec2::254]", "http://[FD00:0EC2:0:0:0:0:0:254]"],
  ...["http://[fd20:ce::254]", "http://metadata.google.internal", "http://METADATA.google.INTERNAL./v1"],
  ...[
    "http://metadata",
    "http://metadata.goog",
    "http://169.254.170.2/v2/credentials",
    "http://100.100.100.200",
  ],
];

for (const typed of METADATA) {
  Deno.test(`normaliseBaseUrl() refuses the metadata service as ${typed}`, () => {
    assert.match(normalised("openai", typed), /refused: base_url points to a cloud metadata service/);
  });
}

Deno.test("normaliseBaseUrl() is idempotent and never gives a double slash in the path", () => {
  const segment = fc.constantFrom(
    "",
    "v1",
    "v1beta",
    "api",
    "models",
    "chat",
    "completions",
    "messages",
    "m:x",
    "..",
  );
  fc.assert(fc.property(
    fc.constantFrom("openai", "openai-res", "anthropic", "gemini", "x"),
    fc.array(segment, { maxLength: 6 }),
    fc.constantFrom("", "?a=b", "?"),
    (type, segments, query) => {
      const first = normaliseBaseUrl(type, `http://h/${segments.join("/")}${query}`);
      assert.ok(first.ok);
      assert.doesNotMatch(first.url.slice("http://".length), /\/\/|\/$|\/\?/);
      assert.deepEqual(normaliseBaseUrl(type, first.url), first);
    },
  ));
});

Deno.test("normaliseBaseUrl() never throws", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    normaliseBaseUrl("openai", text);
    normaliseBaseUrl("openai", `http://${text}`);
  }));
});

/** Base, path and what they make. */
const ENDPOINTS: readonly [base: string, path: string, url: string][] = [
  ["http://h/v1", "/chat/completions", "http://h/v1/chat/completions"],
  ["http://h/v1", "chat/completions", "http://h/v1/chat/completions"],
  ["http://h/v1/", "/models", "http://h/v1/models"],
  ["http://h/v1?api-version=x", "/models", "http://h/v1/models?api-version=x"],
  ["http://h/v1?api-version=x", "/models?after=m", "http://h/v1/models?api-version=x&after=m"],
  [
    "http://h/v1beta",
    "/models/m:streamGenerateContent?alt=sse",
    "http://h/v1beta/models/m:streamGenerateContent?alt=sse",
  ],
  ["http://h", "/models", "http://h/models"],
  ["http://h/v1", "", "http://h/v1"],
];

for (const [base, path, url] of ENDPOINTS) {
  Deno.test(`endpoint() joins ${base} and ${JSON.stringify(path)} to ${url}`, () =>
    assert.equal(endpoint(base, path), url));
}
