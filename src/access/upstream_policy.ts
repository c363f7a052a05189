/**
 * Where providers may be.
 *
 * Nobody's provider is a cloud metadata service. Private and loopback addresses are allowed, because a model on
 * localhost is a normal provider, unless the operator closes them: then whoever may edit providers cannot reach into
 * the network that the gateway stands in.
 *
 * @module
 */
import { BlockList, isIP } from "node:net";
import { isMetadataHost, readHost } from "../protocols/metadata_host.ts";

/** What an operator may say of providers' places. */
export interface UpstreamPolicyOptions {
  /** Private and loopback addresses are refused. @default {false} */
  readonly denyPrivate?: boolean;
}

/** Names that mean this machine or its network everywhere (RFC 6761, 6762 and 8375, and ICANN's `internal`). */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/** Addresses that lead to no host of the internet. */
const PRIVATE = new BlockList();
for (
  const range of [
    "0.0.0.0/8", // unspecified: connects to this machine
    "10.0.0.0/8",
    "100.64.0.0/10", // carrier-grade NAT
    "127.0.0.0/8",
    "169.254.0.0/16", // link-local
    "172.16.0.0/12",
    "192.0.0.0/24", // protocol assignments
    "192.168.0.0/16",
    "198.18.0.0/15", // benchmarks
    "224.0.0.0/4", // multicast
    "240.0.0.0/4", // reserved, broadcast
    "::/127", // unspecified and loopback
    "fc00::/7", // unique local
    "fe80::/10", // link-local
    "fec0::/10", // site-local
    "ff00::/8", // multicast
  ]
) {
  const [address = "", prefix = ""] = range.split("/");
  PRIVATE.addSubnet(address, Number(prefix), family(address));
}

/** Judges the hosts of providers. */
export class UpstreamPolicy {
  readonly denyPrivate: boolean;

  constructor({ denyPrivate = false }: UpstreamPolicyOptions = {}) {
    this.denyPrivate = denyPrivate;
  }

  /**
   * Why no provider may be at a host; `null` = it may. A name is judged by itself: what it resolves to is asked when
   * it is called.
   *
   * @example
   * ```ts
   * new UpstreamPolicy().refusalOf("0xa9fea9fe"); // "is a cloud metadata service, which hands out …"
   * new UpstreamPolicy().refusalOf("localhost"); // null
   * ```
   */
  refusalOf(host: string): string | null {
    if (isMetadataHost(host)) return "is a cloud metadata service, which hands out the machine's credentials";
    if (this.denyPrivate && isPrivateHost(host)) {
      return "is on this machine or in its network, where this gateway allows no providers (--deny-private-upstreams)";
    }
    return null;
  }

  /** {@linkcode refusalOf} the host of a URL; what is no URL is nobody's place, and others refuse it. */
  refusalOfUrl(url: string): string | null {
    const host = URL.parse(url)?.hostname ?? "";
    return host === "" ? null : this.refusalOf(host);
  }
}

/** Whether a name or address, in any spelling, means this machine or its network. */
export function isPrivateHost(text: string): boolean {
  const host = readHost(text);
  if (host === null) return false;
  if (host.kind === "name") return PRIVATE_NAME.test(host.name);
  return host.addresses.some((address) => PRIVATE.check(address, family(address)));
}

function family(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
