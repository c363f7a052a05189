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
]);

/** IPv4 addresses of metadata services. Not the whole link-local block: machines joined by one cable use it too. */
const IPV4: ReadonlySet<string> = new Set([
  "169.254.169.254", // AWS, Google, Azure, Oracle, DigitalOcean, OpenStack
  "169.254.170.2", // AWS container credentials
  "169.254.170.23", // AWS pod identity
  "169.254.0.23", // Tencent
  "100.100.100.200", // Alibaba
  "168.63.129.16", // Azure host agent
  "192.0.0.192", // Oracle classic
]);

/** IPv6 addresses of metadata services, as eight groups. */
const IPV6: ReadonlySet<string> = new Set([
  "fd00:ec2:0:0:0:0:0:254", // AWS
  "fd00:ec2:0:0:0:0:0:23", // AWS pod identity
  "fd20:ce:0:0:0:0:0:254", // Google
]);

/** Whether a host name or address, in any spelling the URL parser understands, is a metadata service. */
export function isMetadataHost(host: string): boolean {
  const bracketed = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  const name = URL.parse(`http://${bracketed}`)?.hostname.replace(/\.$/, "");
  if (name === undefined) return false;
  if (!name.startsWith("[")) return NAMES.has(name) || IPV4.has(name);
  const groups = ipv6Groups(name.slice(1, -1));
  if (IPV6.has(groups.map((group) => group.toString(16)).join(":"))) return true;
  const embedded = embeddedIpv4(groups);
  return embedded !== null && IPV4.has(embedded);
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
