/** Rules that hold for the whole admin API. @module */
import assert from "node:assert/strict";
import { adminToken } from "../../src/access/admin_token.ts";
import { hashKey } from "../../src/access/key_text.ts";
import { PROVIDER, seed, startAdmin, TOKEN } from "./harness.ts";

const MISSING = "Authorization header is missing";
const MALFORMED = "Invalid authorization header";
const WRONG = "Invalid token";
const bearer = (credential: string): [string, string][] => [["authorization", `Bearer ${credential}`]];

/** Ways of not having the token. */
const CREDENTIALS: readonly [what: string, headers: [string, string][], message: string][] = [
  ["no header", [], "Authorization header is missing"],
  ["an empty header", [["authorization", ""]], "Authorization header is missing"],
  ["a scheme alone", [["authorization", "Bearer"]], "Invalid authorization header"],
  ["an empty bearer", [["authorization", "Bearer "]], "Invalid authorization header"],
  ["a wrong token", [["authorization", "bearer x"]], "Invalid token"],
  ["a token too many", [["authorization", `Bearer ${TOKEN}x`]], "Invalid token"],
  ["a prefix of the token", [["authorization", `Bearer ${TOKEN.slice(0, -1)}`]], "Invalid token"],
  ["another scheme", [["authorization", `Basic ${btoa(`admin:${TOKEN}`)}`]], "Invalid authorization header"],
  ["the bare token", [["authorization", TOKEN]], "Invalid authorization header"],
  ["an empty x-api-key", [["x-api-key", ""]], "Authorization header is missing"],
  ["the token as x-api-key", [["x-api-key", TOKEN]], "Authorization header is missing"],
  ["null", [["authorization", "Bearer null"]], "Invalid token"],
  ["undefined", [["authorization", "Bearer undefined"]], "Invalid token"],
  [
    "an auth key",
    [["authorization", "Bearer sk-llmio-0000000000000000000000000000000000aa"]],
    "Invalid token",
  ],
  [
    "two headers",
    [["authorization", `Bearer ${TOKEN}`], ["authorization", `Bearer ${TOKEN}`]],
    "Invalid authorization",
  ],
  ["a wrong header before the right one", [...bearer("x"), ...bearer(TOKEN)], MALFORMED],
  ["a wrong header after the right one", [...bearer(TOKEN), ["authorization", "Basic eDp5"]], MALFORMED],
  ["a header of blanks", [["authorization", "   "]], MISSING],
  ["a bearer of blanks", [["authorization", "Bearer \t "]], MALFORMED],
  ["a scheme that sticks to the token", [["authorization", `Bearer${TOKEN}`]], MALFORMED],
  ["a scheme of another name", [["authorization", `Token ${TOKEN}`]], MALFORMED],
  ["the scheme twice", bearer(`Bearer ${TOKEN}`), WRONG],
  ["the token twice", bearer(`${TOKEN} ${TOKEN}`), WRONG],
  ["the token in quotes", bearer(`"${TOKEN}"`), WRONG],
  ["an empty text in quotes", bearer('""'), WRONG],
  ["an object", bearer("[object Object]"), WRONG],
  ["a number", bearer("0"), WRONG],
  ["a word for true", bearer("true"), WRONG],
  ["a pattern", bearer("*"), WRONG],
  ["the token in other letters", bearer(TOKEN.toLowerCase()), WRONG],
  ["the token with a percent-encoded NUL", bearer(`${TOKEN}%00`), WRONG],
  ["the token with a control character", bearer(`${TOKEN}\x01`), WRONG],
  ["the token with a no-break space", bearer(`${TOKEN}\xa0`), WRONG],
  ["a token beyond ASCII", bearer("gr\xf6\xdfe"), WRONG],
  ["a token beyond ASCII in UTF-8", bearer("gr\xc3\xb6\xc3\x9fe"), WRONG],
  ["bytes that are no UTF-8", bearer("\xff\xfe\x80"), WRONG],
  ["a token of 1 MB", bearer("x".repeat(1024 * 1024)), WRONG],
  ["a long text after the token", bearer(TOKEN + "x".repeat(10_000)), WRONG],
  ["a thousand schemes", bearer("Bearer ,".repeat(1000)), MALFORMED],
  ["the token's hash", bearer(hashKey(TOKEN)), WRONG],
  ["a named token that there is not", bearer(`llmio-admin-${"0".repeat(36)}`), WRONG],
  ["the token as x-goog-api-key", [["x-goog-api-key", TOKEN]], MISSING],
  ["the token as a proxy's credential", [["proxy-authorization", `Bearer ${TOKEN}`]], MISSING],
  ["the token as a cookie", [["cookie", `token=${TOKEN}; authorization=Bearer ${TOKEN}`]], MISSING],
];

