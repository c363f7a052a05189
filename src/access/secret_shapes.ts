/**
 * How secrets look: credentials that nobody here has stored, told by their form alone. A client that sends another
 * service's key, or a vendor that quotes one, is caught by these.
 *
 * Each pattern asks for more than a word would have, so that prose, model names, trace ids and hashes pass. Each takes
 * linear time on any text: what repeats is bounded, or cannot begin again inside what it has read.
 *
 * @module
 */
import { isMask, isSecretName, MASK } from "./secrets.ts";

/** A kind of token that shows what it is by its beginning. */
interface TokenShape {
  /** Who gives such tokens, and where their form is told. */
  readonly of: string;
  /** A pattern for the whole token. */
  readonly pattern: string;
}

/** So many characters further on at most, there is a digit: words have none. */
const HAS_DIGIT = "(?=[\\w-]{0,80}\\d)";

const TOKENS: readonly TokenShape[] = [
  {
    of:
      "OpenAI (sk-…, sk-proj-…, sk-svcacct-…), Anthropic (sk-ant-…), OpenRouter (sk-or-…), DeepSeek, Moonshot, " +
      "this gateway's clients (sk-llmio-…) and many that copy them; csk- is Cerebras. " +
      "https://docs.anthropic.com/en/api/overview, https://openrouter.ai/docs/api-reference/authentication",
    pattern: `c?sk-${HAS_DIGIT}[\\w-]{16,}`,
  },
  { of: "named tokens of this gateway (admin_tokens.ts)", pattern: `llmio-admin-${HAS_DIGIT}[\\w-]{12,}` },
  {
    of: "Google: API keys, the newer bound ones, OAuth access tokens and refresh tokens. " +
      "https://cloud.google.com/docs/authentication/api-keys",
    pattern: "AIza[\\w-]{30,}|AQ\\.[\\w-]{30,}|ya29\\.[\\w-]{20,}|1//0[\\w-]{20,}",
  },
  {
    of: "AWS access key ids. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
    pattern: "A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
  },
  {
    of: "GitHub. https://github.blog/engineering/behind-githubs-new-authentication-token-formats/",
    pattern: "gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\\w{20,}",
  },
  {
    of: "xAI, Groq, Hugging Face, Perplexity, Replicate, NVIDIA, Slack: by their consoles",
    pattern: "xai-[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}|" +
      "r8_[A-Za-z0-9]{20,}|nvapi-[\\w-]{20,}|xox[abeoprs]-[\\w-]{10,}",
  },
  { of: "Zhipu: id and secret, joined by a dot", pattern: "[0-9a-f]{32}\\.[A-Za-z0-9]{16}(?![A-Za-z0-9])" },
  {
    of: 'JSON Web Tokens, signed or encrypted: a header that begins with {" in base64url. ' +
      "https://www.rfc-editor.org/rfc/rfc7519",
    // Begins only where a word begins: one that has no dot would be read again from each of its hyphens.
    pattern: "(?<![-_])eyJ[\\w-]{8,}\\.[\\w-]{4,}(?:\\.[\\w-]*){1,3}",
  },
];

/** No letter or digit, but for the end of what JSON (`\n`) or a URL (`%20`) escapes. */
const BEFORE = "(?:(?<![A-Za-z0-9])|(?<=\\\\[bfnrt])|(?<=%[0-9A-Fa-f]{2}))";

const TOKEN = new RegExp(`${BEFORE}(?:${TOKENS.map(({ pattern }) => pattern).join("|")})`, "g");

/** A text with {@linkcode MASK} in place of whatever looks like a secret. Masks that show the last four stay. */
export function withoutShapes(text: string): string {
  // No shape is shorter.
  if (text.length < 8) return text;
  let clean = text;
  for (const scrub of SCRUBS) clean = scrub(clean);
  return clean;
}

type Scrub = (text: string) => string;

/** A private key as files hold it, up to its end or that of the text (https://www.rfc-editor.org/rfc/rfc7468). */
const PEM =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g;

