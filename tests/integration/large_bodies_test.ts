import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { okChat } from "../upstream/fixtures.ts";
import { until } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { TOKEN } from "./test_gateway.ts";

const MIB = 1024 * 1024;
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** A gateway in a process of its own, so that its memory can be told from the test's. */
async function startProcess(folder: string): Promise<{ process: Deno.ChildProcess; url: string }> {
  const ready = `${folder}/ready.json`;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--config", CONFIG, "--allow-net", "--allow-read", "--allow-write", "--allow-env", MAIN],
      ...["serve", "--host", "127.0.0.1", "--port", "0", "--db", `${folder}/llmio.db`, "--ready-file", ready],
    ],
    env: { TOKEN, LOG_LEVEL: "error" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let tries = 0; tries < 1_000; tries++) {
    try {
      return { process, url: JSON.parse(await Deno.readTextFile(ready)).url };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  process.kill("SIGKILL");
  throw new Error("the gateway did not start");
}

async function post(url: string, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  assert.equal(response.status, 200, path);
  return await response.json();
}

/** The most memory that the process has held so far, bytes. */
async function peakMemory(pid: number): Promise<number> {
  // Through a program: the runtime itself lets only the most trusted read there.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).output();
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(new TextDecoder().decode(stdout))?.[1]) * 1024;
}

Deno.test({
  name: "ten bodies of 9 MiB at once pass byte for byte, and memory stays bounded",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir();
    const all = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start([until(all.promise), ...okChat()]);
    const { process, url } = await startProcess(folder);
    try {
      const config = JSON.stringify({ base_url: upstream.url, api_key: "sk-large" });
      await post(url, "/api/providers", { name: "p", type: "openai", config });
      await post(url, "/api/models", { name: "m" });
      await post(url, "/api/model-providers", {
        model_id: 1,
        provider_id: 1,
        provider_name: "up",
        image: true,
      });
      const image = "A".repeat(9 * MIB);
      const body =
        `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"${image}"}}]}]}`;
      // Three waves: memory that is not given back would show by the third.
      for (let wave = 1; wave <= 3; wave++) {
        const sent = Array.from({ length: 10 }, () => post(url, "/v1/chat/completions", body));
        if (wave === 1) {
          // All ten are with the provider at the same time before the first is answered.
          await upstream.waitForRequest(10);
          all.resolve();
        }
        await Promise.all(sent);
      }
      const expected = body.replace('"m"', '"up"');
      assert.ok(upstream.requests.every((request) => request.text === expected), "a body was changed");
      const peak = await peakMemory(process.pid);
      // Read, parsed and spliced, ten bodies are some 270 MiB at once, beside the program itself.
      assert.ok(peak < 900 * MIB, `${Math.round(peak / MIB)} MiB`);
    } finally {
      process.kill("SIGTERM");
      await process.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});
