/** Secrets inside URLs: `user:password@` and query parameters such as `key=`. @module */
import { isMask, isSecretName, MASK, mask, type Merged, unknownMask } from "./secrets.ts";

/** A URL cut where secrets can stand. Joined again, the parts are the text. */
interface UrlParts {
  /** `https://`, or `""` where people left it out. */
  readonly scheme: string;
  /** What stands before `@`; `null` = nothing does. */
  readonly userinfo: { readonly user: string; readonly password: string | null } | null;
  readonly rest: string;
}

/** A parameter. No name holds a `?`: a long row of them would otherwise be read again from each. */
const QUERY_PARAMETER = /([?&])([^?=&#]+)=([^&#]*)/g;

/** Shows a URL without its secrets; any other text is returned as it is. */
export function maskUrl(text: string): string {
  const { scheme, userinfo, rest } = split(text);
  const shown = rest.replace(
    QUERY_PARAMETER,
    (whole, mark, name, value) => isSecretParameter(name, value) ? `${mark}${name}=${mask(value)}` : whole,
  );
  return scheme + printUserinfo(userinfo === null ? null : maskUserinfo(userinfo)) + shown;
}

/** The secrets, or masks of them, inside a URL. */
export function urlSecrets(text: string): string[] {
  const { userinfo, rest } = split(text);
  const parameters = rest.matchAll(QUERY_PARAMETER)
    .filter(([, , name = "", value = ""]) => isSecretParameter(name, value))
    .map(([, , , value = ""]) => value);
  return [...(userinfo === null ? [] : [userinfo.password || userinfo.user]), ...parameters];
}

/**
 * Puts the stored secrets back into a URL that was read masked.
 *
 * @param where Name of the field, for the refusal.
 */
export function mergeUrl(stored: string, incoming: string, where: string): Merged {
  if (incoming === maskUrl(stored)) return { ok: true, text: stored };
  const { scheme, userinfo, rest } = split(incoming);
  const known = split(stored);
  const restored = userinfo === null ? null : restoreUserinfo(known.userinfo, userinfo);
  if (restored === undefined) return unknownMask(where);
  let missing = false;
  const values = new Map(
    Array.from(known.rest.matchAll(QUERY_PARAMETER), ([, , name, value]) => [name, value]),
  );
  const text = rest.replace(QUERY_PARAMETER, (whole, mark, name, value) => {
    if (!isSecretParameter(name, value) || !isMask(value)) return whole;
    const secret = values.get(name);
    missing ||= secret === undefined || mask(secret) !== value;
    return `${mark}${name}=${secret}`;
  });
  return missing ? unknownMask(where) : { ok: true, text: scheme + printUserinfo(restored) + text };
}

/** A name without a password is a token, and so a secret itself. */
function maskUserinfo({ user, password }: NonNullable<UrlParts["userinfo"]>): UrlParts["userinfo"] {
  return password === null || password === "" ? { user: MASK, password } : { user, password: MASK };
}

/** The user information with its mask replaced; `undefined` when the mask stands for nothing. */
function restoreUserinfo(
  stored: UrlParts["userinfo"],
  incoming: NonNullable<UrlParts["userinfo"]>,
): UrlParts["userinfo"] | undefined {
  const masked = incoming.password === null || incoming.password === "" ? incoming.user : incoming.password;
  if (!isMask(masked)) return incoming;
  if (stored === null) return undefined;
  return maskUserinfo(stored)?.user === incoming.user && masked === MASK ? stored : undefined;
}

function printUserinfo(userinfo: UrlParts["userinfo"]): string {
  if (userinfo === null) return "";
  return `${userinfo.user}${userinfo.password === null ? "" : `:${userinfo.password}`}@`;
}

function isSecretParameter(name: string, value: string): boolean {
  return value !== "" && (isSecretName(name) || name === "code");
}

/**
 * Cuts leniently: rows of older programs hold proxies without a scheme and passwords with unescaped characters,
 * which no URL parser takes, and they must not be shown either.
 */
function split(text: string): UrlParts {
  const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0] ?? "";
  const tail = text.slice(scheme.length);
  const authority = URL.canParse(text) && scheme !== "" ? /^[^/?#]*/.exec(tail)?.[0] ?? "" : tail;
  const at = authority.lastIndexOf("@");
  const before = authority.slice(0, Math.max(at, 0));
  const isUserinfo = at !== -1 && (scheme !== "" || /^[^\s/?#]*:/.test(before));
  if (!isUserinfo) return { scheme, userinfo: null, rest: tail };
  const colon = before.indexOf(":");
  const userinfo = colon === -1
    ? { user: before, password: null }
    : { user: before.slice(0, colon), password: before.slice(colon + 1) };
  return { scheme, userinfo, rest: tail.slice(at + 1) };
}
