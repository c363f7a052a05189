/**
 * Cloud metadata services: addresses inside a machine's own network that hand out its credentials to whoever asks.
 *
 * Operators are trusted with local and private hosts (a model on localhost is a normal provider), but no provider is
 * ever a metadata service. The check is made on parsed addresses, never on text, because one address has many
 * spellings. The same check serves the moment of connecting, when a name has been resolved.
 *
 * @module
 */

/** Names that resolve to a metadata service. */
const NAMES: ReadonlySet<string> = new Set([
  "metadata", // short form inside Google Cloud
  "metadata.google.internal",
  "metadata.goog",
  "instance-data", // AWS, short form
  "instance-data.ec2.internal",
  "metadata.tencentyun.com",
  "metadata.azure.internal",
  "api.metadata.cloud.ibm.com",
]);

/**
 * Addresses of metadata services, each in its one spelling. Not the whole link-local block: machines joined by one
 * cable use it too. The tasks of `deno.json` deny them to the whole process.
 */
export const METADATA_ADDRESSES: readonly string[] = [
  "169.254.169.254", // AWS, Google, Azure, Oracle, DigitalOcean, OpenStack
  "169.254.170.2", // AWS container credentials
  "169.254.170.23", // AWS pod identity
  "169.254.0.23", // Tencent
  "100.100.100.200", // Alibaba
  "168.63.129.16", // Azure host agent
  "169.254.42.42", // Scaleway
  "192.0.0.192", // Oracle classic
  "fd00:ec2::254", // AWS
  "fd00:ec2::23", // AWS pod identity
  "fd20:ce::254", // Google
  "fd00:42::42", // Scaleway
];
const ADDRESSES: ReadonlySet<string> = new Set(METADATA_ADDRESSES);

/** What the host of a URL is. */
export type Host =
  | { readonly kind: "name"; readonly name: string }
  /** The address itself and, for an IPv6 address that carries an IPv4 one, that one too. */
  | { readonly kind: "address"; readonly addresses: readonly string[] };

/** Whether a host name or address, in any spelling the URL parser understands, is a metadata service. */
export function isMetadataHost(text: string): boolean {
  const host = readHost(text);
  if (host === null) return false;
  return host.kind === "name" ? NAMES.has(host.name) : host.addresses.some((each) => ADDRESSES.has(each));
}

/** Reads a host name or address, in any spelling the URL parser understands; `null` when it is none. */
export function readHost(text: string): Host | null {
  const bracketed = text.includes(":") && !text.startsWith("[") ? `[${text}]` : text;
  const name = URL.parse(`http://${bracketed}`)?.hostname.replace(/\.$/, "") ?? "";
  if (name === "") return null;
  if (/^\d+(\.\d+){3}$/.test(name)) return { kind: "address", addresses: [name] };
  if (!name.startsWith("[")) return { kind: "name", name };
  const address = name.slice(1, -1);
  const embedded = embeddedIpv4(ipv6Groups(address));
  return { kind: "address", addresses: embedded === null ? [address] : [address, embedded] };
}

/** The eight groups of an address that the URL parser printed (lower case, no dotted tail). */
function ipv6Groups(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const parse = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  if (tail === undefined) return parse(head);
  const before = parse(head), after = parse(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** The IPv4 address that an IPv6 address stands for on the wire, if it does. */
function embeddedIpv4(groups: readonly number[]): string | null {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const lowest = dotted(g, h);
  const leading = a === 0 && b === 0 && c === 0 && d === 0;
  if (leading && e === 0 && (f === 0xffff || f === 0)) return lowest; // ::ffff:1.2.3.4 and ::1.2.3.4
  if (leading && e === 0xffff && f === 0) return lowest; // ::ffff:0:1.2.3.4, RFC 2765
  if (a === 0x64 && b === 0xff9b && (c === 0 || c === 1)) return lowest; // NAT64, RFC 6052 and 8215
  if (a === 0x2002) return dotted(b, c); // 6to4, RFC 3056
  if (a === 0x2001 && b === 0) return dotted(g ^ 0xffff, h ^ 0xffff); // Teredo, RFC 4380
  return null;
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
}
