import assert from "node:assert/strict";
import { CertificateProblem } from "../../src/access/tls.ts";
import { serve, type ServeProcess } from "../../src/cli/serve.ts";
import type { RunningServer } from "../../src/server.ts";
import type { Settings } from "../../src/settings.ts";
import { UiFolderProblem } from "../../src/ui/folder.ts";

/** A process without a server, whose signals the test sends. */
class FakeProcess implements ServeProcess {
  readonly env: Record<string, string>;
  /** What happened, in order. */
  readonly events: string[] = [];
  readonly listening = Promise.withResolvers<Settings>();
  readonly #finished = Promise.withResolvers<void>();
  #handler: ((signal: Deno.Signal) => void) | undefined;

  constructor(
    env: Record<string, string> = {},
    readonly behaviour: { start?: Error; drain?: Promise<void> } = {},
  ) {
    this.env = { LOG_LEVEL: "error", ...env };
  }

  async start(settings: Settings): Promise<RunningServer> {
    this.events.push("start");
    await Promise.resolve();
    if (this.behaviour.start) throw this.behaviour.start;
    this.listening.resolve(settings);
    return {
      url: "http://127.0.0.1:4711",
      hostname: "127.0.0.1",
      port: 4711,
      stop: async (reason) => {
        this.events.push(`stop ${reason}`);
        await this.behaviour.drain;
        this.#finished.resolve();
      },
      finished: this.#finished.promise,
    };
  }

  dropPermissions(): Promise<void> {
    this.events.push("drop permissions");
    return Promise.resolve();
  }

  onStopSignal(handler: (signal: Deno.Signal) => void): () => void {
    this.#handler = handler;
    return () => this.#handler = undefined;
  }

  exit(code: number): void {
    this.events.push(`exit ${code}`);
  }

