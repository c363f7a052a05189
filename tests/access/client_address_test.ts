import assert from "node:assert/strict";
import fc from "fast-check";
import { ClientAddresses } from "../../src/access/client_address.ts";

function peer(hostname: string): Deno.NetAddr {
  return { transport: "tcp", hostname, port: 40_000 };
}

/** The address for a chain of `x-forwarded-for`, seen by a gateway that trusts the given proxies. */
function addressOf(trusted: readonly string[], from: string, forwarded?: string): string {
  const headers = new Headers(forwarded === undefined ? {} : { "x-forwarded-for": forwarded });
  return new ClientAddresses(trusted).of(headers, peer(from));
}

Deno.test("ClientAddresses believes no header when no proxy is trusted", () => {
  assert.equal(addressOf([], "203.0.113.7", "6.6.6.6"), "203.0.113.7");
});

Deno.test("ClientAddresses believes no header of a peer that is no trusted proxy", () => {
  assert.equal(addressOf(["10.0.0.0/8"], "203.0.113.7", "6.6.6.6"), "203.0.113.7");
  assert.equal(addressOf(["10.0.0.1"], "10.0.0.2", "6.6.6.6"), "10.0.0.2");
});

Deno.test("ClientAddresses takes the right-most address that is no trusted proxy, whatever a client has put before it", () => {
  const trusted = ["10.0.0.0/8", "fd00::/8"];
  assert.equal(addressOf(trusted, "10.0.0.1", "203.0.113.7"), "203.0.113.7");
  assert.equal(addressOf(trusted, "10.0.0.1", "6.6.6.6, 203.0.113.7"), "203.0.113.7");
  assert.equal(addressOf(trusted, "10.0.0.1", "6.6.6.6, 203.0.113.7 , 10.9.9.9,fd00::5"), "203.0.113.7");
  assert.equal(addressOf(trusted, "fd00::1", "2001:DB8::0001"), "2001:db8::1");
});

Deno.test("ClientAddresses reads several header lines as one list", () => {
  const headers = new Headers([["x-forwarded-for", "6.6.6.6"], ["x-forwarded-for", "203.0.113.7"]]);
  assert.equal(new ClientAddresses(["127.0.0.1"]).of(headers, peer("127.0.0.1")), "203.0.113.7");
});

Deno.test("ClientAddresses answers the farthest proxy when all are trusted", () => {
  assert.equal(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
});

Deno.test("ClientAddresses answers the peer when the header is missing or no address", () => {
  for (
    const header of [undefined, "", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "<script>", "999.1.1.1", ","]
  ) {
    assert.equal(addressOf(["10.0.0.1"], "10.0.0.1", header), "10.0.0.1", String(header));
  }
});

Deno.test("ClientAddresses stops at what is no address: nothing trusted has written what stands before it", () => {
  assert.equal(addressOf(["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, junk, 10.0.0.2"), "10.0.0.2");
});

Deno.test("ClientAddresses strips ports, brackets and zones", () => {
  assert.equal(addressOf(["10.0.0.1"], "10.0.0.1", "203.0.113.7:4711"), "203.0.113.7");
  assert.equal(addressOf(["10.0.0.1"], "10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::1");
  assert.equal(addressOf(["10.0.0.1"], "10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
  assert.equal(addressOf([], "fe80::1%eth0"), "fe80::1");
});

Deno.test("ClientAddresses takes an IPv4-mapped address for the IPv4 address that it is", () => {
  assert.equal(addressOf([], "::ffff:203.0.113.7"), "203.0.113.7");
  assert.equal(addressOf(["10.0.0.0/8"], "::ffff:10.0.0.1", "::FFFF:cb00:7107"), "203.0.113.7");
  assert.equal(addressOf(["::ffff:10.0.0.0/104"], "10.1.2.3", "203.0.113.7"), "203.0.113.7");
});

Deno.test("ClientAddresses answers nothing where there is no peer", () => {
  assert.equal(
    new ClientAddresses(["10.0.0.1"]).of(new Headers({ "x-forwarded-for": "6.6.6.6" }), undefined),
    "",
  );
  const socket: Deno.Addr = { transport: "unix", path: "/run/x" };
  assert.equal(new ClientAddresses([]).of(new Headers(), socket), "");
});

Deno.test("ClientAddresses never answers what a client has written left of the address that its proxy saw", () => {
  const text = fc.string().map((raw) => raw.replace(/[^\x20-\x7e]/g, "?"));
  fc.assert(fc.property(text, (claim) => {
    assert.equal(addressOf(["10.0.0.1"], "10.0.0.1", `${claim}, 203.0.113.7`), "203.0.113.7");
    assert.equal(addressOf(["10.0.0.1"], "192.0.2.1", claim), "192.0.2.1");
  }));
});
