import assert from "node:assert/strict";
import { UpstreamPolicy } from "../../src/access/upstream_policy.ts";
import { environmentProxies } from "../../src/gateway/environment_proxies.ts";
import {
  HostRefused,
  type Place,
  UpstreamHosts,
  type UpstreamHostsOptions,
} from "../../src/gateway/upstream_hosts.ts";

/** Hosts with a name server and a clock of their own. */
class World {
  now = 0;
  readonly asked: string[] = [];
  readonly hosts: UpstreamHosts;

  constructor(readonly names: Record<string, readonly string[]>, options: UpstreamHostsOptions = {}) {
    this.hosts = new UpstreamHosts({
      now: () => this.now,
      lookup: (name) => {
        this.asked.push(name);
        const found = this.names[name];
        return found === undefined
          ? Promise.reject(new Error(`no such name: ${name}`))
          : Promise.resolve(found);
      },
      proxies: environmentProxies(() => undefined),
      ...options,
    });
  }

  async urls(url: string, proxy = ""): Promise<readonly string[]> {
    return (await this.place(url, proxy)).urls;
  }

  async place(url: string, proxy = ""): Promise<Place> {
    return await this.hosts.place(url, proxy);
  }

  async refused(url: string, proxy = ""): Promise<string> {
    try {
      await this.hosts.place(url, proxy);
    } catch (error) {
      if (error instanceof HostRefused) return error.message;
      throw error;
    }
    return assert.fail(`${url} was not refused`);
  }
}

const CLOSED: UpstreamHostsOptions = { policy: new UpstreamPolicy({ denyPrivate: true }) };

Deno.test("UpstreamHosts sends plain http to the address that was checked, under the name", async () => {
  const { hosts } = new World({ "model.example": ["192.0.2.1"] });
  assert.deepEqual(await hosts.place("http://model.example:8080/v1/chat?x=http://y", ""), {
    urls: ["http://192.0.2.1:8080/v1/chat?x=http://y"],
    host: "model.example:8080",
  });
  assert.deepEqual((await hosts.place("http://model.example/v1", "")).urls, ["http://192.0.2.1/v1"]);
  assert.deepEqual((await hosts.place("http://model.example?x=/", "")).urls, ["http://192.0.2.1?x=/"]);
});

Deno.test("UpstreamHosts leaves https to the name, whose certificate says who answers", async () => {
  const { hosts, asked } = new World({ "model.example": ["192.0.2.1"] });
  const url = "https://model.example/v1";
  assert.deepEqual(await hosts.place(url, ""), { urls: [url], host: null });
  assert.deepEqual(asked, ["model.example"]);
});

Deno.test("UpstreamHosts looks nothing up for an address and answers at once", () => {
  const { hosts, asked } = new World({});
  for (const url of ["http://127.0.0.1:11434/v1", "http://[::1]:1/", "https://192.0.2.1/v1"]) {
    assert.deepEqual(hosts.place(url, ""), { urls: [url], host: null });
  }
  assert.deepEqual(asked, []);
});

Deno.test("UpstreamHosts refuses a name that resolves to a metadata service, also beside other addresses", async () => {
  const world = new World({
    "rebound.example": ["169.254.169.254"],
    "mixed.example": ["192.0.2.1", "fd00:ec2::254"],
    "mapped.example": ["::ffff:169.254.169.254"],
  });
  for (const scheme of ["http", "https"]) {
    for (const name of Object.keys(world.names)) {
      const message = await world.refused(`${scheme}://${name}/latest/meta-data`);
      assert.match(message, new RegExp(`^the host ${name} resolves to an address that is a cloud metadata`));
      assert.doesNotMatch(message, /169|fd00/);
    }
  }
});

Deno.test("UpstreamHosts refuses a metadata service in the URL itself, with a proxy too", async () => {
  const world = new World({});
  assert.match(await world.refused("http://2852039166/v1"), /metadata/);
  assert.match(
    await world.refused("http://metadata.google.internal/v1", "http://192.0.2.9:3128"),
    /metadata/,
  );
  assert.match(await world.refused("http://192.0.2.1/v1", "http://169.254.169.254"), /metadata/);
});

Deno.test("UpstreamHosts refuses private addresses only when they are closed", async () => {
  const names = { "inside.example": ["10.0.0.7"], "ollama": ["172.18.0.2"], "localhost": ["127.0.0.1"] };
  const open = new World(names);
  const closed = new World(names, CLOSED);
  for (const name of Object.keys(names)) {
    assert.equal((await open.urls(`http://${name}/`)).length, 1);
    assert.match(await closed.refused(`http://${name}/`), /--deny-private-upstreams/);
  }
});