  signal(name: Deno.Signal): void {
    assert.ok(this.#handler, "nobody listens for signals");
    this.#handler(name);
  }

  fail(error: Error): void {
    this.#finished.reject(error);
  }

  get listensForSignals(): boolean {
    return this.#handler !== undefined;
  }
}

function run(
  process: FakeProcess,
  flags: Record<string, string> = {},
): { code: Promise<number>; err: string[] } {
  const err: string[] = [];
  const code = serve(flags, { out: () => {}, err: (text) => err.push(text) }, process);
  return { code, err };
}

async function withTempDir(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("serve() gives up permissions, starts, and stops with exit code 0 on a signal", async () => {
  const process = new FakeProcess();
  const { code, err } = run(process, { port: "0" });
  const settings = await process.listening.promise;
  assert.equal(settings.port, 0);
  process.signal("SIGTERM");
  assert.equal(await code, 0);
  assert.deepEqual(process.events, ["drop permissions", "start", "stop SIGTERM"]);
  assert.deepEqual(err, []);
  assert.equal(process.listensForSignals, false);
});

Deno.test("serve() ends the process at once with 130 on a second signal", async () => {
  const drain = Promise.withResolvers<void>();
  const process = new FakeProcess({}, { drain: drain.promise });
  const { code } = run(process);
  await process.listening.promise;
  process.signal("SIGINT");
  process.signal("SIGINT");
  assert.equal(process.events.at(-1), "exit 130");
  drain.resolve();
  await code;
});

Deno.test("serve() stops after the start when the signal came during it", async () => {
  const process = new FakeProcess();
  const { code } = run(process);
  while (!process.listensForSignals) await Promise.resolve();
  process.signal("SIGTERM");
  assert.equal(await code, 0);
  assert.deepEqual(process.events, ["drop permissions", "start", "stop SIGTERM"]);
});

Deno.test("serve() answers wrong settings with a line each and exit code 2, and starts nothing", async () => {
  const process = new FakeProcess({ TZ: "Mars/Olympus" });
  const { code, err } = run(process, { port: "x" });
  assert.equal(await code, 2);
  assert.deepEqual(err.map((line) => line.split(":").slice(0, 2).join(":")), ["llmio: --port", "llmio: TZ"]);
  assert.deepEqual(process.events, []);
});

Deno.test("serve() says in one line why it cannot start", async () => {
  const cases: [error: Error, flags: Record<string, string>, line: string, code: number][] = [
    [
      new Deno.errors.AddrInUse("Address already in use (os error 98)"),
      {},
      "llmio: port 7070 on 127.0.0.1 is already in use; stop the other program or choose another with --port\n",
      2,
    ],
    [
      new Deno.errors.AddrNotAvailable("Cannot assign requested address"),
      { host: "192.0.2.1", token: "t" },
      "llmio: 192.0.2.1 is not an address of this machine; choose another with --host\n",
      2,
    ],
    [
      new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
      { port: "80" },
      "llmio: port 80 on 127.0.0.1 needs more rights than this user has; choose a port over 1023 with --port\n",
      2,
    ],
    [
      new Error("the database is from a newer version"),
      {},
      "llmio: the database is from a newer version\n",
      1,
    ],
    [new Error("two\n  lines"), {}, "llmio: two lines\n", 1],
    [
      new UiFolderProblem("--ui-dir: dist holds no index.html; name the folder"),
      { "ui-dir": "dist" },
      "llmio: --ui-dir: dist holds no index.html; name the folder\n",
      2,
    ],
    [new CertificateProblem("--tls-cert: no certificate"), {}, "llmio: --tls-cert: no certificate\n", 2],
  ];
  for (const [start, flags, line, expected] of cases) {
    const { code, err } = run(new FakeProcess({}, { start }), flags);
    assert.equal(await code, expected);
    assert.deepEqual(err, [line]);
  }
});

Deno.test("serve() answers with 1 when the server fails while it runs", async () => {
  const process = new FakeProcess({ LOG_FORMAT: "json" });
  const { code } = run(process);
  await process.listening.promise;
  process.fail(new Error("a failure that the log should show"));
  assert.equal(await code, 1);
});

Deno.test("serve() keeps the ready file for as long as it listens", () =>
  withTempDir(async (dir) => {
    const file = `${dir}/ready.json`;
    await Deno.writeTextFile(file, "left by a killed run");
    const drain = Promise.withResolvers<void>();
    const process = new FakeProcess({}, { drain: drain.promise });
    const { code } = run(process, { "ready-file": file });
    await process.listening.promise;
    while (await readJson(file) === undefined);
    assert.deepEqual(await readJson(file), {
      url: "http://127.0.0.1:4711",
      hostname: "127.0.0.1",
      port: 4711,
      pid: Deno.pid,
    });
    assert.deepEqual((await Array.fromAsync(Deno.readDir(dir))).map((entry) => entry.name), ["ready.json"]);
    process.signal("SIGTERM");
    while (!process.events.includes("stop SIGTERM")) await readJson(file);
    assert.equal(await readJson(file), undefined);
    drain.resolve();
    assert.equal(await code, 0);
  }));

Deno.test("serve() removes the ready file of an earlier run even when the start fails", () =>
  withTempDir(async (dir) => {
    const file = `${dir}/ready.json`;
    await Deno.writeTextFile(file, "{}");
    const { code } = run(new FakeProcess({}, { start: new Error("no") }), { "ready-file": file });
    assert.equal(await code, 1);
    assert.equal(await readJson(file), undefined);
  }));

Deno.test("serve() stops again with exit code 2 when the ready file cannot be written", () =>
  withTempDir(async (dir) => {
    const process = new FakeProcess();
    const { code, err } = run(process, { "ready-file": `${dir}/missing/ready.json` });
    assert.equal(await code, 2);
    assert.equal(err.length, 1);
    assert.match(err[0] ?? "", /^llmio: --ready-file: .+\n$/);
    assert.ok(process.events.some((event) => event.startsWith("stop ")));
  }));

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch {
    return undefined;
  }
}
