/**
 * Settings: flags and environment → one validated, frozen object.
 *
 * One table says for each setting its flag, its environment variable, its default and what it means. The command
 * line, `--help` and the README are made from it or checked against it, so they cannot drift apart.
 *
 * @module
 */

import { systemZone } from "./settings/parsers.ts";
import {
  LOG_FORMATS,
  LOG_LEVELS,
  type LogFormat,
  type LogLevel,
  type Setting,
  type SettingEntry,
  TABLE,
} from "./settings/table.ts";

export { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel, type SettingEntry };

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
  /** Of a recorded request and of its answer, the most that is kept of each, in bytes. @default {262_144} (256 KiB) */
  readonly ioLimitBytes: number;
  /** What a US dollar costs in CNY, for budgets. @default {7.2} */
  readonly cnyPerUsd: number;
  /** What credentials in the database are encrypted with; `null` = they are not. @default {null} */
  readonly secret: string | null;
  /** Files of the certificate chain and of its key; `null` = plain http. @default {null} */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  /** Origins that may call the client API from a browser; `*` = all. @default {[]} */
  readonly corsOrigins: readonly string[];
  /** Addresses and ranges of proxies whose `x-forwarded-for` is believed. @default {[]} */
  readonly trustedProxies: readonly string[];
  /** Whether providers at private and loopback addresses are refused. @default {false} */
  readonly denyPrivateUpstreams: boolean;
  /** A client that neither sends nor takes for this long is cut off, in milliseconds. @default {60_000} */
  readonly clientIdleMs: number;
  /** Folder of a web UI; `null` = none. @default {null} */
  readonly uiDir: string | null;
  /** File that names the bound address while the server listens; `null` = none. @default {null} */
  readonly readyFile: string | null;
}

/** What {@linkcode readSettings} found: settings, or one line for each thing that is wrong. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly errors: readonly string[] };

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

  const texts: Texts = { flags, env, readTextFile };
  const token = readSecret(TABLE.token, TABLE.tokenFile, texts, errors);
  const secret = readSecret(TABLE.secret, TABLE.secretFile, texts, errors);
  const certFile = read(TABLE.tlsCert);
  const keyFile = read(TABLE.tlsKey);
  if ((certFile === undefined) !== (keyFile === undefined)) {
    errors.push("--tls-cert and --tls-key belong together; give both or neither");
  }
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
    ioLimitBytes: (read(TABLE.ioLimit) ?? 256) * 1024,
    cnyPerUsd: read(TABLE.cnyPerUsd) ?? 7.2,
    secret: typeof secret === "string" ? null : secret.value,
    tls: certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : null,
    corsOrigins: read(TABLE.corsOrigins) ?? [],
    trustedProxies: read(TABLE.trustedProxies) ?? [],
    denyPrivateUpstreams: read(TABLE.denyPrivateUpstreams) ?? false,
    clientIdleMs: read(TABLE.clientIdle) ?? 60_000,
    uiDir: read(TABLE.uiDir) ?? null,
    readyFile: read(TABLE.readyFile) ?? null,
  };
  return errors.length > 0 ? { ok: false, errors } : { ok: true, settings: Object.freeze(settings) };
}

/** Whether a host of the settings is reached from this machine only. Names that merely resolve to it do not count. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** Where settings are read from. */
interface Texts {
  readonly flags: SettingValues;
  readonly env: SettingValues;
  readonly readTextFile: (path: string) => string;
}

/** A secret that is given itself or by the name of its file. `"none"` = it is not; `"bad"` = it is, and reported as wrong. */
function readSecret(
  entry: Setting<string>,
  fileEntry: Setting<string>,
  { flags, env, readTextFile }: Texts,
  errors: string[],
): { value: string } | "none" | "bad" {
  const direct = lookUp(entry, flags, env);
  const file = lookUp(fileEntry, flags, env);
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
    // Who names a file wants what is in it: an empty one is a mistake, and starting without would hide it.
    const parsed = text === "" ? { problem: `holds no ${entry.flag}` } : entry.parse(text);
    if ("value" in parsed) return parsed;
    errors.push(`${file.source}: ${quote(file.text)} ${parsed.problem}`);
    return "bad";
  }
  if (!direct) return "none";
  const parsed = entry.parse(direct.text);
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