Deno.test("UpstreamHosts lets a provider's proxy resolve the name, and looks the proxy up instead", async () => {
  const world = new World({ "proxy.example": ["192.0.2.9"], "inner.example": ["10.0.0.3"] }, CLOSED);
  const url = "http://only-the-proxy-knows.example/v1";
  assert.deepEqual(await world.place(url, "http://proxy.example:3128"), { urls: [url], host: null });
  assert.deepEqual(world.asked, ["proxy.example"]);
  assert.match(await world.refused(url, "socks5://inner.example:1080"), /--deny-private-upstreams/);
});

Deno.test("UpstreamHosts goes on with an address it has checked while it looks the name up again", async () => {
  const world = new World({ "model.example": ["192.0.2.1"] });
  const url = "http://model.example/";
  await world.urls(url);
  world.now = 29_000;
  await world.urls(url);
  assert.equal(world.asked.length, 1);
  world.names["model.example"] = ["169.254.169.254"];
  world.now = 31_000;
  // The name has turned bad: the call still goes to the good address, and the next one is refused.
  assert.deepEqual(world.hosts.place(url, ""), { urls: ["http://192.0.2.1/"], host: "model.example" });
  await Promise.resolve();
  assert.match(await world.refused(url), /metadata/);
});

Deno.test("UpstreamHosts waits for a new look when the last one is long ago, and survives a failed one", async () => {
  const world = new World({ "model.example": ["192.0.2.1"] });
  const url = "http://model.example/";
  await world.urls(url);
  world.now = 301_000;
  world.names["model.example"] = ["192.0.2.2"];
  assert.deepEqual(await world.urls(url), ["http://192.0.2.2/"]);
  delete world.names["model.example"];
  world.now += 40_000;
  assert.deepEqual(await world.urls(url), ["http://192.0.2.2/"]);
  world.now += 301_000;
  await assert.rejects(world.urls(url), /no such name/);
});

Deno.test("UpstreamHosts asks once for many calls at a time", async () => {
  const world = new World({ "model.example": ["192.0.2.1"] });
  await Promise.all(Array.from({ length: 20 }, () => world.urls("http://model.example/")));
  assert.equal(world.asked.length, 1);
});

Deno.test("UpstreamHosts keeps to the address in use, prefers IPv4, and leaves out what no URL can hold", async () => {
  const world = new World({ "model.example": ["fe80::1%eth0", "2001:db8::1", "192.0.2.2"] });
  const url = "http://model.example:1/";
  assert.deepEqual(await world.urls(url), ["http://192.0.2.2:1/", "http://[2001:db8::1]:1/"]);
  world.now = 301_000;
  world.names["model.example"] = ["192.0.2.1", "192.0.2.2"];
  assert.deepEqual(await world.urls(url), ["http://192.0.2.2:1/", "http://192.0.2.1:1/"]);
});

Deno.test("UpstreamHosts looks a name up anew once it cannot be reached", async () => {
  const world = new World({ "model.example": ["192.0.2.1"] });
  const url = "http://model.example/v1";
  await world.urls(url);
  world.names["model.example"] = ["192.0.2.2"];
  world.hosts.unreachable(url);
  assert.deepEqual(await world.urls(url), ["http://192.0.2.2/v1"]);
});

Deno.test("UpstreamHosts leaves names to a proxy of the environment, and checks those that are exempt from it", async () => {
  const env: Record<string, string> = { HTTPS_PROXY: "http://p:1", NO_PROXY: "10.0.0.0/8, .corp.example" };
  const world = new World(
    { "a.corp.example": ["10.0.0.1"], "plain.example": ["192.0.2.1"] },
    { ...CLOSED, proxies: environmentProxies((name) => env[name]) },
  );
  assert.deepEqual(await world.urls("https://far.example/"), ["https://far.example/"]);
  assert.deepEqual(world.asked, []);
  assert.match(await world.refused("https://a.corp.example/"), /--deny-private-upstreams/);
  assert.deepEqual(await world.urls("http://plain.example/"), ["http://192.0.2.1/"]);
});

Deno.test("UpstreamHosts keeps the name of a plain call that is exempt from the environment's proxy", async () => {
  const env: Record<string, string> = { http_proxy: "http://p:1", no_proxy: "*.corp.example" };
  const world = new World({ "a.corp.example": ["10.0.0.1"] }, {
    proxies: environmentProxies((name) => env[name]),
  });
  assert.deepEqual(await world.place("http://a.corp.example/"), {
    urls: ["http://a.corp.example/"],
    host: null,
  });
});
