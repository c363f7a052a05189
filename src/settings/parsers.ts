/** Reads the values of settings, each from a text. @module */
import { isIP } from "node:net";

/** A value, or what is wrong with the text; the message goes behind it. */
export type Parsed<T> = { value: T } | { problem: string };
/** Reads one kind of value. */
export type Parser<T> = (text: string) => Parsed<T>;

/** Any text but one with a NUL character. */
export function anyText(text: string): Parsed<string> {
  return text.includes("\0") ? { problem: "holds a NUL character" } : { value: text };
}

/** A token that cannot stand in a header could never be sent by a client. */
export function tokenText(text: string): Parsed<string> {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) return { problem: "holds a line break or another control character" };
  return { value: text };
}

/** An address or a host name. */
export function hostText(text: string): Parsed<string> {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  const isName = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(host);
  const isIpv6 = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(%[\w.-]+)?$/i.test(host);
  if (isName || isIpv6) return { value: host };
  return { problem: "is not an address or host name; give it without scheme and port" };
}

/** A whole number within limits. */
export function wholeNumber(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max
      ? { value }
      : { problem: `is not a whole number from ${min} to ${max}` };
  };
}

/** A number within limits. */
export function rate(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? { value } : { problem: `is not a number from ${min} to ${max}` };
  };
}

/** Shorter secrets can be guessed. */
const SECRET_LENGTH = 16;

/** A secret that keys are derived from. */
export function secretText(text: string): Parsed<string> {
  if (text.length < SECRET_LENGTH) return { problem: `is shorter than ${SECRET_LENGTH} characters` };
  return tokenText(text);
}

/** Origins with commas between them, each as a browser writes it; or `*`. */
export function origins(text: string): Parsed<readonly string[]> {
  const value = listOf(text);
  // Pages of programs have schemes of their own, for which URL knows no origin: app://obsidian.md
  const odd = value.find((origin) => origin !== "*" && !/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/i.test(origin));
  return odd === undefined
    ? { value }
    : { problem: "is not a list of origins; write each as scheme, host and port: https://app.example.com" };
}

/** Addresses and ranges with commas between them. */
export function addressRanges(text: string): Parsed<readonly string[]> {
  const value = listOf(text);
  return value.every(isRange)
    ? { value }
    : { problem: "is not a list of addresses and ranges, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8" };
}

function isRange(text: string): boolean {
  const [address = "", prefix = "0", ...more] = text.split("/");
  const family = isIP(address);
  return family !== 0 && more.length === 0 && /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (family === 4 ? 32 : 128);
}

function listOf(text: string): readonly string[] {
  return text.split(",").map((each) => each.trim()).filter((each) => each !== "");
}

/** Seconds in, whole milliseconds out; fractions are taken. */
export function seconds(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max
      ? { value: Math.round(value * 1000) }
      : { problem: `is not a number of seconds from ${min} to ${max}` };
  };
}

/** One of some words, in any case. */
export function oneOf<const T extends string>(choices: readonly T[]): Parser<T> {
  return (text) => {
    const value = choices.find((choice) => choice === text.toLowerCase());
    return value === undefined ? { problem: `is not one of ${choices.join(", ")}` } : { value };
  };
}

const SWITCH: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  1: true,
  off: false,
  false: false,
  0: false,
};

/** A switch, in the words of several programs. */
export function onOff(text: string): Parsed<boolean> {
  const value = Object.hasOwn(SWITCH, text.toLowerCase()) ? SWITCH[text.toLowerCase()] : undefined;
  return value === undefined ? { problem: "is not on or off" } : { value };
}

/** A time zone that is known here. */
export function zoneName(text: string): Parsed<string> {
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return { value: text };
  } catch {
    return { problem: "is not a time zone that is known here; give a name such as Europe/Berlin or UTC" };
  }
}

/** The system's zone. A blank or unreadable one is called `Etc/Unknown`, which nothing else takes. */
export function systemZone(): string {
  const zone = zoneName(new Intl.DateTimeFormat("en").resolvedOptions().timeZone);
  return "value" in zone ? zone.value : "UTC";
}
