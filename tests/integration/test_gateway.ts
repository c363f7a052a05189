/**
 * A whole gateway for tests: the real server on a free port, configured through its admin API.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readSettings, type SettingValues } from "../../src/settings.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { takeLeaks, watchLog } from "./log_watch.ts";

/** The admin token of test gateways. */
export const TOKEN = "test-admin-token";

/** One row as the admin API gives it. */
export type Row = Record<string, unknown> & { ID: number };

/** How a model is set up by {@linkcode TestGateway.serveModel}. */
export interface ModelSetup {
  readonly name?: string;
  /** Further fields of the model. */
  readonly model?: Record<string, unknown>;
  /** Base URLs of its providers, or one object for each with further fields. */
  readonly providers: readonly (string | ProviderSetup)[];
}

/** One provider of a model. */
export interface ProviderSetup {
  readonly url: string;
  readonly name?: string;
  readonly key?: string;
  /** Further members of the config. */
  readonly config?: Record<string, unknown>;
  /** Further fields of the provider. */
  readonly provider?: Record<string, unknown>;
  /** Further fields of the association. */
  readonly association?: Record<string, unknown>;
}

/** A running gateway. */
export class TestGateway implements AsyncDisposable {
  #providers = 0;
  private constructor(readonly server: RunningServer) {}

  /** Starts one with a database in memory; `flags` are those of the command line. */
  static async start(flags: SettingValues = {}): Promise<TestGateway> {
    const settings = readSettings(
      { port: "0", host: "127.0.0.1", db: ":memory:", token: TOKEN, "flush-ms": "10", ...flags },
      {},
    );
    if (!settings.ok) throw new Error(settings.errors.join("\n"));
    watchLog();
    return new TestGateway(await startServer(settings.settings));
  }

  get url(): string {
    return this.server.url;
  }

  /** Calls the admin API and answers its `data`; fails unless it succeeded. */
  async admin<Data = unknown>(method: string, path: string, body?: unknown): Promise<Data> {
    const response = await fetch(`${this.url}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const reply = await response.json();
    assert.equal(reply.code, 200, `${method} ${path}: ${JSON.stringify(reply)}`);
    return reply.data;
  }

  /** Makes a model with its providers, in order; each with all capabilities and weight 1 unless said otherwise. */
  async serveModel(setup: ModelSetup): Promise<{ model: Row; providers: Row[]; associations: Row[] }> {
    const model = await this.admin<Row>("POST", "/models", { name: setup.name ?? "m", ...setup.model });
    const providers: Row[] = [];
    const associations: Row[] = [];
    for (const given of setup.providers) {
      const each = typeof given === "string" ? { url: given } : given;
      const number = ++this.#providers;
      const provider = await this.admin<Row>("POST", "/providers", {
        name: each.name ?? `provider-${number}`,
        type: "openai",
        config: JSON.stringify({
          base_url: each.url,
          api_key: each.key ?? `sk-upstream-${number}-secret`,
          ...each.config,
        }),
        ...each.provider,
      });
      providers.push(provider);
      associations.push(
        await this.admin<Row>("POST", "/model-providers", {
          model_id: model.ID,
          provider_id: provider.ID,
          provider_name: `upstream-model-${number}`,
          tool_call: true,
          structured_output: true,
          image: true,
          weight: 1,
          ...each.association,
        }),
      );
    }
    return { model, providers, associations };
  }

  /** Sends a chat request. The caller reads or cancels the body. */
  chat(
    body: Record<string, unknown> | string | Uint8Array<ArrayBuffer>,
    init: RequestInit = {},
  ): Promise<Response> {
    const { headers, ...rest } = init;
    return fetch(`${this.url}/v1/chat/completions`, {
      method: "POST",
      body: typeof body === "string" || body instanceof Uint8Array
        ? body
        : JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], ...body }),
      headers: {
        authorization: `Bearer ${TOKEN}`,
        "content-type": "application/json",
        ...headers as Record<string, string>,
      },
      ...rest,
    });
  }

  /** Rows of the request log, oldest first, once `count` attempts have ended. */
  async logs(count: number): Promise<Row[]> {
    for (let tries = 0;; tries++) {
      const page = await this.admin<{ data: Row[]; total: number }>("GET", "/logs?page_size=100");
      const ended = page.data.filter((row) => row.Status !== "running");
      if (ended.length >= count) return page.data.reverse();
      assert.ok(
        tries < 200,
        `only ${ended.length} of ${count} rows were written: ${JSON.stringify(page.data)}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop("the test is over");
    assert.equal(takeLeaks().join("\n"), "", "a secret was logged");
  }
}