/** `scheme://user:password@host`, or `scheme://token@host` (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1). */
const USERINFO = /(:\/\/)([^\s/?#"'<>\\]{1,512})@/g;

/** A query parameter. */
const PARAMETER = /([?&;](?:amp;)?)([\w.%-]{1,48})=([^\s&#"'<>()\\]{1,4096})/g;

/**
 * `Bearer …` and `Basic …` (RFC 9110, section 11): the credential has a digit, or a capital or `=` further on, or is
 * longer than words are, which "bearer authentication" and "basic information" do not.
 */
const SCHEME =
  /\b([Bb]earer|[Bb]asic|BEARER|BASIC)((?:[ \t]|%20|\+){1,4})(?:(?=[\w.~+/=-]{0,80}[\d=])[\w.~+/=-]{6,}|(?=\w[a-z]{0,80}[A-Z])[\w.~+/=-]{12,}|[\w.~+/=-]{24,})/g;

/** A member of a JSON object, also of one that is a text inside of another one. */
const MEMBER = /"([\w.-]{1,64})"(\s{0,4}:\s{0,4})"((?:[^"\\]|\\.){1,8192})(?:"|$)/gs;
const ESCAPED_MEMBER = /\\"([\w.-]{1,64})\\"(\s{0,4}:\s{0,4})\\"([^"\\]{1,8192})(?:\\"|$)/g;

/** Cookies, to the end of their line. */
const COOKIES = /\b((?:set-)?cookie\s{0,4}:\s{0,4})([^\s="'\\]{1,128}=[^\r\n"'\\]{1,4096})/gi;

/** `x-api-key: …`, `api_key=…`: a header's line, a form's field, a setting. */
const NAMED =
  /(?<![\w-])((?:[\w-]{0,24}[_-])?(?:api[_-]?keys?|authorization|secret|token|password|passwd|passphrase|(?:access|secret|private)[_-]?key))(["']?\s{0,4}[:=]\s{0,4}["']?)(?!\d{1,20}(?!\w))(?=[^\s"'\\,;&<>()[\]{}]{0,80}\d)([^\s"'\\,;&<>()[\]{}]{6,})/gi;

const SCRUBS: readonly Scrub[] = [
  (text) => text.includes("PRIVATE KEY") ? text.replace(PEM, MASK) : text,
  (text) => text.includes("://") ? text.replace(USERINFO, maskedUserinfo) : text,
  (text) => text.replace(COOKIES, `$1${MASK}`),
  (text) => text.replace(SCHEME, `$1$2${MASK}`),
  (text) => text.includes("=") ? text.replace(PARAMETER, maskedParameter) : text,
  (text) => text.includes('"') ? text.replace(MEMBER, maskedMember('"')) : text,
  (text) => text.includes('\\"') ? text.replace(ESCAPED_MEMBER, maskedMember('\\"')) : text,
  (text) =>
    text.replace(NAMED, (whole, name, between, value) => isMask(value) ? whole : `${name}${between}${MASK}`),
  (text) => text.replace(TOKEN, MASK),
];

function maskedUserinfo(whole: string, slashes: string, userinfo: string): string {
  const colon = userinfo.indexOf(":");
  if (isMask(userinfo.slice(colon + 1))) return whole;
  // A name without a password is a token.
  return `${slashes}${colon === -1 ? "" : `${userinfo.slice(0, colon)}:`}${MASK}@`;
}

function maskedParameter(whole: string, mark: string, name: string, value: string): string {
  return isSecretName(name) && !isMask(value) ? `${mark}${name}=${MASK}` : whole;
}

/** Passes over nearly all names at once. */
const MAY_BE_SECRET = /key|token|secret|pass|pwd|auth|bearer|sig|cookie|credential/i;

/** Names that hold nothing but a secret; others that end like one (`cache_key`) count if the value looks like one. */
const SURE_NAME =
  /api[_-]?key|authorization|secret|passw|passphrase|credential|private[_-]?key|[a-z][_-]?token$/i;

function maskedMember(quote: string): (...match: string[]) => string {
  return (whole, name = "", colon = "", value = "") => {
    if (!MAY_BE_SECRET.test(name) || !isSecretName(name) || isMask(value)) return whole;
    if (!SURE_NAME.test(name) && !looksRandom(value)) return whole;
    return `${quote}${name}${quote}${colon}${quote}${MASK}${whole.endsWith('"') ? quote : ""}`;
  };
}

/** One word of letters and digits mixed, longer than names are. */
function looksRandom(value: string): boolean {
  return value.length >= 12 && /^[^\s\\]+$/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value);
}
