import assert from "node:assert/strict";
import { holdSecrets } from "../src/access/scrub.ts";
import { logOf, type LogOptions, startLog } from "../src/log.ts";

/** What a log with these options writes while `body` runs. */
async function written(options: Partial<LogOptions>, body: () => void): Promise<string[]> {
  let text = "";
  const decoder = new TextDecoder();
  const stream = new WritableStream<Uint8Array>({
    write: (bytes) => {
      text += decoder.decode(bytes);
    },
  });
  {
    await using _log = await startLog({ level: "info", format: "text", colors: false, ...options, stream });
    body();
  }
  return text.split("\n").slice(0, -1);
}

Deno.test("startLog() writes text lines with time, level, room, message and what the message leaves out", async () => {
  const [line, ...more] = await written(
    {},
    () => logOf("gateway").info("{model} failed", { model: "m", tries: 2 }),
  );
  assert.match(line ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z info {4}gateway: m failed tries=2$/);
  assert.deepEqual(more, []);
});

Deno.test("startLog() writes JSON lines with the properties as they are", async () => {
  const [line] = await written(
    { format: "json" },
    () => logOf("gateway").warn("Slow", { ms: 12, name: "a b" }),
  );
  const { "@timestamp": time, ...rest } = JSON.parse(line ?? "");
  assert.ok(Number.isFinite(Date.parse(time)));
  assert.deepEqual(rest, {
    level: "WARN",
    message: "Slow",
    logger: "llmio.gateway",
    properties: { ms: 12, name: "a b" },
  });
});

Deno.test("startLog() leaves out what is below the level", async () => {
  const all = () => {
    logOf("x").debug("debug");
    logOf("x").info("info");
    logOf("x").warn("warning");
    logOf("x").error("error");
  };
  const seen = (lines: string[]) => lines.map((line) => line.split(": ")[1]);
  assert.deepEqual(seen(await written({ level: "debug" }, all)), ["debug", "info", "warning", "error"]);
  assert.deepEqual(seen(await written({ level: "warning" }, all)), ["warning", "error"]);
  assert.deepEqual(seen(await written({ level: "error" }, all)), ["error"]);
});

Deno.test("startLog() writes one line for a record, whatever its values hold", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const values = {
    text: "a\nforged line",
    escape: "\x1b[31m",
    big: 1n,
    circular,
    error: new Error("two\nlines"),
  };
  for (const format of ["text", "json"] as const) {
    const lines = await written({ format }, () => {
      logOf("x").error("{text} {escape}", values);
      logOf("x").error("properties", values);
    });
    assert.equal(lines.length, 2);
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    assert.ok(lines.every((line) => !/[\x00-\x1f]/.test(line)));
  }
});

Deno.test("startLog() colours the level only when told to", async () => {
  const log = () => logOf("x").info("message");
  const [coloured] = await written({ colors: true }, log);
  const [plain] = await written({ colors: false }, log);
  assert.ok(coloured?.endsWith(" \x1b[32minfo   \x1b[0m x: message"));
  assert.ok(plain?.endsWith(" info    x: message"));
});

Deno.test("startLog() survives a standard error that is gone", async () => {
  const stream = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("broken pipe")),
  });
  await using _log = await startLog({ level: "info", format: "text", stream });
  for (let count = 0; count < 3; count++) logOf("x").error("nobody reads this");
});

Deno.test("startLog() writes no secret, wherever in a record it is and whatever it is in", async () => {
  const known = "correct-horse-battery";
  const shaped = "sk-0123456789abcdefghij";
  using _secrets = holdSecrets([known]);
  const error = new Error(`refused ${known}`, { cause: new TypeError(`sent ${shaped}`) });
  error.stack = `Error: refused ${known}\n    at x (https://u:${known}@h/x.ts?key=${shaped})`;
  const circular: Record<string, unknown> = { [known]: 1, text: known };
  circular.self = circular;
  const values = {
    text: `quoted ${known}`,
    error,
    nested: { list: [{ deep: shaped }, new Map([["a", known]])], url: new URL(`http://h/?key=${known}`) },
    headers: new Headers({ authorization: "abc" }),
    token: "short",
    bytes: new TextEncoder().encode(known),
    circular,
    many: new AggregateError([new Error(known)], shaped),
  };
  for (const format of ["text", "json"] as const) {
    const lines = await written({ format, level: "debug" }, () => {
      for (const level of ["debug", "info", "warn", "error", "fatal"] as const) {
        logOf("x")[level](`${known} {text} {error} {nested}`, values);
        logOf("x")[level]("properties", values);
        logOf("x")[level]`template ${known} and ${error}`;
      }
    });
    assert.equal(lines.length, 15);
    for (const line of lines) {
      assert.ok(!line.includes("horse") && !line.includes("0123456789"), line);
      assert.ok(line.includes("****"), line);
      if (format === "json") JSON.parse(line);
    }
    assert.ok(lines.every((line) => !/short|abc"/.test(line)));
    assert.ok(lines[1]?.includes("refused ****") && lines[1]?.includes("at x ("), lines[1] ?? "nothing");
  }
});

Deno.test("startLog() costs the record of an unwritten line nothing", async () => {
  let reads = 0;
  const value = Object.defineProperty({}, "read", { enumerable: true, get: () => ++reads });
  await written({ level: "warning" }, () => logOf("x").info("properties", { value }));
  assert.equal(reads, 0);
  await written({ level: "info" }, () => logOf("x").info("properties", { value }));
  assert.ok(reads > 0);
});

Deno.test("startLog() survives a value that cannot be read", async () => {
  const value = {
    get broken(): never {
      throw new Error("no");
    },
  };
  const [line] = await written({}, () => logOf("x").info("properties", { value, fine: 1 }));
  assert.match(line ?? "", /unreadable.*fine=1/);
});
