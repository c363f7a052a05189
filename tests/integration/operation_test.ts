import assert from "node:assert/strict";
import { FRAME, okChat, okSse } from "../upstream/fixtures.ts";
import { sse, until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TestGateway } from "./test_gateway.ts";

Deno.test("/healthz and /readyz answer without a credential and say nothing else", async () => {
  await using gateway = await TestGateway.start();
  for (const [path, body] of [["/healthz", { status: "ok" }], ["/readyz", { status: "ready" }]] as const) {
    const response = await fetch(`${gateway.url}${path}`);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), body);
  }
});

Deno.test("stop() refuses new requests, lets a running stream finish and writes its row", async () => {
  const folder = await Deno.makeTempDir();
  const held = Promise.withResolvers<void>();
  const [start, ...rest] = okSse();
  assert.ok(start);
  await using upstream = await ScriptedUpstream.start([
    start,
    ...rest.slice(0, 2),
    until(held.promise),
    ...rest.slice(2),
  ]);
  try {
    const gateway = await TestGateway.start({ db: `${folder}/llmio.db` });
    await gateway.serveModel({ providers: [upstream.url] });
    const response = await gateway.chat({ stream: true });
    const stopped = gateway.server.stop("test");
    await assert.rejects(gateway.chat({}), TypeError);
    held.resolve();
    assert.match(await response.text(), /\[DONE\]/);
    await stopped;
    await using again = await TestGateway.start({ db: `${folder}/llmio.db` });
    const [row] = await again.logs(1);
    assert.deepEqual([row?.Status, row?.Outcome, row?.total_tokens], ["success", "completed", 40]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("stop() ends a stream that outlasts the grace time with an error that its client notices", async () => {
  await using upstream = await ScriptedUpstream.start(sse([FRAME.role, FRAME.hel], { end: "hang" }));
  const gateway = await TestGateway.start({ "grace-seconds": "0.2" });
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await gateway.chat({ stream: true });
  const [text] = await Promise.all([response.text(), gateway.server.stop("test")]);
  assert.match(text, /gateway_stopping/);
  assert.equal((await upstream.connections[0]?.closed)?.by, "client");
});

Deno.test("stop() is not held up by idle connections, and can be called twice", async () => {
  const gateway = await TestGateway.start();
  const { hostname, port } = new URL(gateway.url);
  using idle = await Deno.connect({ hostname, port: Number(port) });
  await idle.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
  await idle.read(new Uint8Array(1024));
  const started = performance.now();
  await Promise.all([gateway.server.stop("test"), gateway.server.stop("again")]);
  assert.ok(performance.now() - started < 5_000);
});

Deno.test("a change through the admin API acts on the next request, and survives a restart", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using one = await ScriptedUpstream.start(okChat());
    await using two = await ScriptedUpstream.start(okChat());
    {
      await using gateway = await TestGateway.start({ db: `${folder}/llmio.db` });
      const { providers } = await gateway.serveModel({ providers: [one.url] });
      await (await gateway.chat({})).body?.cancel();
      await gateway.admin("PUT", `/providers/${providers[0]?.ID}`, {
        ...providers[0],
        Config: JSON.stringify({ base_url: two.url }),
      });
      await (await gateway.chat({})).body?.cancel();
      assert.deepEqual([one.requests.length, two.requests.length], [1, 1]);
      // No key field means "unchanged".
      assert.equal(two.requests[0]?.header("authorization"), "Bearer sk-upstream-1-secret");
    }
    await using again = await TestGateway.start({ db: `${folder}/llmio.db` });
    await (await again.chat({})).body?.cancel();
    assert.equal(two.requests.length, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deleting a provider while its streams run lets them end and gives it no new request", async () => {
  const held = Promise.withResolvers<void>();
  const [start, ...rest] = okSse();
  assert.ok(start);
  await using upstream = await ScriptedUpstream.start([
    start,
    ...rest.slice(0, 2),
    until(held.promise),
    ...rest.slice(2),
  ]);
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ providers: [upstream.url] });
  const running = await Promise.all([1, 2, 3].map(() => gateway.chat({ stream: true })));
  await gateway.admin("DELETE", `/providers/${providers[0]?.ID}`);
  const refused = await gateway.chat({});
  assert.equal(refused.status, 503);
  await refused.body?.cancel();
  held.resolve();
  for (const response of running) assert.match(await response.text(), /\[DONE\]/);
  assert.equal(upstream.requests.length, 3);
});

Deno.test("a request's figures in the log fit together", async () => {
  await using upstream = await ScriptedUpstream.start(okSse(undefined, { pauseMs: 20 }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({
    providers: [{ url: upstream.url, association: { input_price: 2.5, output_price: 10, currency: "USD" } }],
  });
  const response = await gateway.chat({ stream: true, session_id: "s-1" }, {
    headers: { "user-agent": "agent/1" },
  });
  const text = await response.text();
  const [row] = await gateway.logs(1);
  assert.ok(row);
  const { ProxyTime, FirstChunkTime, ChunkTime, Tps } = row as unknown as Record<string, number>;
  assert.ok(
    (ProxyTime ?? 0) > 0 && (ProxyTime ?? 0) < (FirstChunkTime ?? 0),
    "proxy time is part of the first chunk's",
  );
  assert.ok((ChunkTime ?? 0) > 60_000_000, "five pauses of 20 ms lie between the first and the last chunk");
  assert.ok((Tps ?? 0) > 0);
  assert.ok(Number(row.Size) >= text.length);
  assert.equal(row.SessionID, "s-1");
  assert.equal(row.UserAgent, "agent/1");
  assert.equal(row.RemoteIP, "127.0.0.1");
  assert.deepEqual([row.input_price, row.output_price, row.currency], [2.5, 10, "USD"]);
  assert.equal((upstream.requests[0]?.json() as { session_id: string }).session_id, "s-1");
});