/** Where no credential belongs. */
const QUERIES = ["", "?key=", `?token=${TOKEN}`, `?key=${TOKEN}`];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

Deno.test("admin: every route answers 401 without the token, whatever the method", async (t) => {
  await using admin = await startAdmin();
  assert.ok(admin.routes.length > 20);
  const paths = new Set(admin.routes.map(({ path }) => path.replace(":id", "1")));
  for (const path of [...paths, "/api/nowhere"]) {
    await t.step(path, async () => {
      for (const [what, headers, message] of CREDENTIALS) {
        for (const method of METHODS) {
          for (const query of headers.length === 0 ? QUERIES : [""]) {
            const answer = await admin.send(path + query, { method, headers });
            assert.equal(answer.status, 401, `${method} ${path}${query} with ${what}`);
            if (method === "HEAD") assert.equal(answer.text, "");
            else assert.deepEqual([answer.code, answer.message.startsWith(message)], [401, true], what);
            assert.equal(answer.data, undefined);
          }
        }
      }
    });
  }
  assert.equal(admin.reloads(), 0);
});

Deno.test("admin: a NUL in a header opens no route, whatever the method", async () => {
  await using admin = await startAdmin();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => admin.raw(request),
  );
  const paths = new Set(admin.routes.map(({ path }) => path.replace(":id", "1")));
  for (const path of paths) {
    for (const method of METHODS) {
      for (const credential of ["\0", `${TOKEN}\0`, `\0${TOKEN}`]) {
        const status = await statusOf(
          server.addr.port,
          `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
            `Authorization: Bearer ${credential}\r\nContent-Length: 0\r\n\r\n`,
        );
        assert.ok(status === 400 || status === 401, `${method} ${path}: ${status}`);
      }
    }
  }
});

/** Sends bytes and reads the status of the answer. */
async function statusOf(port: number, request: string): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  const bytes = new Uint8Array(64);
  const length = await connection.read(bytes);
  const text = new TextDecoder().decode(bytes.subarray(0, length ?? 0));
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
}

Deno.test("admin: without a token only this machine may call, and no foreign page", async () => {
  await using admin = await startAdmin({ token: adminToken("  ") });
  for (const { path } of admin.routes) {
    for (const headers of [{ host: "evil.example" }, { host: "localhost", origin: "https://evil.example" }]) {
      const answer = await admin.send(path.replace(":id", "1"), { headers: new Headers(headers) });
      assert.deepEqual([answer.status, answer.code], [403, 403], path);
    }
  }
  const headers = { host: "localhost:7070", authorization: "Bearer null" };
  assert.equal((await admin.send("/api/version", { headers })).data, "1.2.3");
});

Deno.test("admin: a foreign origin is granted nothing, preflight included", async () => {
  await using admin = await startAdmin();
  const headers = { origin: "app://obsidian.md", "access-control-request-method": "PUT" };
  for (const method of ["OPTIONS", "GET"]) {
    for (const authorization of ["", `Bearer ${TOKEN}`]) {
      const answer = await admin.send("/api/providers", { method, headers: { ...headers, authorization } });
      for (const [name] of answer.headers) assert.doesNotMatch(name, /^access-control/);
    }
  }
});

Deno.test("admin: an unknown path is a JSON 404", async () => {
  await using admin = await startAdmin();
  for (const path of ["", "/", "/nope", "/providers/1/nope", "/metrics", "/models/order/1/2"]) {
    const answer = await admin.call("GET", path);
    assert.deepEqual([answer.status, answer.code], [404, 404], path);
    assert.equal(answer.headers.get("content-type"), "application/json");
  }
});

Deno.test("admin: a known path with another method is a 405 that names the allowed ones", async () => {
  await using admin = await startAdmin();
  const cases = [
    ["PATCH", "/providers", "GET, HEAD, POST"],
    ["GET", "/providers/1", "DELETE, PUT"],
    ["GET", "/providers/1/status", "PATCH"],
    ["OPTIONS", "/models", "GET, HEAD, POST"],
    ["DELETE", "/logs", "GET, HEAD"],
    ["POST", "/version/", "GET, HEAD"],
  ] as const;
  for (const [method, path, allow] of cases) {
    const answer = await admin.call(method, path);
    assert.deepEqual([answer.status, answer.code, answer.headers.get("allow")], [405, 405, allow], path);
  }
});

Deno.test("admin: a trailing slash changes nothing, and HEAD is answered like GET without a body", async () => {
  await using admin = await startAdmin();
  await seed(admin);
  for (
    const path of ["/providers", "/models", "/models/select", "/logs", "/version", "/providers/template"]
  ) {
    const plain = await admin.call("GET", path);
    const slashed = await admin.call("GET", `${path}/`);
    const head = await admin.call("HEAD", path);
    assert.equal(plain.status, 200, path);
    assert.equal(slashed.text, plain.text);
    assert.deepEqual([head.status, head.text], [200, ""]);
  }
  assert.equal((await admin.call("PUT", "/models/1/", { remark: "x" })).data.Remark, "x");
});

Deno.test("admin: answers are JSON that no cache keeps", async () => {
  await using admin = await startAdmin();
  for (const path of ["/version", "/nope", "/logs?page=0", "/openapi.json"]) {
    const { headers } = await admin.call("GET", path);
    assert.equal(headers.get("content-type"), "application/json");
    assert.equal(headers.get("cache-control"), "no-store");
  }
  assert.equal((await admin.send("/api/version")).headers.get("cache-control"), "no-store");
});

Deno.test("admin: GET /api/version answers the version", async () => {
  await using admin = await startAdmin();
  assert.equal((await admin.call("GET", "/version")).text, '{"code":200,"message":"success","data":"1.2.3"}');
});

/** Bodies that are no JSON objects, the status and words of the message. */
const BODIES: readonly [
  what: string,
  body: BodyInit,
  status: number,
  message: RegExp,
  headers?: Record<string, string>,
][] = [
  ["nothing", "", 400, /it is empty; send a JSON object/],
  ["blanks", " \n", 400, /it is empty/],
  ["half an object", '{"name":', 400, /it is not valid JSON/],
  ["a form", "name=x", 400, /not valid JSON \(its content-type/, {
    "content-type": "application/x-www-form-urlencoded",
  }],
  ["an array", "[]", 400, /must be a JSON object/],
  ["null", "null", 400, /must be a JSON object/],
  ["a text", '"name"', 400, /must be a JSON object/],
  ["no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), 400, /is not UTF-8/],
  ["a number that cannot be kept", '{"name":9007199254740993}', 400, /too large to be kept exactly/],
  ["an infinite number", '{"name":1e400}', 400, /too large to be kept exactly/],
  ["endless nesting", `{"name":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, 400, /nested too deep/],
  ["more than 1 MiB", `{"name":"${"x".repeat(1024 * 1024)}"}`, 413, /larger than 1 MiB/],
  ["a compressed body", "{}", 415, /content-encoding is not supported/, { "content-encoding": "gzip" }],
];

Deno.test("admin: a body that is no JSON object is refused", async (t) => {
  await using admin = await startAdmin();
  for (const [what, body, status, message, headers] of BODIES) {
    await t.step(`${what} with ${status}`, async () => {
      for (const path of ["/api/providers", "/api/models", "/api/model-providers"]) {
        const sent = { authorization: `Bearer ${TOKEN}`, ...headers };
        const answer = await admin.send(path, { method: "POST", headers: sent, body });
        assert.deepEqual([answer.status, answer.code], [status, status]);
        assert.match(answer.message, message);
      }
    });
  }
});

Deno.test("admin: a body streamed without a length is cut off at 1 MiB", async () => {
  await using admin = await startAdmin();
  let pulled = 0;
  const body = new ReadableStream({
    pull: (stream) => stream.enqueue(new Uint8Array(65_536).fill(++pulled ? 32 : 0)),
  });
  const answer = await admin.send("/api/models", {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body,
  });
  assert.equal(answer.status, 413);
  assert.ok(pulled < 40, `${pulled} chunks were read`);
});

Deno.test("admin: JSON is read whatever the content type, and with a byte order mark", async () => {
  await using admin = await startAdmin();
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/x-www-form-urlencoded" };
  const answer = await admin.send("/api/models", { method: "POST", headers, body: '\ufeff{"name":"m"}' });
  assert.equal(answer.status, 200);
});

Deno.test("admin: an unknown field is refused, with the known one that was probably meant", async () => {
  await using admin = await startAdmin();
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["/models", { name: "m", max_retries: 3 }, /unknown field "max_retries"; did you mean "max_retry"\?/],
    ["/models", { name: "m", Breakr: true }, /unknown field "Breakr"; did you mean "breaker"\?/],
    ["/models", { name: "m", zzzzzzzz: 1 }, /unknown field "zzzzzzzz"; known fields are name, remark/],
    ["/providers", { ...PROVIDER, protype: 1 }, /unknown field "protype"/],
    ["/model-providers", { model_id: 1, wieght: 2 }, /unknown field "wieght"; did you mean "weight"\?/],
    ["/models", JSON.parse('{"name":"m","__proto__":{"a":1}}'), /unknown field "__proto__"/],
    ["/models", { name: "m", constructor: 1 }, /unknown field "constructor"/],
  ];
  for (const [path, body, message] of cases) {
    const answer = await admin.call("POST", path, body);
    assert.equal(answer.status, 400);
    assert.match(answer.message, message);
  }
});

Deno.test("admin: field names are matched as llmio does, and the documented spelling wins", async () => {
  await using admin = await startAdmin();
  const { data } = await admin.call("POST", "/models", {
    NAME: "m",
    MaxRetry: 3,
    max_retry: 4,
    TIMEOUT: 5,
    ID: 99,
  });
  assert.deepEqual([data.ID, data.Name, data.MaxRetry, data.TimeOut], [1, "m", 4, 5]);
});

Deno.test("admin: a malformed id is a 400", async () => {
  await using admin = await startAdmin();
  for (const id of ["abc", "1.5", "-1", "1e3", "0x1", "99999999999999999999", "%20"]) {
    for (const path of [`/providers/${id}`, `/models/${id}`, `/model-providers/${id}`]) {
      const answer = await admin.call("DELETE", path);
      assert.deepEqual([answer.status, answer.message], [400, "Invalid ID format"], path);
    }
  }
});

Deno.test("admin: an unforeseen failure is a 500 that says nothing of its cause, in message and error", async () => {
  await using base = await startAdmin();
  const list = () => Promise.reject(new Error("SQL and canary"));
  const broken = await startAdmin({ store: { ...base.store, models: { ...base.store.models, list } } });
  const answer = await broken.call("GET", "/models/select");
  assert.equal(answer.status, 500);
  assert.deepEqual(JSON.parse(answer.text), {
    code: 500,
    message: "Internal error; the log says more",
    error: "Internal error; the log says more",
  });
});

Deno.test("admin: a write is answered only after routing has been reloaded", async () => {
  const events: string[] = [];
  await using admin = await startAdmin({
    onRoutingChange: async () => {
      await Promise.resolve();
      events.push("reloaded");
    },
  });
  await admin.call("POST", "/models", { name: "m" });
  events.push("answered");
  assert.deepEqual(events, ["reloaded", "answered"]);
});

Deno.test("admin: a change that could not be put in force is reported as such", async () => {
  await using admin = await startAdmin({ onRoutingChange: () => Promise.reject(new Error("no")) });
  const answer = await admin.call("POST", "/models", { name: "m" });
  assert.equal(answer.status, 500);
  assert.match(answer.message, /stored but not in force/);
});

Deno.test("admin: changes of one row at the same time do not lose one another", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", { name: "m" });
  await Promise.all([
    admin.call("PUT", "/models/1", { remark: "note" }),
    admin.call("PUT", "/models/1", { max_retry: 3 }),
    admin.call("PUT", "/models/1", { breaker: true }),
  ]);
  const { data: [model] } = await admin.call("GET", "/models");
  assert.deepEqual([model.Remark, model.MaxRetry, model.Breaker], ["note", 3, true]);
});
