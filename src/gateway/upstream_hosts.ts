/**
 * Where a call to a provider goes, once its host has been looked up.
 *
 * What a name resolves to is checked by the same policy as an address that was typed. Over plain http the call then
 * goes to the very address that was checked, so that a name which resolves differently the next moment changes
 * nothing. Over https the certificate does that: a host that cannot prove the name gets no request.
 *
 * @module
 */
import { lookup as dnsLookup } from "node:dns/promises";
import { isIP } from "node:net";
import { UpstreamPolicy } from "../access/upstream_policy.ts";
import { type EnvironmentProxies, environmentProxies } from "./environment_proxies.ts";

/** Answers the addresses of a name. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** Where one call goes. */
export interface Place {
  /** URLs to try in order, all of one host; the first is the usual one. */
  readonly urls: readonly string[];
  /** Value of `host`, where the URLs hold addresses instead of the name; `null` = the URL says it. */
  readonly host: string | null;
}

/** A host where no provider may be. The message holds no address, only what the operator has typed. */
export class HostRefused extends Error {
  override readonly name = "HostRefused";
}

/** What {@linkcode UpstreamHosts} works with. */
export interface UpstreamHostsOptions {
  readonly policy?: UpstreamPolicy;
  readonly lookup?: Lookup;
  /** Proxies of the whole process, which resolve names themselves. */
  readonly proxies?: EnvironmentProxies;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

/** Addresses of a name are used so long without another look, milliseconds. */
const FRESH_MS = 30_000;
/** And so long while another look is under way, milliseconds. */
const STALE_MS = 300_000;
/** Names of providers are few; that many are an attack or a mistake. */
const MOST_NAMES = 1_000;

/** Looks up, checks and remembers the hosts of providers. */
export class UpstreamHosts {
  /** Says where providers may be. */
  readonly policy: UpstreamPolicy;
  readonly #lookup: Lookup;
  readonly #proxies: EnvironmentProxies;
  readonly #now: () => number;
  /** By origin and, for a provider's proxy, by its URL. */
  readonly #known = new Map<string, Known>();

  constructor({ policy, lookup, proxies, now }: UpstreamHostsOptions = {}) {
    this.policy = policy ?? new UpstreamPolicy();
    this.#lookup = lookup ?? systemLookup;
    this.#proxies = proxies ?? environmentProxies((name) => Deno.env.get(name));
    this.#now = now ?? Date.now;
  }

