import assert from "node:assert/strict";
import { isLoopback, readSettings, SETTINGS, type Settings, type SettingValues } from "../src/settings.ts";

function settingsOf(flags: SettingValues, env: SettingValues = {}, file = "from-file\n"): Settings {
  const result = readSettings(flags, env, () => file);
  assert.ok(result.ok, result.ok ? "" : result.errors.join("\n"));
  return result.settings;
}

function errorsOf(flags: SettingValues, env: SettingValues = {}, file = "from-file\n"): readonly string[] {
  const result = readSettings(flags, env, () => file);
  assert.ok(!result.ok, "these settings should have been refused");
  return result.errors;
}

Deno.test("readSettings() gives the documented defaults", () => {
  assert.deepEqual({ ...settingsOf({}), timeZone: "UTC" }, {
    token: null,
    host: "127.0.0.1",
    port: 7070,
    db: "./db/llmio.db",
    dbVacuum: false,
    timeZone: "UTC",
    logLevel: "info",
    logFormat: "text",
    streamIdleMs: 120_000,
    openAfterMs: 10_000,
    graceMs: 30_000,
    flushMs: 500,
    bodyLimitBytes: 64 * 1024 * 1024,
    operatorHeaders: true,
    ioLimitBytes: 256 * 1024,
    cnyPerUsd: 7.2,
    secret: null,
    tls: null,
    corsOrigins: [],
    trustedProxies: [],
    denyPrivateUpstreams: false,
    clientIdleMs: 60_000,
    uiDir: null,
    readyFile: null,
  });
});

Deno.test("readSettings() gives a zone that can be used even when the system's is blank", async () => {
  const settings = new URL("../src/settings.ts", import.meta.url);
  const code = `import { readSettings } from "${settings}";
    new Intl.DateTimeFormat("en", { timeZone: readSettings({}, {}).settings.timeZone });`;
  for (const TZ of ["", "Europe/Berlin", "nonsense"]) {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code],
      env: { TZ },
    })
      .output();
    assert.ok(success, `TZ=${TZ}`);
  }
});

Deno.test("readSettings() reads every setting from its variable", () => {
  assert.deepEqual(
    settingsOf({}, {
      TOKEN: "secret",
      LLMIO_HOST: "::1",
      LLMIO_SERVER_PORT: "0",
      LLMIO_DB: ":memory:",
      DB_VACUUM: "true",
      TZ: "Asia/Shanghai",
      LOG_LEVEL: "WARNING",
      LOG_FORMAT: "json",
      LLMIO_STREAM_IDLE_SECONDS: "0.5",
      LLMIO_OPEN_AFTER_SECONDS: "0",
      LLMIO_GRACE_SECONDS: "1.5",
      LLMIO_FLUSH_MS: "10",
      LLMIO_BODY_LIMIT_MB: "1",
      LLMIO_OPERATOR_HEADERS: "off",
      LLMIO_IO_LIMIT_KB: "1",
      LLMIO_CNY_PER_USD: "7.05",
      LLMIO_SECRET: "sixteen or more!",
      LLMIO_TLS_CERT: "cert.pem",
      LLMIO_TLS_KEY: "key.pem",
      LLMIO_CORS_ORIGINS: "https://a.example, app://obsidian.md",
      TRUSTED_PROXIES: "127.0.0.1,10.0.0.0/8, fd00::/8",
      LLMIO_DENY_PRIVATE_UPSTREAMS: "on",
      LLMIO_CLIENT_IDLE_SECONDS: "5",
      LLMIO_UI_DIR: "ui",
      LLMIO_READY_FILE: "ready.json",
    }),
    {
      token: "secret",
      host: "::1",
      port: 0,
      db: ":memory:",
      dbVacuum: true,
      timeZone: "Asia/Shanghai",
      logLevel: "warning",
      logFormat: "json",
      streamIdleMs: 500,
      openAfterMs: 0,
      graceMs: 1_500,
      flushMs: 10,
      bodyLimitBytes: 1024 * 1024,
      operatorHeaders: false,
      ioLimitBytes: 1024,
      cnyPerUsd: 7.05,
      secret: "sixteen or more!",
      tls: { certFile: "cert.pem", keyFile: "key.pem" },
      corsOrigins: ["https://a.example", "app://obsidian.md"],
      trustedProxies: ["127.0.0.1", "10.0.0.0/8", "fd00::/8"],
      denyPrivateUpstreams: true,
      clientIdleMs: 5_000,
      uiDir: "ui",
      readyFile: "ready.json",
    },
  );
});

