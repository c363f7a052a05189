import assert from "node:assert/strict";
import { isPrivateHost, UpstreamPolicy } from "../../src/access/upstream_policy.ts";
import { METADATA_ADDRESSES, readHost } from "../../src/protocols/metadata_host.ts";

const OPEN = new UpstreamPolicy();
const CLOSED = new UpstreamPolicy({ denyPrivate: true });

/** Spellings of 169.254.169.254 and of other metadata services (public-reports.md, G04). */
const METADATA = [
  ...["169.254.169.254", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376"],
  ...["169.254.43518", "169.16689662", "169.254.169.254.", "169。254。169。254", "①⑥⑨.254.169.254"],
  ...["[::ffff:169.254.169.254]", "::ffff:a9fe:a9fe", "[::169.254.169.254]", "[0:0:0:0:0:FFFF:A9FE:A9FE]"],
  ...[
    "[64:ff9b::a9fe:a9fe]",
    "64:ff9b:1::169.254.169.254",
    "[2002:a9fe:a9fe::]",
    "[::ffff:0:169.254.169.254]",
  ],
  ...["[fd00:ec2::254]", "fd00:0ec2:0:0:0:0:0:0254", "metadata.google.internal", "METADATA.google.INTERNAL."],
];

for (const host of METADATA) {
  Deno.test(`UpstreamPolicy refuses the metadata service as ${host}`, () => {
    assert.match(OPEN.refusalOf(host) ?? "", /is a cloud metadata service/);
    assert.match(CLOSED.refusalOf(host) ?? "", /is a cloud metadata service/);
  });
}

const PRIVATE = [
  ...["localhost", "LOCALHOST.", "ollama.localhost", "nas.local", "db.corp.internal", "router.home.arpa"],
  ...[
    "127.0.0.1",
    "127.9.9.9",
    "2130706433",
    "0x7f.1",
    "0.0.0.0",
    "0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
  ],
  ...[
    "192.168.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
  ],
  ...["[::1]", "[::]", "fe80::1", "[febf::1]", "fc00::1", "[fdff::1]", "ff02::1"],
  ...["[::ffff:10.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:c0a8:1::]"],
];

for (const host of PRIVATE) {
  Deno.test(`UpstreamPolicy lets a provider be at ${host} unless private places are closed`, () => {
    assert.equal(OPEN.refusalOf(host), null);
    assert.match(CLOSED.refusalOf(host) ?? "", /--deny-private-upstreams/);
  });
}

const PUBLIC = [
  ...["api.openai.com", "localhost.example", "notlocal", "internal.example.com", "xn--bcher-kva.example"],
  ...[
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "169.253.0.1",
    "11.0.0.1",
  ],
  ...[
    "[2606:4700::1111]",
    "[2001:4860:4860::8888]",
    "[64:ff9b::8.8.8.8]",
    "[::ffff:8.8.8.8]",
    "[2002:808:808::]",
  ],
];

for (const host of PUBLIC) {
  Deno.test(`UpstreamPolicy always lets a provider be at ${host}`, () => {
    assert.equal(CLOSED.refusalOf(host), null);
  });
}

Deno.test("UpstreamPolicy judges a URL by its host", () => {
  assert.match(OPEN.refusalOfUrl("http://2852039166:8080/v1?x=y") ?? "", /metadata/);
  assert.match(CLOSED.refusalOfUrl("socks5://127.0.0.1:1080") ?? "", /--deny-private-upstreams/);
  assert.equal(CLOSED.refusalOfUrl("https://api.openai.com/v1"), null);
  assert.equal(CLOSED.refusalOfUrl("no url"), null);
});

Deno.test("isPrivateHost() takes nothing for private that is no host", () => {
  for (const text of ["", "[", "a b", "[::1"]) assert.equal(isPrivateHost(text), false, text);
});

Deno.test("METADATA_ADDRESSES are spelt as the URL parser spells them", () => {
  for (const address of METADATA_ADDRESSES) {
    const host = readHost(address);
    assert.ok(host?.kind === "address" && host.addresses[0] === address, address);
  }
});