  /**
   * The place of a call. It is answered at once for addresses and for names that have been looked up lately.
   *
   * @param proxy the provider's own proxy, which resolves the call's name itself and is looked up in its place
   * @throws {HostRefused} at once or as a rejection
   */
  place(url: string, proxy: string): Place | Promise<Place> {
    const origin = originOf(url);
    const known = this.#know(origin, proxy === "" ? "direct" : "proxied");
    if (proxy === "") return placeOf(known, this.#check(known), url, origin);
    if (known.refusal !== null) throw new HostRefused(known.refusal);
    const checked = this.#check(this.#know(proxy, "checked"));
    const place: Place = { urls: [url], host: null };
    return checked instanceof Promise ? checked.then(() => place) : place;
  }

  /** None of a name's addresses could be connected to: it is looked up anew before the next call. */
  unreachable(url: string): void {
    const known = this.#known.get(`direct ${originOf(url)}`);
    if (known !== undefined) known.lookedUpAt = -Infinity;
  }

  #know(origin: string, use: "direct" | "proxied" | "checked"): Known {
    const key = `${use} ${origin}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= MOST_NAMES) this.#known.clear();
      known = this.#firstSeen(origin, use);
      this.#known.set(key, known);
    }
    return known;
  }

  #firstSeen(origin: string, use: "direct" | "proxied" | "checked"): Known {
    const { hostname, host, protocol } = new URL(origin);
    const refusal = this.policy.refusalOf(hostname);
    const byProxy = use === "direct" ? this.#proxies.of(protocol, hostname) : null;
    const isName = isIP(hostname.replace(/^\[|\]$/g, "")) === 0;
    return {
      hostname,
      host,
      refusal: refusal === null ? null : `the host ${hostname} ${refusal}`,
      isLookedUp: isName && use !== "proxied" && byProxy !== "proxied",
      // A proxy of the environment is chosen by the URL's host, which must then stay as it is.
      isPinned: isName && use === "direct" && byProxy === null && protocol === "http:",
      addresses: [],
      lookedUpAt: -Infinity,
      looking: null,
    };
  }

  /** The checked addresses of a host; none when it is not looked up. */
  #check(known: Known): readonly string[] | Promise<readonly string[]> {
    if (known.refusal !== null) throw new HostRefused(known.refusal);
    if (!known.isLookedUp) return known.addresses;
    const age = this.#now() - known.lookedUpAt;
    if (age < FRESH_MS) return known.addresses;
    known.looking ??= this.#lookUp(known).finally(() => known.looking = null);
    if (age >= STALE_MS) return known.looking;
    // Whoever asks next is told of a failure, if it lasts.
    known.looking.catch(() => {});
    return known.addresses;
  }

  async #lookUp(known: Known): Promise<readonly string[]> {
    const found = await this.#lookup(known.hostname);
    for (const address of found) {
      const refusal = this.policy.refusalOf(address);
      if (refusal === null) continue;
      known.lookedUpAt = -Infinity;
      throw new HostRefused(`the host ${known.hostname} resolves to an address that ${refusal}`);
    }
    known.addresses = inOrder(found, known.addresses);
    known.lookedUpAt = this.#now();
    return known.addresses;
  }
}

/** What is known of a host. */
interface Known {
  readonly hostname: string;
  /** With the port, as `host` has it. */
  readonly host: string;
  /** Why no provider may be there; `null` = it may. */
  readonly refusal: string | null;
  readonly isLookedUp: boolean;
  /** Calls go to the addresses, not to the name. */
  readonly isPinned: boolean;
  addresses: readonly string[];
  /** Epoch milliseconds. */
  lookedUpAt: number;
  looking: Promise<readonly string[]> | null;
}

function placeOf(
  known: Known,
  checked: readonly string[] | Promise<readonly string[]>,
  url: string,
  origin: string,
): Place | Promise<Place> {
  if (checked instanceof Promise) return checked.then((addresses) => pinned(known, addresses, url, origin));
  return pinned(known, checked, url, origin);
}

function pinned(known: Known, addresses: readonly string[], url: string, origin: string): Place {
  if (!known.isPinned) return { urls: [url], host: null };
  const port = /:\d+$/.exec(known.host)?.[0] ?? "";
  const rest = url.slice(origin.length);
  const urls = addresses.map((address) =>
    `http://${address.includes(":") ? `[${address}]` : address}${port}${rest}`
  );
  return { urls, host: known.host };
}

/** `http://h:1/v1/x` → `http://h:1`. */
function originOf(url: string): string {
  const end = url.slice(url.indexOf("://") + 3).search(/[/?#]/);
  return end === -1 ? url : url.slice(0, url.indexOf("://") + 3 + end);
}

/**
 * The address in use first, so that open connections go on being used; else IPv4 first: where IPv6 leads nowhere, it
 * often does so in silence.
 */
function inOrder(found: readonly string[], before: readonly string[]): readonly string[] {
  const usable = found.filter((address) => !address.includes("%"));
  const current = before[0];
  const rank = (address: string) => address === current ? 0 : isIP(address) === 4 ? 1 : 2;
  return usable.toSorted((a, b) => rank(a) - rank(b));
}

const systemLookup: Lookup = async (name) => {
  const found = await dnsLookup(name, { all: true });
  return found.map(({ address }) => address);
};
