/** Takes secrets out of values of any make, as logs carry them. @module */
import { withoutSecrets } from "./scrub.ts";
import { isMask, isSecretName, MASK } from "./secrets.ts";

/** What is nested deeper is not shown at all. */
const MAX_DEPTH = 16;
/** So many entries of a list or members of an object are shown. */
const MAX_ENTRIES = 1_000;

/**
 * A value like the given one, which stays as it is, without secrets: in texts, in the names and values of members, in
 * messages, stacks and causes of errors. A text whose member is named like a secret is one, whatever it looks like.
 * What appears inside of itself is named instead of shown.
 */
export function valueWithoutSecrets(value: unknown): unknown {
  return copyOf(value, []);
}

/** The same for the members of an object. */
export function membersWithoutSecrets(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return members(Object.entries(object).values(), [object]);
}

function copyOf(value: unknown, around: readonly object[]): unknown {
  if (typeof value === "string") return withoutSecrets(value);
  if (typeof value === "function" || typeof value === "symbol") return withoutSecrets(String(value));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (around.includes(value)) return "[circular]";
  if (around.length >= MAX_DEPTH) return "[nested too deep]";
  try {
    return copyOfObject(value, [...around, value]);
  } catch (error) {
    // A getter or a proxy of somebody's; a log must not fail by what it is given.
    return `[unreadable: ${withoutSecrets(String(error))}]`;
  }
}

function copyOfObject(value: object, around: readonly object[]): unknown {
  if (value instanceof Error) return copyOfError(value, around);
  if (value instanceof URL || value instanceof RegExp) return withoutSecrets(String(value));
  // Bytes may be a key or a prompt, and nobody reads them in a log.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Map || value instanceof Headers) return members(Iterator.from(value), around);
  if (value instanceof Set || Array.isArray(value)) {
    return Array.from(value.values().take(MAX_ENTRIES), (each) => copyOf(each, around));
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return copyOf(value.toJSON(), around);
  return members(Object.entries(value).values(), around);
}

function members(
  entries: IteratorObject<readonly [unknown, unknown]>,
  around: readonly object[],
): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, value] of entries.take(MAX_ENTRIES)) {
    const name = String(key);
    const isSecret = typeof value === "string" && value !== "" && !isMask(value) && isSecretName(name);
    Object.defineProperty(copy, withoutSecrets(name), {
      value: isSecret ? MASK : copyOf(value, around),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}

/** An error like this one, so that it is printed as one. */
function copyOfError(error: Error, around: readonly object[]): Error {
  const copy = new Error(withoutSecrets(error.message));
  copy.name = withoutSecrets(error.name);
  copy.stack = withoutSecrets(error.stack ?? `${error.name}: ${error.message}`);
  if (error.cause !== undefined) copy.cause = copyOf(error.cause, around);
  const own = Object.entries(error).filter(([name]) => !["name", "message", "stack", "cause"].includes(name));
  Object.assign(copy, members(own.values(), around));
  if (error instanceof AggregateError) Object.assign(copy, { errors: copyOf(error.errors, around) });
  return copy;
}
