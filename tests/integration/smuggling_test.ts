import assert from "node:assert/strict";
import { okChat } from "../upstream/fixtures.ts";
import { chunk } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { RawConnection } from "./raw_connection.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const BODY = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const CHUNKED_BODY = `${new TextDecoder().decode(chunk(BODY))}0\r\n\r\n`;
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";
/** What an attacker hides in what somebody else takes for a body. */
const HIDDEN = `GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** A chat request with these header lines instead of those that frame it. */
function post(lines: string, body: string, start = "POST /v1/chat/completions HTTP/1.1"): string {
  return `${start}\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n${lines}\r\n${body}`;
}

function get(lines: string, start = "GET /v1/models HTTP/1.1"): string {
  return `${start}\r\n${lines}Authorization: Bearer ${TOKEN}\r\n\r\n`;
}

/** Each has to be refused, with 4xx or by closing, before a provider hears of it. */
const REFUSED: Record<string, string> = {
  "both lengths": post(`Content-Length: 5\r\n${CHUNKED}`, `0\r\n\r\n${HIDDEN}`),
  "both lengths, the other way round": post(`${CHUNKED}Content-Length: 5\r\n`, `0\r\n\r\n${HIDDEN}`),
  "two lengths that differ": post(`Content-Length: 4\r\n${LENGTH}`, BODY + HIDDEN),
  "the same length twice": post(LENGTH + LENGTH, BODY),
  "a list of lengths": post(`Content-Length: ${BODY.length}, ${BODY.length}\r\n`, BODY),
  "a length with a sign": post(`Content-Length: +${BODY.length}\r\n`, BODY),
  "a negative length": post("Content-Length: -1\r\n", BODY),
  "a hexadecimal length": post(`Content-Length: 0x${BODY.length.toString(16)}\r\n`, BODY),
  "a length beyond all numbers": post("Content-Length: 99999999999999999999\r\n", BODY),
  "chunked, identity": post("Transfer-Encoding: chunked, identity\r\n", CHUNKED_BODY),
  "identity alone": post("Transfer-Encoding: identity\r\n", HIDDEN),
  "a coding that only looks like chunked": post("Transfer-Encoding: xchunked\r\n", CHUNKED_BODY),
  "a vertical tab before chunked": post("Transfer-Encoding: \x0bchunked\r\n", CHUNKED_BODY),
  "a coding before chunked": post("Transfer-Encoding: gzip, chunked\r\n", CHUNKED_BODY),
  "two lines of codings": post(`Transfer-Encoding: identity\r\n${CHUNKED}`, CHUNKED_BODY),
  "chunked twice": post(CHUNKED + CHUNKED, CHUNKED_BODY),
  "a blank before the colon": post("Transfer-Encoding : chunked\r\n", CHUNKED_BODY),
  "a folded line": post(`X-A: b\r\n ${CHUNKED}${LENGTH}`, BODY),
  "a bare LF that would hide a header": post(`X-A: b\n${CHUNKED}${LENGTH}`, BODY),
  "a bare CR in a value": post(`X-A: b\rContent-Length: 3\r\n${LENGTH}`, BODY),
  "a NUL in a value": post(`X-A: b\0c\r\n${LENGTH}`, BODY),
  "a header without a colon": post(`X-A\r\n${LENGTH}`, BODY),
  "a header without a name": post(`: x\r\n${LENGTH}`, BODY),
  "a negative chunk": post(CHUNKED, `-1\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size with 0x": post(CHUNKED, `0x${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size beyond all numbers": post(CHUNKED, `fffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size that ends in a bare LF": post(CHUNKED, `${BODY.length.toString(16)}\n${BODY}\r\n0\r\n\r\n`),
  "a chunk that is longer than it says": post(CHUNKED, `2\r\n${BODY}\r\n0\r\n\r\n`),
  "chunked in HTTP/1.0": post(CHUNKED, CHUNKED_BODY, "POST /v1/chat/completions HTTP/1.0"),
  "a target for another host": post(LENGTH, BODY, "POST http://evil.example/v1/chat/completions HTTP/1.1"),
  "two hosts": get("Host: localhost\r\nHost: evil.example\r\n"),
  "a host with a path": get("Host: localhost/api/providers?\r\n"),
  "a host with a user": get("Host: localhost@evil.example\r\n"),
  "a header of 1 MB": get(`Host: localhost\r\nX-A: ${"a".repeat(1 << 20)}\r\n`),
  "10,000 headers": get(
    `Host: localhost\r\n${Array.from({ length: 10_000 }, (_, n) => `x-${n}: 1\r\n`).join("")}`,
  ),
  "a target of 1 MB": get("Host: localhost\r\n", `GET /v1/${"a".repeat(1 << 20)} HTTP/1.1`),
  "a blank in the target": get("Host: localhost\r\n", "GET /v1/models x HTTP/1.1"),
  "HTTP/0.9": "GET /v1/models\r\n\r\n",
};

Deno.test("a request that can be read in two ways is refused, and is neither two requests nor one to a provider", async (t) => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const asked = upstream.requests.length;
  for (const [what, bytes] of Object.entries(REFUSED)) {
    await t.step(what, async () => {
      await using connection = await RawConnection.open(gateway.url);
      connection.write(bytes);
      await connection.until(() => connection.statuses.length > 0);
      // Time for a second answer, if there were one.
      await gateway.admin("GET", "/models");
      assert.ok(connection.statuses.every((status) => status >= 400 && status < 500), connection.received);
      assert.ok(connection.statuses.length <= 1, connection.received);
      assert.doesNotMatch(connection.received, /"status":"ok"|"data"/);
      assert.equal(upstream.requests.length, asked);
    });
  }
});

Deno.test("a request whose lines all end in LF, which the standard allows, is one request", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await using connection = await RawConnection.open(gateway.url);
  connection.write(post(LENGTH, "").replaceAll("\r\n", "\n") + BODY);
  await connection.until(() => connection.received.includes("Hello"));
  assert.deepEqual(connection.statuses, [200]);
  assert.deepEqual((await upstream.waitForRequest(1)).json(), {
    ...JSON.parse(BODY),
    model: "upstream-model-1",
  });
});

Deno.test("a chunked request reaches the provider with a length, and its trailers do not", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [{ url: upstream.url, association: { with_header: true } }] });
  await using connection = await RawConnection.open(gateway.url);
  connection.write(post(CHUNKED, CHUNKED_BODY.replace(/\r\n$/, "X-Canary: 1\r\nContent-Length: 1\r\n\r\n")));
  await connection.until(() => connection.received.includes("Hello"));
  const request = await upstream.waitForRequest(1);
  assert.equal(request.header("transfer-encoding"), undefined);
  assert.equal(request.header("content-length"), String(request.body.length));
  assert.equal(request.header("x-canary"), undefined);
});

Deno.test("two requests on one connection are two, each with its own answer, in order", async () => {
  await using gateway = await TestGateway.start();
  await using connection = await RawConnection.open(gateway.url);
  connection.write(HIDDEN + get("Host: localhost\r\n", "GET /v1/nowhere HTTP/1.1"));
  await connection.until(() => connection.statuses.length === 2);
  assert.deepEqual(connection.statuses, [200, 404]);
});

Deno.test("a request without Host, as HTTP/1.0 health checks send it, is answered", async () => {
  await using gateway = await TestGateway.start();
  await using connection = await RawConnection.open(gateway.url);
  connection.write("GET /healthz HTTP/1.0\r\n\r\n");
  await connection.until(() => connection.isClosed);
  assert.deepEqual(connection.statuses, [200]);
});

Deno.test("what is left of a refused request's body is not taken for a request", async () => {
  await using gateway = await TestGateway.start({ "body-limit-mb": "1" });
  await using connection = await RawConnection.open(gateway.url);
  // The body says that it is too large before it comes; then a part of it comes that looks like a request.
  connection.write(post(`Content-Length: ${2 << 20}\r\n`, ""));
  await connection.until(() => connection.statuses.length > 0);
  connection.write(HIDDEN);
  await gateway.admin("GET", "/models");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(connection.statuses, [413]);
});
