/**
 * Requests whose message can be read in more than one way.
 *
 * The runtime's parser refuses most of them by itself. What is left are requests that a proxy before us might have
 * understood otherwise (RFC 9112, section 11.2, request smuggling), and a `Host` that is none: the runtime puts it in
 * front of the path without looking at it, so `Host: x/api/keys?` would turn any path into another one.
 *
 * @module
 */

/** A `Host` value: a name or an address, and a port (RFC 3986, section 3.2.2, without the rare signs). */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i;

/**
 * Why a request is refused before anybody looks at it; `null` = it is not.
 *
 * @example
 * ```ts
 * doubtOf(request); // "transfer-encoding must be chunked and nothing else"
 * ```
 */
export function doubtOf({ headers, url }: Request): string | null {
  const host = headers.get("host");
  if (host !== null && host !== "") {
    if (!HOST.test(host)) return "host must be a name and a port";
    // A request for another host is for a proxy (RFC 9112, section 3.2.2), and this is none.
    if (!isUrlOf(host, url)) return "the request's target and its host differ";
  }
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== null) {
    if (coding.trim().toLowerCase() !== "chunked") {
      return "transfer-encoding must be chunked and nothing else";
    }
    if (length !== null) return "transfer-encoding and content-length exclude each other";
  }
  if (length !== null && !/^\d{1,15}$/.test(length)) return "content-length must be one whole number";
  return null;
}

/** Whether a URL's authority is a host, where the runtime leaves a default port out or not. */
function isUrlOf(host: string, url: string): boolean {
  const start = url.indexOf("://") + 3;
  if (url.startsWith(host, start) && "/?#".includes(url.charAt(start + host.length))) return true;
  const called = URL.parse(url);
  return called !== null && called.host === URL.parse(`${called.protocol}//${host}`)?.host;
}

/** Refuses doubtful requests with 400, and hands the others on. */
export function refuseDoubtful<Info>(
  handler: (request: Request, info: Info) => Response | Promise<Response>,
): (request: Request, info: Info) => Response | Promise<Response> {
  return (request, info) => {
    const doubt = doubtOf(request);
    if (doubt === null) return handler(request, info);
    // Whose protocol it is cannot be told from such a request; OpenAI's shape is read by most clients.
    const error = { message: doubt, type: "invalid_request_error", param: null, code: "malformed_request" };
    return Response.json({ error }, { status: 400, headers: { connection: "close" } });
  };
}
