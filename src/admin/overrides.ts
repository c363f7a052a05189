/** What associations and providers may change in requests: headers, body fields, the model's name. @module */
import type { z } from "@hono/zod-openapi";
import { isSecretName } from "../access/secrets.ts";

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

/** Fields that end like a secret and are none. */
const NO_SECRETS: ReadonlySet<string> = new Set(["prompt_cache_key", "promptCacheKey"]);

/** What is wrong with a provider's overrides; `null` = nothing. */
export function overrideFault(fields: Readonly<Record<string, unknown>>): string | null {
  for (const [name, value] of Object.entries(fields)) {
    if (name === "") return "has an empty key; keys are names of top-level members";
    const reason = OWN_BODY_FIELDS.get(name);
    if (reason !== undefined) {
      return `must not set ${name}: ${name === "model" ? "use model_aliases" : reason}`;
    }
    // They are shown and exported as they are, and not encrypted.
    if (isSecretName(name) && !NO_SECRETS.has(name)) {
      return `must not set ${name}: it looks like a secret, and overrides are no place for secrets; use config`;
    }
    if (isDeeper(value, MAX_DEPTH)) {
      return `has a value at ${name} that is nested deeper than ${MAX_DEPTH} levels`;
    }
  }
  return null;
}

/** Longest name of a model, in characters. */
const MODEL_NAME_LIMIT = 255;

/** What is wrong with a provider's aliases; `null` = nothing. */
export function aliasFault(aliases: Readonly<Record<string, string>>): string | null {
  for (const [alias, model] of Object.entries(aliases)) {
    for (const name of [alias, model]) {
      const shown = JSON.stringify(name.slice(0, 100));
      if (name.trim() === "") return "has an empty name; it must be an object of alias and model name";
      if (name !== name.trim()) return `has a name with blanks around it: ${shown}`;
      if (name.length > MODEL_NAME_LIMIT) {
        return `has a name longer than ${MODEL_NAME_LIMIT} characters: ${shown}`;
      }
      if (/\p{Cc}/u.test(name) || !name.isWellFormed()) {
        return `has a name with a control character or malformed Unicode: ${shown}`;
      }
    }
  }
  return null;
}

/** A zod check that reports what a function finds. */
export function report<Value>(fault: (value: Value) => string | null) {
  return (value: Value, check: z.RefinementCtx) => {
    const message = fault(value);
    if (message !== null) check.addIssue({ code: "custom", message });
  };
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
