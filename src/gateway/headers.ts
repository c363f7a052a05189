/** Which headers pass, in which direction. @module */

/**
 * Headers that speak to the next hop only (RFC 9110, section 7.6.1, and the older list of RFC 2616, section
 * 13.5.1), and those of framing, which are made anew for each connection.
 */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
  "expect",
]);

/** What a client's request holds for the gateway alone. */
const FOR_THE_GATEWAY = new Set([
  // Credentials of the gateway, and cookies of whoever else lives on its host name.
  "authorization",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "cookie",
  "cookie2",
  "host",
  "origin",
  "referer",
  // Our own: the body goes on decoded, and we read the answer.
  "accept-encoding",
  "content-encoding",
  "content-type",
  // Who the client is and how it came here is no business of the vendor's.
  "forwarded",
  "via",
  "x-real-ip",
]);

/** What a vendor's answer holds for the gateway alone. */
const NOT_FOR_THE_CLIENT = new Set([
  "set-cookie",
  "set-cookie2",
  "alt-svc",
  "strict-transport-security",
]);

/** Which web pages may read an answer is for the operator of the gateway to say. */
const CORS = "access-control-";

/** Headers that a `Connection` header names; they too end at this hop. */
function namedInConnection(headers: Headers): ReadonlySet<string> {
  const value = headers.get("connection");
  if (value === null) return NONE;
  return new Set(value.split(",").map((name) => name.trim().toLowerCase()));
}
const NONE: ReadonlySet<string> = new Set();

/** The client's headers that may go to a vendor when an association passes them on. */
export function* passableRequestHeaders(headers: Headers): Generator<[string, string]> {
  const named = namedInConnection(headers);
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || FOR_THE_GATEWAY.has(name) || named.has(name)) continue;
    if (name.startsWith("x-forwarded-") || name.startsWith("sec-")) continue;
    yield [name, value];
  }
}

/** Headers as one value for each name, in lower case. Building them costs a third of what `Headers` does. */
export type HeaderRecord = Record<string, string>;

/**
 * The vendor's headers that go to the client. Lengths and encodings are left out: the server sets the length, and
 * an encoding that nobody asked for has been undone.
 */
export function responseHeaders(headers: Headers): HeaderRecord {
  const named = namedInConnection(headers);
  const passed: HeaderRecord = {};
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || NOT_FOR_THE_CLIENT.has(name) || named.has(name)) continue;
    if (name === "content-encoding" || name.startsWith(CORS)) continue;
    passed[name] = value;
  }
  return passed;
}

/** Headers that keep proxies on the way from holding a stream back. */
export function streamHeaders(headers: HeaderRecord): HeaderRecord {
  headers["cache-control"] = "no-cache";
  headers["x-accel-buffering"] = "no";
  return headers;
}