Deno.test("readSettings() lets a flag win over its variable", () => {
  for (const { flag, env } of SETTINGS.filter((entry) => !/^(token|secret|tls)/.test(entry.flag))) {
    const [good, bad] = [GOOD_VALUES[flag], BAD_VALUES[flag]];
    assert.ok(good !== undefined, `no value to try --${flag} with`);
    settingsOf({ [flag]: good, token: "t" }, { [env]: bad ?? "other" });
  }
});

Deno.test("readSettings() names the flag or the variable that is wrong, and repeats its value", () => {
  for (const { flag, env } of SETTINGS) {
    const bad = BAD_VALUES[flag];
    if (bad === undefined) continue;
    assert.deepEqual(errorsOf({ [flag]: bad }).map((error) => error.split(":")[0]), [`--${flag}`]);
    assert.deepEqual(errorsOf({}, { [env]: bad }).map((error) => error.split(":")[0]), [env]);
    assert.ok(errorsOf({ [flag]: bad })[0]?.includes(JSON.stringify(bad)));
  }
});

Deno.test("readSettings() reports everything that is wrong, a line each", () => {
  const errors = errorsOf({ port: "x\ny", "log-level": "loud" }, { TZ: "Mars/Olympus" });
  assert.equal(errors.length, 3);
  assert.ok(errors.every((error) => !error.includes("\n")));
});

Deno.test("readSettings() takes numbers in range only", () => {
  const cases: [flag: string, good: string[], bad: string[]][] = [
    ["port", ["0", "65535"], ["65536", "-1", "1.5", "0x50", "7070 ports", "Infinity"]],
    ["flush-ms", ["10", "1000"], ["9", "1001"]],
    ["body-limit-mb", ["1", "512"], ["0", "513"]],
    ["stream-idle-seconds", ["0.1", "86400"], ["0", "86401", "1e3", "-1"]],
    ["open-after-seconds", ["0"], ["never"]],
    ["grace-seconds", ["0"], ["forever"]],
  ];
  for (const [flag, good, bad] of cases) {
    for (const value of good) settingsOf({ [flag]: value });
    for (const value of bad) assert.equal(errorsOf({ [flag]: value }).length, 1, `--${flag} ${value}`);
  }
});

Deno.test("readSettings() takes a secret or its file, long enough to be one, and repeats neither", () => {
  assert.equal(settingsOf({ secret: "sixteen or more!" }).secret, "sixteen or more!");
  assert.equal(settingsOf({ "secret-file": "f" }, {}, "sixteen or more!\n").secret, "sixteen or more!");
  for (const errors of [errorsOf({ secret: "short" }), errorsOf({ "secret-file": "f" }, {}, "short")]) {
    assert.match(errors.join("\n"), /^--secret(-file)?: .*is shorter than 16 characters$/);
    assert.ok(!errors[0]?.includes("short ") && !errors[0]?.includes('"short"'));
  }
  assert.equal(errorsOf({ secret: "sixteen or more!", "secret-file": "f" }).length, 1);
});

Deno.test("readSettings() wants both files of TLS or neither", () => {
  for (const flag of ["tls-cert", "tls-key"]) {
    assert.deepEqual(errorsOf({ [flag]: "a.pem" }), [
      "--tls-cert and --tls-key belong together; give both or neither",
    ]);
  }
});

Deno.test("readSettings() takes whole addresses and ranges only", () => {
  for (const bad of ["10.0.0", "10.0.0.0/8/8", "10.0.0.0/", "::/129", "localhost", "10.0.0.0/-1"]) {
    assert.equal(errorsOf({ "trusted-proxies": bad }).length, 1, bad);
  }
});

Deno.test("readSettings() counts a blank value as not set", () => {
  const blank = Object.fromEntries(SETTINGS.map(({ env }) => [env, " "]));
  assert.deepEqual(settingsOf(blank, blank), settingsOf({}));
});

Deno.test("readSettings() listens everywhere with a token and on loopback without", () => {
  assert.equal(settingsOf({}, { TOKEN: "secret" }).host, "0.0.0.0");
  assert.equal(settingsOf({ token: "secret", host: "127.0.0.1" }).host, "127.0.0.1");
  assert.equal(settingsOf({ token: " " }).host, "127.0.0.1");
});

Deno.test("readSettings() refuses to listen beyond loopback without a token, and says how to mend it", () => {
  for (const host of ["0.0.0.0", "::", "192.0.2.7", "gateway.example", "127.0.0.1.example", "127.1"]) {
    const [error, ...more] = errorsOf({}, { LLMIO_HOST: host });
    assert.match(error ?? "", /^LLMIO_HOST: .*TOKEN.*127\.0\.0\.1/);
    assert.deepEqual(more, []);
  }
  for (const host of ["localhost", "127.0.0.2", "::1", "[::1]"]) settingsOf({ host });
});

