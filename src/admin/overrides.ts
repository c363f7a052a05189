/** What an association may change in the requests to its provider: headers and body fields. @module */

/**
 * Headers that belong to one connection or to the framing of one message; the gateway sets them itself.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110.html#section-7.6.1
 */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
  ],
  ...["transfer-encoding", "upgrade", "http2-settings", "expect"],
  ...["host", "content-length", "content-encoding", "accept-encoding"],
]);

/** Body fields that routing decides: the answer would no longer be what the client asked for. */
const OWN_BODY_FIELDS: ReadonlyMap<string, string> = new Map([
  ["model", "the upstream model is set by provider_name"],
  ["stream", "whether an answer is streamed is the client's choice"],
]);

/** Deeper values than this no provider takes. */
const MAX_DEPTH = 32;

/** What is wrong with a set of headers; `null` = nothing. */
export function headerFault(headers: Readonly<Record<string, string>>): string | null {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    // RFC 9110, section 5.6.2: a field name is a token.
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) {
      return `has an invalid header name ${JSON.stringify(name)}`;
    }
    if (OWN_HEADERS.has(lower)) return `must not set ${name}: the gateway sets it itself`;
    if (seen.has(lower)) return `has ${name} twice`;
    if (!/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value)) {
      return `has a value for ${name} that cannot be sent (line break, control character or not Latin-1)`;
    }
    seen.add(lower);
  }
  return null;
}

/** What is wrong with a set of body fields; `null` = nothing. */
export function extraBodyFault(fields: Readonly<Record<string, unknown>>): string | null {
  for (const [path, value] of Object.entries(fields)) {
    if (path === "") return "has an empty key; keys are paths such as a.b";
    const top = firstStep(path);
    const reason = OWN_BODY_FIELDS.get(top);
    if (reason !== undefined) return `must not set ${top}: ${reason}`;
    if (isDeeper(value, MAX_DEPTH)) {
      return `has a value at ${path} that is nested deeper than ${MAX_DEPTH} levels`;
    }
  }
  return null;
}

/** The top-level member that a path leads to; `\` escapes a dot. */
function firstStep(path: string): string {
  const step = /^(?:\\.|[^.\\])*/s.exec(path)?.[0] ?? path;
  return step.replace(/\\(.)/gs, "$1");
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
