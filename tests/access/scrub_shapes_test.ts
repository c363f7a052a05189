import assert from "node:assert/strict";
import fc from "fast-check";
import { withoutShapes } from "../../src/access/secret_shapes.ts";

const B = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const body = (length: number) => B.repeat(2).slice(0, length);

/** Each is gone as a whole, wherever it stands. */
const TOKENS: Readonly<Record<string, string>> = {
  "OpenAI": `sk-${body(48)}`,
  "OpenAI project": `sk-proj-${body(40)}_${body(20)}-${body(10)}`,
  "Anthropic": `sk-ant-api03-${body(60)}-AA`,
  "OpenRouter": `sk-or-v1-${"0f".repeat(32)}`,
  "this gateway's key": `sk-llmio-${body(36)}`,
  "this gateway's admin token": `llmio-admin-${body(36)}`,
  "Cerebras": `csk-${body(40)}`,
  "Google": `AIzaSy${body(33)}`,
  "Google, bound": `AQ.Ab8RN6${body(40)}`,
  "Google OAuth": `ya29.${body(60)}`,
  "AWS": "AKIAIOSFODNN7EXAMPLE",
  "GitHub": `ghp_${body(36)}`,
  "GitHub, fine-grained": `github_pat_${body(22)}_${body(40)}`,
  "xAI": `xai-${body(60)}`,
  "Groq": `gsk_${body(50)}`,
  "Hugging Face": `hf_${body(34)}`,
  "Perplexity": `pplx-${body(48)}`,
  "NVIDIA": `nvapi-${body(60)}`,
  "Zhipu": `${"0f".repeat(16)}.${body(16)}`,
  "JWT": `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.${body(43)}`,
};

for (const [name, token] of Object.entries(TOKENS)) {
  Deno.test(`withoutShapes() masks a token of ${name} wherever it stands`, () => {
    for (
      const [before, after] of [["", ""], ["key ", " is wrong"], ['{"a":"', '"}'], ["(", ")"], ["x=", ","], [
        "a\\n",
        "",
      ], ["a%20", ""]]
    ) {
      assert.equal(withoutShapes(`${before}${token}${after}`), `${before}****${after}`);
    }
  });
}

const PEM = `-----BEGIN RSA PRIVATE KEY-----\n${body(64)}\n-----END RSA PRIVATE KEY-----`;

for (
  const [given, clean] of [
    ["Authorization: Bearer abcDEF123456", "Authorization: Bearer ****"],
    ["bearer tok_abc.def-9~x+/==", "bearer ****"],
    ["Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic ****"],
    ["Authorization: abcdef123456", "Authorization: ****"],
    ["x-api-key: abcdef123", "x-api-key: ****"],
    ["api_key=abc123def&x=1", "api_key=****&x=1"],
    ["OPENAI_API_KEY=abc123def", "OPENAI_API_KEY=****"],
    ["http://h/v1?alt=sse&key=hunter2", "http://h/v1?alt=sse&key=****"],
    ["http://h/v1?api_key=hunter&b=2", "http://h/v1?api_key=****&b=2"],
    ["(http://h/v1?access_token=hunter)", "(http://h/v1?access_token=****)"],
    ["http://user:pa%ss:w@rd@h:1/x", "http://user:****@h:1/x"],
    ["socks5://token@h", "socks5://****@h"],
    ['{"api_key":"a b\\"c","model":"m"}', '{"api_key":"****","model":"m"}'],
    ['{"password" : "x"}', '{"password" : "****"}'],
    ['{"clientSecret":"x","n":1}', '{"clientSecret":"****","n":1}'],
    ['{"key":"0a1b2c3d4e5f6a7b"}', '{"key":"****"}'],
    ['{"error":"{\\"api_key\\":\\"abc\\"}"}', '{"error":"{\\"api_key\\":\\"****\\"}"}'],
    ['{"api_key":"cut of', '{"api_key":"****'],
    ["cookie: a=1; session=2\nx: y", "cookie: ****\nx: y"],
    [`before ${PEM} after`, "before **** after"],
    [JSON.stringify({ pem: PEM, x: 1 }), '{"pem":"****","x":1}'],
    [PEM.slice(0, 60), "****"],
  ] as const
) {
  Deno.test(`withoutShapes() turns ${JSON.stringify(given.slice(0, 48))} into a text without its secret`, () => {
    assert.equal(withoutShapes(given), clean);
    assert.equal(withoutShapes(clean), clean);
  });
}