Deno.test("readSettings() takes an address or a name as the host, and nothing more", () => {
  assert.equal(settingsOf({ host: "[::1]" }).host, "::1");
  for (const host of ["http://127.0.0.1", "127.0.0.1:7070", "a b", "a/b", "-a", "[::1]:80"]) {
    assert.match(errorsOf({ host, token: "t" })[0] ?? "", /^--host: .*without scheme and port/);
  }
});

Deno.test("readSettings() reads the token from a file, without the line break at its end", () => {
  assert.equal(settingsOf({ "token-file": "f" }).token, "from-file");
  assert.equal(settingsOf({}, { TOKEN_FILE: "f" }).token, "from-file");
});

Deno.test("readSettings() lets either token flag win over both token variables", () => {
  assert.equal(settingsOf({ token: "flag" }, { TOKEN_FILE: "f" }).token, "flag");
  assert.equal(settingsOf({ "token-file": "f" }, { TOKEN: "variable" }).token, "from-file");
  assert.match(errorsOf({ token: "a", "token-file": "f" })[0] ?? "", /--token and --token-file are both set/);
  assert.match(errorsOf({}, { TOKEN: "a", TOKEN_FILE: "f" })[0] ?? "", /TOKEN and TOKEN_FILE are both set/);
});

Deno.test("readSettings() refuses a token file that is missing or empty rather than start without a token", () => {
  assert.deepEqual(errorsOf({ "token-file": "f" }, {}, "\n"), ['--token-file: "f" holds no token']);
  const missing = readSettings({ "token-file": "f" }, {}, () => {
    throw new Deno.errors.NotFound("No such file");
  });
  assert.ok(!missing.ok);
  assert.deepEqual(missing.errors, ['--token-file: cannot read "f": No such file']);
});

Deno.test("readSettings() never repeats a token", () => {
  for (const errors of [errorsOf({ token: "se\ncret" }), errorsOf({ "token-file": "f" }, {}, "se\0cret")]) {
    assert.equal(errors.length, 1);
    assert.ok(!errors[0]?.includes("cret"));
  }
});

Deno.test("readSettings() answers a frozen object", () => {
  assert.ok(Object.isFrozen(settingsOf({})));
});

Deno.test("isLoopback() knows the addresses that only this machine can reach", () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.1", "::1"]) {
    assert.ok(isLoopback(host));
  }
  for (const host of ["", "0.0.0.0", "::", "128.0.0.1", "127.0.0.1.nip.example"]) {
    assert.ok(!isLoopback(host));
  }
});

Deno.test("README.md shows the settings as they are", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const rows = SETTINGS.map(({ env, flag, value, default: usual, help }) => {
    const shownFlag = `--${flag} <${value}>`.replaceAll("|", "\\|");
    return [`\`${env}\``, `\`${shownFlag}\``, usual, help];
  });
  const cells = (line: string) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  const table = readme.split("\n").filter((line) => line.startsWith("| `")).map(cells);
  const shown = table.filter(([env]) => SETTINGS.some((entry) => `\`${entry.env}\`` === env));
  assert.deepEqual(
    shown,
    rows,
    `the table should be:\n${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}`,
  );
});

const GOOD_VALUES: SettingValues = {
  host: "127.0.0.1",
  port: "1",
  db: "a.db",
  "db-vacuum": "on",
  tz: "UTC",
  "log-level": "debug",
  "log-format": "json",
  "stream-idle-seconds": "1",
  "open-after-seconds": "1",
  "grace-seconds": "1",
  "flush-ms": "20",
  "body-limit-mb": "2",
  "operator-headers": "off",
  "io-limit-kb": "2",
  "cny-per-usd": "7",
  "cors-origins": "*",
  "trusted-proxies": "::1",
  "deny-private-upstreams": "on",
  "client-idle-seconds": "9",
  "ui-dir": "ui",
  "ready-file": "r.json",
};

const BAD_VALUES: SettingValues = {
  host: "no host",
  port: "x",
  "db-vacuum": "now",
  tz: "Mars/Olympus",
  "log-level": "loud",
  "log-format": "xml",
  "stream-idle-seconds": "x",
  "open-after-seconds": "x",
  "grace-seconds": "x",
  "flush-ms": "x",
  "body-limit-mb": "x",
  "operator-headers": "maybe",
  "io-limit-kb": "x",
  "cny-per-usd": "x",
  "cors-origins": "https://a.example/path",
  "trusted-proxies": "10.0.0.0/33",
  "deny-private-upstreams": "maybe",
  "client-idle-seconds": "0",
};
