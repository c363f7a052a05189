/**
 * The gateway under test: started on an empty database and configured through its admin API, like any other.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { SHAPES } from "./payloads.ts";
import { CORE, Part } from "./process.ts";

/** A gateway that serves the models of the bench. */
export interface Gateway extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  readonly token: string;
  readonly pid: number;
  /** From the start of the process to the ready file, in milliseconds. */
  readonly readyAfterMs: number;
}

const TOKEN = "bench-admin-token";
const READY_WITHIN_MS = 15_000;

/** Starts the project's own gateway in front of an upstream. */
export async function startGateway(upstreamUrl: string): Promise<Gateway> {
  const dir = await Deno.makeTempDir({ prefix: "llmio-bench-" });
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const readyFile = `${dir}/ready.json`;
  const permissions = [
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys=setPriority",
  ];
  const serve = [
    "serve",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--db",
    `${dir}/llmio.db`,
    "--ready-file",
    readyFile,
  ];
  const started = performance.now();
  const part = new Part(CORE.gateway, ["run", ...permissions, main, ...serve], {
    env: { TOKEN, LOG_LEVEL: "warning" },
  });
  const dispose = async () => {
    await part[Symbol.asyncDispose]();
    await Deno.remove(dir, { recursive: true });
  };
  try {
    const { hostname, port } = await readyAddress(readyFile, part);
    const readyAfterMs = performance.now() - started;
    await configure(`http://${hostname}:${port}`, TOKEN, upstreamUrl);
    return { hostname, port, token: TOKEN, pid: part.pid, readyAfterMs, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function readyAddress(file: string, part: Part): Promise<{ hostname: string; port: number }> {
  const deadline = performance.now() + READY_WITHIN_MS;
  let ended = false;
  part.ended.then(() => ended = true);
  while (!ended && performance.now() < deadline) {
    try {
      return JSON.parse(await Deno.readTextFile(file));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  throw new Error(ended ? "the gateway ended at its start" : "the gateway was not ready in time");
}

/** One provider, and for each shape of answer a model that it serves under the same name. */
async function configure(url: string, token: string, upstreamUrl: string): Promise<void> {
  const create = async (path: string, body: unknown): Promise<number> => {
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
    return JSON.parse(text).data.ID;
  };
  const provider = await create("/api/providers", {
    name: "bench upstream",
    type: "openai",
    config: JSON.stringify({ base_url: `${upstreamUrl}/v1`, api_key: "sk-bench" }),
  });
  for (const { model } of SHAPES) {
    const id = await create("/api/models", { name: model, max_retry: 3, time_out: 60, strategy: "lottery" });
    await create("/api/model-providers", {
      model_id: id,
      provider_id: provider,
      provider_name: model,
      tool_call: true,
      structured_output: true,
      image: true,
      weight: 1,
    });
  }
}
