/** A gateway in a process of its own, on a database file, as an operator runs it. @module */
import assert from "node:assert/strict";
import { program, urlIn } from "../cli/program_process.ts";
import { CALLERS, MODELS, PROTOCOLS } from "./plan.ts";
import type { Vendor } from "./vendor.ts";

/** The admin token. */
export const TOKEN = "books-admin-token";

/** Windows cannot ask another process to stop: there, a signal is always the end at once. */
export const cannotBeAsked = Deno.build.os === "windows";

const READY_WITHIN_MS = 30_000;
/** Longer than any request of a load may take. */
const SETTLED_WITHIN_MS = 120_000;
/** Providers of each protocol. */
const PROVIDERS = 3;

/** Who calls: a credential and the id by which the books know it. */
export interface Caller {
  readonly id: number;
  readonly credential: string;
}

/** A gateway that listens. */
export class GatewayProcess implements AsyncDisposable {
  #over = false;

  private constructor(
    readonly process: Deno.ChildProcess,
    readonly folder: string,
    readonly url: string,
  ) {}

  /** The database file of a gateway in this folder. */
  static fileIn(folder: string): string {
    return `${folder}/llmio.db`;
  }

  /** Starts one in a folder; what an earlier one has left there is taken up. */
  static async start(folder: string): Promise<GatewayProcess> {
    const readyFile = `${folder}/ready.json`;
    // One that was killed has left its own.
    await Deno.remove(readyFile).catch(() => {});
    const flags = ["--host", "127.0.0.1", "--port", "0", "--ready-file", readyFile, "--log-level", "error"];
    const process = program(["serve", "--db", GatewayProcess.fileIn(folder), ...flags], {
      env: { TOKEN, TZ: "UTC" },
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    return new GatewayProcess(process, folder, await urlIn(readyFile, process, READY_WITHIN_MS));
  }

  /** The database file. */
  get file(): string {
    return GatewayProcess.fileIn(this.folder);
  }

  /** Calls the admin API and answers its `data`. */
  async admin<Data = unknown>(method: string, path: string, body?: unknown): Promise<Data> {
    const response = await this.get(`/api${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return (await response.json()).data;
  }

  /** Asks for anything under the admin token; fails unless the answer is 200. The caller reads the body. */
  async get(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.url + path, { ...init, headers: { authorization: `Bearer ${TOKEN}` } });
    if (!response.ok) assert.fail(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /** Waits until nothing is under way and every row is written. */
  async settled(): Promise<void> {
    const deadline = performance.now() + SETTLED_WITHIN_MS;
    for (;;) {
      assert.ok(performance.now() < deadline, "requests or rows were still under way");
      const text = await (await this.get("/metrics")).text();
      const busy = /^llmio_(requests_in_flight|recorder_queue_rows) [1-9]/m.test(text);
      // What is being written is not in the queue any more; a row of each attempt says when it is over.
      const running = await this.admin<{ total: number }>("GET", "/logs?status=running&page_size=1");
      if (!busy && running.total === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Asks it to stop and waits until it has. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.process.kill("SIGTERM");
    assert.equal((await this.ended()).code, 0);
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#over) return;
    this.process.kill("SIGKILL");
    await this.ended();
  }

  /** Settles when the process has ended. */
  async ended(): Promise<Deno.CommandStatus> {
    const status = await this.process.status;
    this.#over = true;
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Sets all models up, each with all providers, and answers the callers. Probes are off: they ask nobody's vendor. */
export async function furnish(gateway: GatewayProcess, vendor: Vendor): Promise<Caller[]> {
  await gateway.admin("PUT", "/health-check/config", { enabled: false, max_error_count: 100 });
  const providers: number[] = [];
  for (const type of PROTOCOLS) {
    for (let number = 1; number <= PROVIDERS; number++) {
      const name = `${type}-${number}`;
      const version = type === "gemini" ? "/v1beta" : type === "anthropic" ? "" : "/v1";
      const config = JSON.stringify({ base_url: vendor.urlOf(name) + version, api_key: `sk-${name}` });
      providers.push((await gateway.admin<{ ID: number }>("POST", "/providers", { name, type, config })).ID);
    }
  }
  for (const name of MODELS) {
    // Two attempts, so that what fails twice has failed.
    const model = await gateway.admin<{ ID: number }>("POST", "/models", {
      name,
      max_retry: 2,
      time_out: 60,
    });
    for (const provider of providers) {
      await gateway.admin("POST", "/model-providers", {
        model_id: model.ID,
        provider_id: provider,
        provider_name: `upstream-${name}`,
        tool_call: true,
        structured_output: true,
        image: true,
        weight: 1,
        input_price: 2,
        output_price: 8,
        cache_read_price: 0.5,
        currency: "USD",
      });
    }
  }
  return await callersOf(gateway);
}

/** The admin, and clients with keys of their own. */
async function callersOf(gateway: GatewayProcess): Promise<Caller[]> {
  const callers: Caller[] = [{ id: 0, credential: TOKEN }];
  while (callers.length < CALLERS) {
    const key = await gateway.admin<{ ID: number; Key: string }>("POST", "/auth-keys", {
      name: `team-${callers.length}`,
      status: true,
      allow_all: true,
    });
    callers.push({ id: key.ID, credential: key.Key });
  }
  return callers;
}
