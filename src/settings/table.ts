/** The table of settings: for each its flag, its variable, its default, its meaning and how its value is read. @module */
import {
  addressRanges,
  anyText,
  hostText,
  oneOf,
  onOff,
  origins,
  type Parser,
  rate,
  seconds,
  secretText,
  tokenText,
  wholeNumber,
  zoneName,
} from "./parsers.ts";

/** Levels of the log, from the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** Forms of a log line. */
export const LOG_FORMATS = ["text", "json"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

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

export interface Setting<T> extends SettingEntry {
  readonly parse: Parser<T>;
  /** A secret's value is never repeated in a message. */
  readonly secret?: boolean;
}

const setting = <T>(definition: Setting<T>): Setting<T> => definition;

/** Every setting by the name that the program has for it. */
export const TABLE = {
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
  ioLimit: setting({
    flag: "io-limit-kb",
    value: "kb",
    env: "LLMIO_IO_LIMIT_KB",
    default: "256",
    help: "Of a recorded request and of its answer, the most that is kept of each, in KiB (1 to 16384).",
    parse: wholeNumber(1, 16_384),
  }),
  cnyPerUsd: setting({
    flag: "cny-per-usd",
    value: "rate",
    env: "LLMIO_CNY_PER_USD",
    default: "7.2",
    help: "What a US dollar costs in CNY, where a budget in one currency meets costs in the other.",
    parse: rate(0.01, 1_000),
  }),
  secret: setting({
    flag: "secret",
    value: "secret",
    env: "LLMIO_SECRET",
    default: "none",
    help: "Encrypts what the database holds of providers' credentials. 16 characters or more.",
    parse: secretText,
    secret: true,
  }),
  secretFile: setting({
    flag: "secret-file",
    value: "file",
    env: "LLMIO_SECRET_FILE",
    default: "none",
    help: "File that holds the secret.",
    parse: anyText,
  }),
  tlsCert: setting({
    flag: "tls-cert",
    value: "file",
    env: "LLMIO_TLS_CERT",
    default: "none",
    help: "Certificate chain in PEM; with `--tls-key` the gateway speaks https.",
    parse: anyText,
  }),
  tlsKey: setting({
    flag: "tls-key",
    value: "file",
    env: "LLMIO_TLS_KEY",
    default: "none",
    help: "Private key of the certificate, in PEM.",
    parse: anyText,
  }),
  corsOrigins: setting({
    flag: "cors-origins",
    value: "origins",
    env: "LLMIO_CORS_ORIGINS",
    default: "none",
    help: "Web pages that may call the client API: origins with commas between them, or `*` for all.",
    parse: origins,
  }),
  trustedProxies: setting({
    flag: "trusted-proxies",
    value: "ranges",
    env: "TRUSTED_PROXIES",
    default: "none",
    help: "Addresses and ranges (`10.0.0.0/8`) of proxies whose `x-forwarded-for` is believed.",
    parse: addressRanges,
  }),
  denyPrivateUpstreams: setting({
    flag: "deny-private-upstreams",
    value: "on|off",
    env: "LLMIO_DENY_PRIVATE_UPSTREAMS",
    default: "off",
    help: "Whether providers at private and loopback addresses are refused: `on` or `off`.",
    parse: onOff,
  }),
  clientIdle: setting({
    flag: "client-idle-seconds",
    value: "seconds",
    env: "LLMIO_CLIENT_IDLE_SECONDS",
    default: "60",
    help: "A client that sends nothing of its body or takes nothing of its answer for so long is cut off.",
    parse: seconds(1, 86_400),
  }),
  uiDir: setting({
    flag: "ui-dir",
    value: "folder",
    env: "LLMIO_UI_DIR",
    default: "none",
    help: "Folder of a web UI, served at `/`.",
    parse: anyText,
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
