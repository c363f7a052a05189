import assert from "node:assert/strict";
import { environmentProxies } from "../../src/gateway/environment_proxies.ts";
import { CallEnded, outcomeOfThrown, type UpstreamCall, Upstreams } from "../../src/gateway/upstream.ts";
import { type Lookup, UpstreamHosts } from "../../src/gateway/upstream_hosts.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

function upstreams(lookup: Lookup): Upstreams & Disposable {
  const hosts = new UpstreamHosts({ lookup, proxies: environmentProxies(() => undefined) });
  return Object.assign(new Upstreams(hosts), {
    [Symbol.dispose](this: Upstreams) {
      this.close();
    },
  });
}

function callTo(url: string): UpstreamCall {
  return {
    url,
    method: "POST",
    headers: { authorization: "Bearer canary" },
    body: new Uint8Array([123, 125]),
    proxy: "",
  };
}

const never = new AbortController().signal;
/** Only 127.0.0.1 of the loopback block is there on macOS. */
const ignore = Deno.build.os === "darwin";

Deno.test("Upstreams calls a plain name at the address that was checked, with the name as Host", async () => {
  await using provider = await ScriptedUpstream.start(json(200, { ok: true }));
  const answers = [["127.0.0.1"], ["169.254.169.254"]];
  using calls = upstreams(() => Promise.resolve(answers.shift() ?? []));
  for (let n = 0; n < 2; n++) {
    // The name server's second answer is never asked for, so it cannot send the second call elsewhere.
    const response = await calls.send(callTo(`http://rebinding.example:${provider.port}/v1/x?y=1`), never);
    assert.deepEqual(await response.json(), { ok: true });
  }
  assert.deepEqual(
    provider.requests.map((request) => [request.target, request.header("host"), request.text]),
    Array(2).fill(["/v1/x?y=1", `rebinding.example:${provider.port}`, "{}"]),
  );
  assert.equal(provider.connections.length, 1, "connections are kept");
});

Deno.test("Upstreams fails a call to a name that resolves to a metadata service before anything is sent", async () => {
  using calls = upstreams(() => Promise.resolve(["127.0.0.1", "169.254.169.254"]));
  await using provider = await ScriptedUpstream.start(json(200, {}));
  const url = `http://rebinding.example:${provider.port}/latest/meta-data`;
  const error = await calls.send(callTo(url), never).then(() => assert.fail(), (error: unknown) => error);
  assert.deepEqual(outcomeOfThrown(error, never), {
    type: "network",
    detail:
      "the host rebinding.example resolves to an address that is a cloud metadata service, which hands out " +
      "the machine's credentials",
  });
  assert.equal(provider.connections.length, 0);
});

Deno.test("Upstreams tries a name's next address when one takes no connection, and sends the body once", {
  ignore,
}, async () => {
  await using provider = await ScriptedUpstream.start(json(200, {}));
  // Nobody listens on this one: the provider listens on 127.0.0.1 only.
  using calls = upstreams(() => Promise.resolve(["127.0.0.2", "127.0.0.1"]));
  const response = await calls.send(callTo(`http://two.example:${provider.port}/`), never);
  await response.body?.cancel();
  assert.deepEqual(provider.requests.map((request) => request.text), ["{}"]);
});

Deno.test(
  "Upstreams looks a name up anew after none of its addresses took a connection",
  { ignore },
  async () => {
    await using provider = await ScriptedUpstream.start(json(200, {}));
    const answers = [["127.0.0.2"], ["127.0.0.1"]];
    using calls = upstreams(() => Promise.resolve(answers.shift() ?? []));
    const call = callTo(`http://moved.example:${provider.port}/`);
    await assert.rejects(calls.send(call, never), TypeError);
    const response = await calls.send(call, never);
    await response.body?.cancel();
    assert.equal(response.status, 200);
  },
);

Deno.test("Upstreams does not try another address after a provider has broken off", async () => {
  await using provider = await ScriptedUpstream.start([{ end: "reset" }]);
  using calls = upstreams(() => Promise.resolve(["127.0.0.1", "127.0.0.1"]));
  await assert.rejects(calls.send(callTo(`http://broken.example:${provider.port}/`), never));
  assert.equal(provider.requests.length, 1);
});

Deno.test("Upstreams gives a call up at its signal while its name is still being looked up", async () => {
  using calls = upstreams(() => new Promise(() => {}));
  const abort = new AbortController();
  const sent = calls.send(callTo("http://silent.example/"), abort.signal);
  const reason = new CallEnded({ type: "timeout", phase: "headers", afterMs: 1 });
  abort.abort(reason);
  assert.equal(await sent.catch((error: unknown) => error), reason);
});
