import assert from "node:assert/strict";
import { VERSION } from "../../src/cli/program.ts";
import { okChat } from "../upstream/fixtures.ts";
import { hang } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { program } from "./program_process.ts";

const TOKEN = "process-test-token";
/** Windows cannot send these signals to another process: there, a kill is always at once. */
const ignore = Deno.build.os === "windows";

function spawn(...args: string[]): Deno.ChildProcess {
  return program(args, { env: { TOKEN }, stdout: "piped", stderr: "piped" }).spawn();
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await spawn(...args).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** A gateway that listens, as a CI job would start it. */
class Gateway implements AsyncDisposable {
  private constructor(
    readonly process: Deno.ChildProcess,
    readonly dir: string,
    readonly url: string,
    readonly port: number,
  ) {}

  static async start(...args: string[]): Promise<Gateway> {
    const dir = await Deno.makeTempDir();
    const readyFile = `${dir}/ready.json`;
    const flags = ["--host", "127.0.0.1", "--port", "0", "--db", ":memory:", "--ready-file", readyFile];
    const watcher = Deno.watchFs(dir);
    const process = spawn("serve", ...flags, ...args);
    process.status.then(() => {
      try {
        watcher.close();
      } catch {
        // It was closed when the file came.
      }
    });
    for await (const { paths } of watcher) {
      if (!paths.some((path) => path.endsWith("ready.json"))) continue;
      watcher.close();
      const { url, port } = JSON.parse(await Deno.readTextFile(readyFile));
      return new Gateway(process, dir, url, port);
    }
    const { stderr } = await process.output();
    throw new Error(`the gateway did not start: ${new TextDecoder().decode(stderr)}`);
  }

  /** One provider behind one model, `chat`. */
  async configure(upstreamUrl: string): Promise<void> {
    const config = JSON.stringify({ base_url: `${upstreamUrl}/v1`, api_key: "sk-upstream" });
    await this.post("/api/providers", { name: "only", type: "openai", config });
    await this.post("/api/models", { name: "chat", max_retry: 1, time_out: 60 });
    await this.post("/api/model-providers", {
      model_id: 1,
      provider_id: 1,
      provider_name: "upstream-model",
      weight: 1,
      tool_call: true,
      structured_output: true,
      image: true,
    });
  }

  async post(path: string, body: unknown): Promise<string> {
    const response = await fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return text;
  }

  async end(): Promise<{ code: number; err: string }> {
    const { code, stderr } = await this.process.output();
    return { code, err: new TextDecoder().decode(stderr) };
  }

  async hasReadyFile(): Promise<boolean> {
    const names = await Array.fromAsync(Deno.readDir(this.dir), (entry) => entry.name);
    return names.includes("ready.json");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended, as it should.
    }
    if (!this.process.stderr.locked) await this.process.output();
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("llmio --version answers without a server", async () => {
  assert.deepEqual(await run("--version"), { code: 0, out: `llmio ${VERSION}\n`, err: "" });
});

Deno.test("llmio ends a wrong start with one line on standard error and exit code 2", async () => {
  assert.deepEqual(await run("serve", "--port", "x"), {
    code: 2,
    out: "",
    err: 'llmio: --port: "x" is not a whole number from 0 to 65535\n',
  });
});

Deno.test("llmio serve says which port is in use", async () => {
  await using upstream = await ScriptedUpstream.start();
  const port = String(upstream.port);
  const { code, err } = await run(
    "--host",
    "127.0.0.1",
    "--port",
    port,
    "--db",
    ":memory:",
    "--log-level",
    "error",
  );
  assert.equal(code, 2);
  assert.equal(
    err,
    `llmio: port ${port} on 127.0.0.1 is already in use; stop the other program or choose another with --port\n`,
  );
});

Deno.test(
  "llmio serve relays from the moment of its ready file until SIGTERM, and exits with 0",
  { ignore },
  async () => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await using gateway = await Gateway.start();
    await gateway.configure(upstream.url);
    const answer = await gateway.post("/v1/chat/completions", { model: "chat", messages: [] });
    assert.equal(JSON.parse(answer).choices[0].message.content, "Hello");
    gateway.process.kill("SIGTERM");
    assert.equal((await gateway.end()).code, 0);
    assert.equal(await gateway.hasReadyFile(), false);
  },
);

Deno.test("llmio serve exits at once with 130 on a second signal", { ignore }, async () => {
  await using upstream = await ScriptedUpstream.start([hang]);
  await using gateway = await Gateway.start();
  await gateway.configure(upstream.url);
  const cut = assert.rejects(gateway.post("/v1/chat/completions", { model: "chat", messages: [] }));
  await upstream.waitForRequest(1);
  const gone = Deno.watchFs(gateway.dir);
  gateway.process.kill("SIGINT");
  // The ready file goes when the first signal has been taken.
  for await (const { kind } of gone) if (kind === "remove") break;
  gateway.process.kill("SIGINT");
  assert.equal((await gateway.end()).code, 130);
  await cut;
});

Deno.test("llmio serve writes JSON lines to its log when told to", { ignore }, async () => {
  await using gateway = await Gateway.start("--log-format", "json", "--log-level", "debug");
  gateway.process.kill("SIGTERM");
  const { code, err } = await gateway.end();
  assert.equal(code, 0);
  const messages = err.trimEnd().split("\n").map((line) => JSON.parse(line).message);
  assert.ok(messages.includes("Listening"), err);
  assert.equal(messages.at(-1), "Stopped");
  assert.ok(!err.includes(TOKEN));
});
