/**
 * Base URLs of providers: people type them in many ways, the gateway keeps one.
 *
 * `http://h`, `http://h/`, `http://h/v1/` and `http://h/v1/chat/completions` all mean the same place. A base URL is
 * normalised when it is saved (and again when a row of an older program is read), so that the request's way only has
 * to append a path. Pure: nothing here resolves names or opens connections.
 *
 * @module
 */
import { isMetadataHost } from "./metadata_host.ts";

/** A normalised base URL, or why there is none. The reason never holds what was typed: it may contain a secret. */
export type BaseUrlResult = { readonly ok: true; readonly url: string } | {
  readonly ok: false;
  readonly reason: string;
};

/** Version segment that a protocol's paths begin with; added where the base URL has no path at all. */
const VERSION_SEGMENT: ReadonlyMap<string, string> = new Map([
  ["openai", "/v1"],
  ["openai-res", "/v1"],
  ["anthropic", "/v1"],
  ["gemini", "/v1beta"],
]);

/** Paths of operations that people paste together with the base URL. */
const OPERATION = /\/(?:chat\/completions|completions|responses|messages(?:\/count_tokens)?|embeddings)$/i;

/**
 * The model list, or an operation of one Gemini model. Only behind a version segment: `https://host/models` is a
 * base URL of its own at Azure.
 */
const MODELS = /(?<=\/v\d[^/]*)\/models(?:\/[^/]+:[a-z]+)?$/i;

/**
 * Ports that `fetch` refuses to connect to.
 *
 * @see https://fetch.spec.whatwg.org/#port-blocking
 */
const BAD_PORTS: ReadonlySet<number> = new Set([
  ...[
    0,
    1,
    7,
    9,
    11,
    13,
    15,
    17,
    19,
    20,
    21,
    22,
    23,
    25,
    37,
    42,
    43,
    53,
    69,
    77,
    79,
    87,
    95,
    101,
    102,
    103,
    104,
    109,
  ],
  ...[
    110,
    111,
    113,
    115,
    117,
    119,
    123,
    135,
    137,
    139,
    143,
    161,
    179,
    389,
    427,
    465,
    512,
    513,
    514,
    515,
    526,
    530,
  ],
  ...[
    531,
    532,
    540,
    548,
    554,
    556,
    563,
    587,
    601,
    636,
    989,
    990,
    993,
    995,
    1719,
    1720,
    1723,
    2049,
    3659,
    4045,
    4190,
  ],
  ...[5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
]);

/**
 * Brings a base URL into its one form: no trailing slash, no operation's path, a version segment.
 *
 * Applying it twice changes nothing more. A type without a known version segment gets none.
 *
 * @example
 * ```ts
 * normaliseBaseUrl("openai", " HTTP://H/v1/chat/completions "); // { ok: true, url: "http://h/v1" }
 * normaliseBaseUrl("gemini", "http://h"); // { ok: true, url: "http://h/v1beta" }
 * ```
 */
export function normaliseBaseUrl(type: string, text: string): BaseUrlResult {
  const typed = text.trim();
  const fault = faultOfText(typed);
  if (fault !== null) return refuse(fault);
  const url = URL.parse(typed);
  if (url === null) return refuse("is not a valid URL");
  const refusal = faultOfUrl(url);
  if (refusal !== null) return refuse(refusal);
  return { ok: true, url: `${url.protocol}//${url.host}${normalPath(type, url.pathname)}${url.search}` };
}

/**
 * The URL of an operation: `path` appended to a normalised base URL, whose query is kept and comes first.
 * Whoever calls it has encoded the variable segments of `path`.
 *
 * @example
 * ```ts
 * endpoint("http://h/v1?api-version=x", "/models?after=m"); // "http://h/v1/models?api-version=x&after=m"
 * ```
 */
export function endpoint(baseUrl: string, path: string): string {
  const [base, baseQuery] = splitQuery(baseUrl);
  const [tail, tailQuery] = splitQuery(path);
  const slash = tail === "" || tail.startsWith("/") ? "" : "/";
  const stem = base.endsWith("/") ? base.slice(0, -1) : base;
  const query = baseQuery !== "" && tailQuery !== "" ? `${baseQuery}&${tailQuery}` : baseQuery + tailQuery;
  return `${stem}${slash}${tail}${query === "" ? "" : `?${query}`}`;
}

/** What is wrong with the text before it is parsed: the URL parser would quietly mend some of it. */
function faultOfText(typed: string): string | null {
  if (typed === "") return "is empty; give the provider's address, such as https://api.openai.com/v1";
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(typed)) return "contains a blank or a control character";
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(typed)?.[1]?.toLowerCase();
  if (scheme === undefined) return "must begin with http:// or https://";
  if (scheme !== "http" && scheme !== "https") return "must be an http or https URL";
  if (!/^[a-z]+:\/\/[^/?#\\]/i.test(typed)) return "has no host";
  if (typed.includes("\\")) return "contains a backslash; use / in paths";
  if (typed.includes("#")) return "must not have a fragment (#…)";
  return null;
}

function faultOfUrl(url: URL): string | null {
  if (url.username !== "" || url.password !== "") {
    return "must not contain a user name or password; put the credential into api_key";
  }
  if (url.port !== "" && BAD_PORTS.has(Number(url.port))) {
    return `uses port ${url.port}, which HTTP clients refuse to connect to (see fetch.spec.whatwg.org/#port-blocking)`;
  }
  if (isMetadataHost(url.hostname)) {
    return "points to a cloud metadata service, which hands out the machine's credentials";
  }
  return null;
}

function normalPath(type: string, pathname: string): string {
  const path = pathname.replace(/\/{2,}/g, "/").replace(/\/$/, "");
  const base = withoutOperation(path);
  return base === "" ? VERSION_SEGMENT.get(type) ?? "" : base;
}

/** Cuts until nothing more can be cut, so that normalising is idempotent. */
function withoutOperation(path: string): string {
  const shorter = path.replace(OPERATION, "").replace(MODELS, "");
  return shorter === path ? path : withoutOperation(shorter);
}

function splitQuery(text: string): [path: string, query: string] {
  const mark = text.indexOf("?");
  return mark === -1 ? [text, ""] : [text.slice(0, mark), text.slice(mark + 1)];
}

function refuse(what: string): BaseUrlResult {
  return { ok: false, reason: `base_url ${what}` };
}
