/**
 * Tests of the compiled executable: `LLMIO_BINARY` names it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import OpenAI from "openai";
import { okSse } from "../upstream/fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const BINARY = resolve(Deno.env.get("LLMIO_BINARY") ?? "dist/llmio");
const TOKEN = "binary-test-token";

interface Address {
  readonly url: string;
  readonly pid: number;
}

/** Starts the executable in an empty folder and waits until it listens. */
async function startBinary(folder: string): Promise<{ process: Deno.ChildProcess; address: Address }> {
  const ready = `${folder}/ready.json`;
  const process = new Deno.Command(BINARY, {
    args: ["serve", "--port", "0", "--host", "127.0.0.1", "--ready-file", ready],
    cwd: folder,
    env: { TOKEN, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  for (let tries = 0; tries < 500; tries++) {
    try {
      return { process, address: JSON.parse(await Deno.readTextFile(ready)) };
    } catch {
      await new Promise((done) => setTimeout(done, 20));
    }
  }
  process.kill("SIGKILL");
  throw new Error(`the executable did not start: ${await new Response(process.stderr).text()}`);
}

async function admin(address: Address, path: string, body: unknown): Promise<{ ID: number }> {
  const response = await fetch(`${address.url}/api${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(body),
  });
  const reply = await response.json();
  assert.equal(reply.code, 200, JSON.stringify(reply));
  return reply.data;
}

Deno.test("the executable starts on a fresh folder, serves a stream, stops on SIGTERM and leaves the row", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using one = await ScriptedUpstream.start(okSse());
    await using two = await ScriptedUpstream.start(okSse());
    const { process, address } = await startBinary(folder);
    const model = await admin(address, "/models", { name: "m" });
    for (const [index, upstream] of [one, two].entries()) {
      const config = JSON.stringify({ base_url: upstream.url, api_key: `sk-binary-${index}` });
      const provider = await admin(address, "/providers", { name: `p${index}`, type: "openai", config });
      await admin(address, "/model-providers", {
        model_id: model.ID,
        provider_id: provider.ID,
        provider_name: "up",
      });
    }
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${address.url}/v1`, maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    assert.equal(text, "Hello");
    assert.equal(one.requests.length + two.requests.length, 1);

    process.kill("SIGTERM");
    const [status, stderr] = await Promise.all([process.status, new Response(process.stderr).text()]);
    assert.equal(status.code, 0, stderr);
    await assert.rejects(Deno.stat(`${folder}/ready.json`), Deno.errors.NotFound);
    const database = new DatabaseSync(`${folder}/db/llmio.db`, { readOnly: true });
    try {
      const rows = database.prepare("SELECT name, status, outcome, total_tokens FROM chat_logs").all();
      assert.deepEqual(rows.map((row) => ({ ...row })), [
        { name: "m", status: "success", outcome: "completed", total_tokens: 40 },
      ]);
    } finally {
      database.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the executable says its version, explains itself and refuses a wrong flag with code 2", async () => {
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(BINARY, { args, env: { NO_COLOR: "1" } })
      .output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };
  assert.match((await run("--version")).out, /^llmio \d+\.\d+\.\d+\n$/);
  assert.match((await run("--help")).out, /LLMIO_SERVER_PORT/);
  const wrong = await run("serve", "--port", "70000");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^llmio: --port: .*\n$/);
});