Deno.test("withoutShapes() leaves what is no secret", () => {
  for (
    const text of [
      "sk- is how keys begin, and a task-oriented-conversation-2 or risk-assessment-model-2024 is none",
      "Missing bearer authentication in header; basic information follows",
      "You didn't provide an API key. Use Authorization: Bearer auth",
      "trace 4bf92f3577b34da6a3ce929d0e0e4736 of 00f067aa0ba902b7",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "claude-opus-4-1-20250805 gpt-4o-mini-2024-07-18 gemini-2.5-pro models/text-embedding-004 o3",
      "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B hf.co/bartowski/Llama-3.2-3B ft:gpt-4o:acme::A1b2C3d4",
      '{"max_tokens":100000,"token":"x","cache_key":"team","prompt_tokens":1,"idempotency_key":"a1b2c3d4e5f6"}',
      '{"error":{"message":"Unsupported parameter: \'max_tokens\'","param":"max_tokens","code":"unsupported"}}',
      '{"reason":"API_KEY_INVALID","message":"API key not valid. Please pass a valid API key."}',
      "password: must be longer; token: missing; max_token=131072",
      "http://127.0.0.1:8080/v1/models?page=2&key_policy=rotor&after=abc mail to a@b.example",
      "msg_01XFDUDYJgAACzvnptvVoYEL chatcmpl-9d5f1c0a resp_68aa call_abc123 req_011CSHoEeqs5C35K2UUqR7Fy",
      'sk-llmio-****abcd http://u:****@h ?key=****6789 {"api_key":"****6789"} api_key: ****a123',
      "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    ]
  ) assert.equal(withoutShapes(text), text);
});

Deno.test("withoutShapes() takes linear time, whatever the text repeats", () => {
  const units = [
    ...[
      "sk-",
      "-sk-a",
      "csk-",
      "AIza",
      "eyJ",
      "-eyJaaaaaaaaa",
      "eyJaaaaaaaa.",
      "AQ.",
      "hf_",
      "0f",
      "a_",
      "a-",
    ],
    ...["://", "://a:b", "a://", "?a=", "&;&;", "&key=", "bearer ", "bearer+", "basic A", "api_key=", "api-"],
    ...[
      "authorization=",
      "token: ",
      "cookie:    ",
      "cookie: a=",
      "-----BEGIN PRIVATE KEY-----",
      "-----BEGIN ",
    ],
    ...['"a":"', '"key":"', '\\"key\\":\\"', '"key":"\\\\', '"password":"aaaa', '"', "\\", " ", "0", "x"],
  ];
  const startedAt = performance.now();
  for (const unit of units) withoutShapes(unit.repeat(Math.ceil(1024 * 1024 / unit.length)));
  // A pattern that reads again what it has read would take hours for one of them.
  assert.ok(performance.now() - startedAt < 60_000);
});

Deno.test("withoutShapes() changes nothing any further, whatever it is given", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.constantFrom(
      ...Object.values(TOKENS),
      PEM,
      'api_key":"',
      "Bearer ",
      "http://u:",
      "@",
      "?key=",
      '\\"',
      "\n",
    ),
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
    const once = withoutShapes(pieces.join(" "));
    for (const [name, token] of Object.entries(TOKENS)) assert.ok(!once.includes(token), name);
    return withoutShapes(once).length <= once.length + 8;
  }));
});
