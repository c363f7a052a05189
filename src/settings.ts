/**
 * Settings: flags and environment → one validated, frozen object.
 *
 * One table says for each setting its flag, its environment variable, its default and what it means. The command
 * line, `--help` and the README are made from it or checked against it, so they cannot drift apart.
 *
 * @module
 */

import {
  anyText,
  hostText,
  oneOf,
  onOff,
  type Parser,
  seconds,
  systemZone,
  tokenText,
  wholeNumber,
  zoneName,
} from "./settings/parsers.ts";

/** Levels of the log, from the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** Forms of a log line. */
export const LOG_FORMATS = ["text", "json"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What the gateway was told to be. Frozen; made by {@linkcode readSettings}. */
export interface Settings {
  /** The admin token; `null` = none, then the server listens on loopback only. @default {null} */
  readonly token: string | null;
  /** Address or name to listen on. @default {"0.0.0.0"} with a token, {"127.0.0.1"} without */
  readonly host: string;
  /** TCP port; 0 = any free one. @default {7070} */
  readonly port: number;
  /** Path of the SQLite file; `:memory:` = none. @default {"./db/llmio.db"} */
  readonly db: string;
  /** Whether the database file is made as small as it can be at the start. @default {false} */
  readonly dbVacuum: boolean;
  /** IANA time zone in which days begin. @default the system's zone */
  readonly timeZone: string;
  /** The least severe level that is written. @default {"info"} */
  readonly logLevel: LogLevel;
  /** How log lines are written. @default {"text"} */
  readonly logFormat: LogFormat;
  /** How long a stream may be silent after its headers, in milliseconds. @default {120_000} */
  readonly streamIdleMs: number;
  /** A stream silent for this long is opened with a comment, in milliseconds; 0 = never. @default {10_000} */
  readonly openAfterMs: number;
  /** How long a stopping server waits for running requests, in milliseconds. @default {30_000} */
  readonly graceMs: number;
  /** How often finished records are written, in milliseconds. @default {500} */
  readonly flushMs: number;
  /** Largest request body taken, in bytes, after decoding. @default {67_108_864} (64 MiB) */
  readonly bodyLimitBytes: number;
  /** Whether answers carry the `x-llmio-…` headers. @default {true} */
  readonly operatorHeaders: boolean;
  /** File that names the bound address while the server listens; `null` = none. @default {null} */
  readonly readyFile: string | null;
}

/** What {@linkcode readSettings} found: settings, or one line for each thing that is wrong. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly errors: readonly string[] };

/** A setting as the documentation shows it. */
export interface SettingEntry {
  /** Long flag without its dashes. */
  readonly flag: string;
  /** Name of the flag's value in `--help`. */
  readonly value: string;
  /** Environment variable. */
  readonly env: string;
  /** The default, as shown to people. */
  readonly default: string;
  /** What it means, with its unit. */
  readonly help: string;
}

interface Setting<T> extends SettingEntry {
  readonly parse: Parser<T>;
  /** A secret's value is never repeated in a message. */
  readonly secret?: boolean;
}

const setting = <T>(definition: Setting<T>): Setting<T> => definition;

const TABLE = {
  token: setting({
    flag: "token",
    value: "token",
    env: "TOKEN",
    default: "none",
    help: "Admin token. Other users of the machine can see flags: prefer the variable or a file.",
    parse: tokenText,
    secret: true,
  }),
  tokenFile: setting({
    flag: "token-file",
    value: "file",
    env: "TOKEN_FILE",
    default: "none",
    help: "File that holds the admin token.",
    parse: anyText,
  }),
  host: setting({
    flag: "host",
    value: "address",
    env: "LLMIO_HOST",
    default: "0.0.0.0 with a token, 127.0.0.1 without",
    help: "Address to listen on. Without a token only a loopback address is taken.",
    parse: hostText,
  }),
  port: setting({
    flag: "port",
    value: "port",
    env: "LLMIO_SERVER_PORT",
    default: "7070",
    help: "Port to listen on. 0 takes any free port.",
    parse: wholeNumber(0, 65_535),
  }),
  db: setting({
    flag: "db",
    value: "file",
    env: "LLMIO_DB",
    default: "./db/llmio.db",
    help: "Database file, made if missing. `:memory:` keeps everything in memory.",
    parse: anyText,
  }),
  dbVacuum: setting({
    flag: "db-vacuum",
    value: "on|off",
    env: "DB_VACUUM",
    default: "off",
    help: "Rewrite the database at the start, as small as it can be: `on` or `off`. Large ones take minutes.",
    parse: onOff,
  }),
  timeZone: setting({
    flag: "tz",
    value: "zone",
    env: "TZ",
    default: "the system's zone",
    help: "Time zone in which a day of the statistics begins, such as `Europe/Berlin`.",
    parse: zoneName,
  }),
  logLevel: setting({
    flag: "log-level",
    value: "level",
    env: "LOG_LEVEL",
    default: "info",
    help: "Least severe level written: `debug`, `info`, `warning` or `error`.",
    parse: oneOf(LOG_LEVELS),
  }),
  logFormat: setting({
    flag: "log-format",
    value: "format",
    env: "LOG_FORMAT",
    default: "text",
    help: "Form of the log on standard error: `text`, or `json` for one object a line.",
    parse: oneOf(LOG_FORMATS),
  }),
  streamIdle: setting({
    flag: "stream-idle-seconds",
    value: "seconds",
    env: "LLMIO_STREAM_IDLE_SECONDS",
    default: "120",
    help: "How long a provider's stream may be silent before it is given up, in seconds.",
    parse: seconds(0.1, 86_400),
  }),
  openAfter: setting({
    flag: "open-after-seconds",
    value: "seconds",
    env: "LLMIO_OPEN_AFTER_SECONDS",
    default: "10",
    help: "A stream without output for so long is opened with a comment, in seconds. 0 = never.",
    parse: seconds(0, 86_400),
  }),
  grace: setting({
    flag: "grace-seconds",
    value: "seconds",
    env: "LLMIO_GRACE_SECONDS",
    default: "30",
    help: "How long a stopping gateway waits for running requests, in seconds.",
    parse: seconds(0, 86_400),
  }),
  flush: setting({
    flag: "flush-ms",
    value: "ms",
    env: "LLMIO_FLUSH_MS",
    default: "500",
    help:
      "How often request logs are written, in milliseconds (10 to 1000). A crash loses no more than this.",
    parse: wholeNumber(10, 1_000),
  }),
  bodyLimit: setting({
    flag: "body-limit-mb",
    value: "mb",
    env: "LLMIO_BODY_LIMIT_MB",
    default: "64",
    help: "Largest request body, in MiB (1 to 512).",
    parse: wholeNumber(1, 512),
  }),
  operatorHeaders: setting({
    flag: "operator-headers",
    value: "on|off",
    env: "LLMIO_OPERATOR_HEADERS",
    default: "on",
    help: "Whether answers carry the `x-llmio-…` headers (trace id, attempts, provider): `on` or `off`.",
    parse: onOff,
  }),
  readyFile: setting({
    flag: "ready-file",
    value: "file",
    env: "LLMIO_READY_FILE",
    default: "none",
    help: "File written once the gateway listens, with its address as JSON. Removed at the stop.",
    parse: anyText,
  }),
} as const;

/** Every setting, in the order in which the documentation shows them. */
export const SETTINGS: readonly SettingEntry[] = Object.values(TABLE);

/** Values by flag name (`"token-file"`) or by variable (`"TOKEN_FILE"`). A blank value counts as not set. */
export type SettingValues = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings. Flags win over the environment; everything that is wrong is reported, not just the first.
 *
 * @param readTextFile reads the token file; called only when one is named.
 *
 * @example
 * ```ts
 * const result = readSettings({ port: "0" }, { TOKEN: "secret" });
 * if (result.ok) console.log(result.settings.host); // 0.0.0.0
 * ```
 */
export function readSettings(
  flags: SettingValues,
  env: SettingValues,
  readTextFile: (path: string) => string = Deno.readTextFileSync,
): SettingsResult {
  const errors: string[] = [];
  const read = <T>(entry: Setting<T>): T | undefined => {
    const found = lookUp(entry, flags, env);
    if (found === undefined) return undefined;
    const parsed = entry.parse(found.text);
    if ("value" in parsed) return parsed.value;
    errors.push(`${found.source}: ${entry.secret ? "the value" : quote(found.text)} ${parsed.problem}`);
    return undefined;
  };

  const token = readToken(flags, env, readTextFile, errors);
  const host = read(TABLE.host);
  if (host !== undefined && token === "none" && !isLoopback(host)) {
    errors.push(
      `${
        lookUp(TABLE.host, flags, env)?.source
      }: listening on ${host} without an admin token would open the ` +
        "gateway to everyone; set TOKEN or TOKEN_FILE, or listen on 127.0.0.1",
    );
  }
  const settings: Settings = {
    token: typeof token === "string" ? null : token.value,
    host: host ?? (token === "none" ? "127.0.0.1" : "0.0.0.0"),
    port: read(TABLE.port) ?? 7070,
    db: read(TABLE.db) ?? "./db/llmio.db",
    dbVacuum: read(TABLE.dbVacuum) ?? false,
    timeZone: read(TABLE.timeZone) ?? systemZone(),
    logLevel: read(TABLE.logLevel) ?? "info",
    logFormat: read(TABLE.logFormat) ?? "text",
    streamIdleMs: read(TABLE.streamIdle) ?? 120_000,
    openAfterMs: read(TABLE.openAfter) ?? 10_000,
    graceMs: read(TABLE.grace) ?? 30_000,
    flushMs: read(TABLE.flush) ?? 500,
    bodyLimitBytes: (read(TABLE.bodyLimit) ?? 64) * 1024 * 1024,
    operatorHeaders: read(TABLE.operatorHeaders) ?? true,
    readyFile: read(TABLE.readyFile) ?? null,
  };
  return errors.length > 0 ? { ok: false, errors } : { ok: true, settings: Object.freeze(settings) };
}

/** Whether a host of the settings is reached from this machine only. Names that merely resolve to it do not count. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** `"none"` = no token was given; `"bad"` = one was given and reported as wrong. */
function readToken(
  flags: SettingValues,
  env: SettingValues,
  readTextFile: (path: string) => string,
  errors: string[],
): { value: string } | "none" | "bad" {
  const direct = lookUp(TABLE.token, flags, env);
  const file = lookUp(TABLE.tokenFile, flags, env);
  if (direct && file && direct.flag === file.flag) {
    errors.push(`${direct.source} and ${file.source} are both set; keep one of them`);
    return "bad";
  }
  // A flag of either kind wins over a variable of the other.
  if (file && !direct?.flag) {
    let text: string;
    try {
      text = readTextFile(file.text).trim();
    } catch (error) {
      errors.push(`${file.source}: cannot read ${quote(file.text)}: ${oneLine(error)}`);
      return "bad";
    }
    // Who names a file wants a token: an empty one is a mistake, and starting without a token would hide it.
    const parsed = text === "" ? { problem: "holds no token" } : tokenText(text);
    if ("value" in parsed) return parsed;
    errors.push(`${file.source}: ${quote(file.text)} ${parsed.problem}`);
    return "bad";
  }
  if (!direct) return "none";
  const parsed = tokenText(direct.text);
  if ("value" in parsed) return parsed;
  errors.push(`${direct.source}: the value ${parsed.problem}`);
  return "bad";
}

function lookUp(
  entry: SettingEntry,
  flags: SettingValues,
  env: SettingValues,
): { text: string; source: string; flag: boolean } | undefined {
  const flag = flags[entry.flag]?.trim();
  if (flag) return { text: flag, source: `--${entry.flag}`, flag: true };
  const variable = env[entry.env]?.trim();
  if (variable) return { text: variable, source: entry.env, flag: false };
  return undefined;
}

/** A value inside a one-line message. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ");
}
