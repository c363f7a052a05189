import assert from "node:assert/strict";
import { OK_SSE, okChat, okSse, textFrame } from "../upstream/fixtures.ts";
import { answer, chunk, head, json, sse, until, write } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { RawConnection } from "./raw_connection.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const FLAGS = { "client-idle-seconds": "1" };

/** The head of a request whose body does not come by itself. */
function headOf(path: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nx-api-key: ${TOKEN}\r\n` +
    `Content-Type: application/json\r\n${framing}\r\n\r\n`;
}

interface Failure {
  readonly error: { readonly code?: string; readonly type?: string };
}

function bodyOf(connection: RawConnection): Failure {
  return JSON.parse(connection.received.slice(connection.received.indexOf("\r\n\r\n") + 4));
}

for (
  const [what, framing, begun] of [
    ["a small body", "Content-Length: 100", '{"model":'],
    ["a large body", "Content-Length: 3000000", '{"model":'],
    ["a body without a length", "Transfer-Encoding: chunked", '9\r\n{"model":\r\n'],
    ["a body of which nothing comes", "Content-Length: 100", ""],
  ] as const
) {
  Deno.test(`${what} that stops coming is answered with 408, in the caller's protocol`, async () => {
    await using gateway = await TestGateway.start(FLAGS);
    for (
      const [path, read] of [
        ["/v1/chat/completions", ({ error }: Failure) => error.code],
        ["/v1/messages", ({ error }: Failure) => error.type],
      ] as const
    ) {
      await using connection = await RawConnection.open(gateway.url);
      connection.write(headOf(path, framing) + begun);
      await connection.until(() => connection.received.includes("\r\n\r\n{"));
      assert.deepEqual(connection.statuses, [408]);
      assert.match(connection.received, /^connection: close\r$/im);
      assert.match(String(read(bodyOf(connection))), /timeout|error/);
    }
  });
}

Deno.test("telemetry that stops coming is not waited for either, although it needs no credential", async () => {
  await using gateway = await TestGateway.start(FLAGS);
  await using connection = await RawConnection.open(gateway.url);
  connection.write(headOf("/api/event_logging/batch", "Content-Length: 100") + '{"events":');
  await connection.until(() => connection.received.includes("\r\n\r\n{"));
  assert.deepEqual(connection.statuses, [408]);
});

Deno.test("a slow body that goes on coming is read to its end", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start(FLAGS);
  await gateway.serveModel({ providers: [upstream.url] });
  const body = JSON.stringify({ model: "m", messages: [], pad: "a".repeat(100_000) });
  await using connection = await RawConnection.open(gateway.url);
  connection.write(headOf("/v1/chat/completions", `Content-Length: ${body.length}`));
  const size = Math.ceil(body.length / 6);
  for (let at = 0; at < body.length; at += size) {
    // Altogether longer than a client may stand still.
    await new Promise((resolve) => setTimeout(resolve, 300));
    connection.write(body.slice(at, at + size));
  }
  await connection.until(() => connection.received.includes("Hello"));
  assert.deepEqual(connection.statuses, [200]);
});

Deno.test("a client that takes nothing of its stream is given up: the provider's connection is closed and the row says so", async () => {
  const frame = write(chunk(textFrame("a".repeat(60_000))));
  const begin = write(head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" }));
  await using upstream = await ScriptedUpstream.start([begin, ...Array(2_000).fill(frame)]);
  await using gateway = await TestGateway.start(FLAGS);
  await gateway.serveModel({ providers: [upstream.url] });
  await using connection = await RawConnection.open(gateway.url);
  const body = JSON.stringify({ model: "m", stream: true, messages: [] });
  connection.socket.pause();
  connection.write(headOf("/v1/chat/completions", `Content-Length: ${body.length}`) + body);
  const request = await upstream.waitForRequest(1);
  // The scripted provider never closes by itself.
  await request.connection.closed;
  const [row] = await gateway.logs(1);
  assert.equal(row?.Outcome, "client_gone");
  // Nobody is blamed for it: the provider is as healthy as before.
  assert.equal(
    (await gateway.admin<{ error_count: number }[]>("GET", "/providers/health"))[0]?.error_count ?? 0,
    0,
  );
});

for (const fake_stream of [false, true]) {
  const made = fake_stream ? "made of a whole answer" : "of a provider";
  Deno.test(`a client that pauses for longer than a provider may be silent gets the whole stream ${made}`, async () => {
    const text = "a".repeat(20_000_000);
    const whole = { choices: [{ message: { content: text }, finish_reason: "stop" }] };
    const frames = [...Array(200).fill(textFrame("a".repeat(100_000))), ...OK_SSE.slice(-3)];
    await using upstream = await ScriptedUpstream.start(fake_stream ? json(200, whole) : sse(frames));
    await using gateway = await TestGateway.start({
      "stream-idle-seconds": "0.5",
      "client-idle-seconds": "60",
    });
    await gateway.serveModel({ providers: [{ url: upstream.url, provider: { fake_stream } }] });
    const response = await gateway.chat({ stream: true });
    await new Promise((later) => setTimeout(later, 1_500));
    assert.match((await response.text()).slice(-20), /\[DONE\]\n\n$/);
    assert.equal((await gateway.logs(1))[0]?.Outcome, "completed");
  });
}

Deno.test("a client that waits for a silent provider is not taken for one that stands still", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const steps = okSse();
  // After the head and the first two frames, with which the stream is committed.
  await using upstream = await ScriptedUpstream.start([
    ...steps.slice(0, 3),
    until(promise),
    ...steps.slice(3),
  ]);
  await using gateway = await TestGateway.start({ ...FLAGS, "open-after-seconds": "0" });
  await gateway.serveModel({ providers: [upstream.url] });
  const response = gateway.chat({ stream: true });
  await upstream.waitForRequest(1);
  await new Promise((later) => setTimeout(later, 1_500));
  resolve();
  assert.match(await (await response).text(), /lo[\s\S]*\[DONE\]/);
});

Deno.test("a large whole answer reaches a slow client with its length, and is given up for one that takes nothing", async () => {
  const text = "a".repeat(20_000_000);
  const whole = JSON.stringify({ choices: [{ message: { role: "assistant", content: text } }] });
  await using upstream = await ScriptedUpstream.start(
    answer(200, whole, { "content-type": "application/json" }),
  );
  await using gateway = await TestGateway.start(FLAGS);
  await gateway.serveModel({ providers: [upstream.url] });
  const good = await gateway.chat({});
  assert.equal(good.headers.get("content-length"), String(whole.length));
  assert.equal(await good.text(), whole);

  await using connection = await RawConnection.open(gateway.url);
  connection.socket.pause();
  const body = JSON.stringify({ model: "m", messages: [] });
  connection.write(headOf("/v1/chat/completions", `Content-Length: ${body.length}`) + body);
  await upstream.waitForRequest(2);
  await new Promise((later) => setTimeout(later, 2_500));
  connection.socket.resume();
  await connection.until(() => connection.isClosed);
  assert.ok(connection.received.length < whole.length, "the answer was broken off");
});
