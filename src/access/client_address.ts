/**
 * Where a request comes from, behind proxies too.
 *
 * `x-forwarded-for` is a claim that anybody can make. It is read only when the connection comes from a proxy that the
 * operator trusts, and only from its right end, where trusted proxies have added what they saw themselves.
 *
 * @module
 */
import { BlockList, isIP } from "node:net";

/** Finds the address of a request's client. */
export class ClientAddresses {
  readonly #trusted = new BlockList();
  readonly #trustsNobody: boolean;

  /**
   * @param trustedProxies addresses and ranges in CIDR notation
   *
   * @example
   * ```ts
   * const addresses = new ClientAddresses(["10.0.0.0/8"]);
   * const headers = new Headers({ "x-forwarded-for": "6.6.6.6, 203.0.113.7" });
   * addresses.of(headers, { transport: "tcp", hostname: "10.0.0.1", port: 1 }); // "203.0.113.7"
   * ```
   */
  constructor(trustedProxies: readonly string[]) {
    for (const range of trustedProxies) this.#trust(range);
    this.#trustsNobody = trustedProxies.length === 0;
  }

  /**
   * The peer, or, if it is a trusted proxy, the right-most address of `x-forwarded-for` that is none. What cannot be
   * read as an address ends the search: the last one that was seen by somebody trusted counts.
   *
   * @returns `""` where nothing tells of a peer, as in tests that call the app itself
   */
  of(headers: Headers, remoteAddr: Deno.Addr | undefined): string {
    const peer = remoteAddr !== undefined && "hostname" in remoteAddr
      ? plainAddress(remoteAddr.hostname)
      : null;
    if (peer === null) return "";
    if (this.#trustsNobody || !this.#isTrusted(peer)) return peer;
    let nearest = peer;
    for (const entry of (headers.get("x-forwarded-for") ?? "").split(",").reverse()) {
      const address = plainAddress(withoutPort(entry.trim()));
      if (address === null) return nearest;
      nearest = address;
      if (!this.#isTrusted(address)) return nearest;
    }
    return nearest;
  }

  #trust(range: string): void {
    const [address = "", prefix] = range.split("/");
    const plain = plainAddress(address) ?? address;
    const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) this.#trusted.addAddress(plain, family);
    // A range of mapped addresses is one of IPv4 addresses: the 96 bits before them are the same for all.
    else {this.#trusted.addSubnet(
        plain,
        plain === address ? Number(prefix) : Math.max(0, Number(prefix) - 96),
        family,
      );}
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }
}

/** An address in its one spelling, an IPv4-mapped one as IPv4; `null` when the text is none. */
function plainAddress(text: string): string | null {
  const address = text.replace(/%.*$/, "").toLowerCase();
  switch (isIP(address)) {
    case 4:
      return address;
    case 6: {
      // The URL parser prints each address in one way only.
      const printed = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
      const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(printed);
      if (mapped === null) return printed;
      const [, high = "", low = ""] = mapped;
      return [high, low].flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]).join(".");
    }
    default:
      return null;
  }
}

/** `1.2.3.4:5` and `[::1]:5`, as some proxies write them, without the port and the brackets. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text);
  return bracketed?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
}
