/** A day in the life of a gateway in which everything goes wrong, with a canary as every secret, prompt and answer. @module */
import assert from "node:assert/strict";
import { closedPort } from "../upstream/closed_port.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import type { Canaries } from "./canaries.ts";
import { FATES, type Protocol, PROTOCOLS, vendorReply } from "./vendor.ts";

/** A text that somebody got to see. */
export interface Output {
  readonly where: string;
  readonly text: string;
}

/** Calls that never reach the vendor. */
const UNREACHED = ["refused", "unknown", "no_tls", "proxied"] as const;

type Fate = (typeof FATES)[number] | (typeof UNREACHED)[number];

/** One setting up. */
interface Place {
  readonly protocol: Protocol;
  readonly fate: Fate;
}

/** Reads that call a provider. */
const CALLING = /\/test\/|\/providers\/models\//;

/** What outsiders hold that is no secret of the gateway's. */
const INVALID = ["", "sk-", "sk-ant-api03-", "AIzaSy", "sk-llmio-", "llmio-admin-"] as const;

/** Plays it. */
export class Scenario implements AsyncDisposable {
  /** All that was shown, but for what a canary is meant to be shown in. */
  readonly outputs: Output[] = [];
  /** Answers that clients were pleased with. */
  good = 0;
  readonly #prompt: string;
  readonly #answer: string;
  readonly #providers: { readonly id: number; readonly fate: Fate }[] = [];
  #key = "";

  private constructor(
    readonly url: string,
    readonly token: string,
    readonly canaries: Canaries,
    readonly vendor: ScriptedUpstream,
    /** Speaks no TLS. */
    readonly plain: Deno.TcpListener,
    /** Nobody listens there. */
    readonly closedPort: number,
  ) {
    this.#prompt = canaries.plant("a prompt");
    this.#answer = canaries.plant("an answer");
    vendor.fallback = (request) => vendorReply(request, this.#answer);
  }

  /** Sets up who plays in it. */
  static async start(url: string, token: string, canaries: Canaries): Promise<Scenario> {
    return new Scenario(url, token, canaries, await ScriptedUpstream.start(), plainServer(), closedPort());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.plain.close();
    await this.vendor.stop();
  }

  /** Plays all of it. */
  async play(): Promise<void> {
    await this.#admin("PUT", "/health-check/config", { enabled: false, max_error_count: 2 });
    const places = PROTOCOLS.flatMap((protocol) =>
      [...FATES, ...UNREACHED].map((fate) => ({ protocol, fate }))
    );
    for (const place of places) await this.#setUp(place);
    await this.#countService();
    const made = await this.#data("POST", "/auth-keys", { name: "team", status: true, allow_all: true });
    this.#key = String(made.Key);
    this.canaries.watch("a client's key", this.#key.slice("sk-llmio-".length));
    await inParallel(places, 8, (place) => this.#call(place));
    await this.#countTokens();
    await this.#strangers();
    await this.#mistakes();
    await this.#operate();
    await inParallel(this.#providers, 8, async ({ id, fate }) => {
      await this.#admin("POST", `/health-check/force/${id}`, {});
      // These two wait for minutes.
      if (fate === "silent") return;
      await this.#admin("GET", `/providers/models/${id}`);
      await this.#try(`/api/test/${id}`);
      if (fate === "good" || fate === "unauthorized") await this.#try(`/api/test/react/${id}`);
    });
    await this.#readAll();
  }

  /** A provider with a pool of keys, its model and what stands between the two. */
  async #setUp({ protocol, fate }: Place): Promise<void> {
    const name = `${fate}-${protocol}`;
    const secret = (what: string, prefix = "") => this.canaries.plant(`${what} of ${name}`, prefix);
    const provider = await this.#data("POST", "/providers", {
      name,
      type: protocol,
      config: JSON.stringify({
        base_url: this.#baseUrl(protocol, fate),
        // One looks like a key of its kind, and one like nothing.
        api_keys: [secret("a key", protocol === "gemini" ? "AIzaSy" : "sk-"), {
          key: secret("a key"),
          name: "b",
        }],
        ...(protocol === "anthropic" && { version: "2023-06-01" }),
      }),
      ...(fate === "proxied" &&
        { proxy: `http://user:${secret("a proxy's password")}@127.0.0.1:${this.closedPort}` }),
    });
    const model = await this.#data("POST", "/models", {
      name,
      max_retry: 2,
      time_out: fate === "silent" ? 1 : 20,
    });
    await this.#data("POST", "/model-providers", {
      model_id: model.ID,
      provider_id: provider.ID,
      provider_name: "upstream-model",
      tool_call: true,
      structured_output: true,
      image: true,
      weight: 1,
      customer_headers: { "X-Secret": secret("a header"), "Cookie": `session=${secret("a cookie")}` },
    });
    this.#providers.push({ id: Number(provider.ID), fate });
  }

  #baseUrl(protocol: Protocol, fate: Fate): string {
    const version = protocol === "gemini" ? "/v1beta" : "/v1";
    const { port } = this.vendor;
    if (fate === "refused") return `http://127.0.0.1:${this.closedPort}${version}`;
    if (fate === "unknown") return `http://no-such-host.invalid${version}`;
    if (fate === "no_tls") return `https://127.0.0.1:${this.plain.addr.port}${version}`;
    return `http://127.0.0.1:${port}/${fate}/${protocol}${version}`;
  }

  async #countService(): Promise<void> {
    const api_key = this.canaries.plant("the key of the counting service");
    const base_url = `${this.vendor.url}/refusal/anthropic/v1`;
    const value = JSON.stringify({ base_url, api_key, version: "2023-06-01" });
    await this.#admin("PUT", "/config/anthropic_count_tokens", { value });
    await this.#admin("GET", "/test/count_tokens");
  }

  async #call({ protocol, fate }: Place): Promise<void> {
    for (const stream of [false, true]) {
      const { path, body } = this.#ask(protocol, `${fate}-${protocol}`, stream);
      const credential = stream ? this.#key : this.token;
      const response = await this.#send("POST", path, body, { authorization: `Bearer ${credential}` });
      const { where, text } = response;
      if (fate === "good") {
        assert.equal(response.status, 200, `${where}: ${text}`);
        assert.ok(text.includes(this.#answer), `${where}: ${text}`);
        this.good++;
      } else if (response.status >= 400) this.outputs.push(response);
      // What came before the break is the answer's, and the client's to see.
      else this.outputs.push({ where, text: text.replaceAll(this.#answer, "") });
    }
  }

  #ask(protocol: Protocol, model: string, stream: boolean): { path: string; body: unknown } {
    const messages = [{ role: "user", content: this.#prompt }];
    switch (protocol) {
      case "openai":
        return { path: "/v1/chat/completions", body: { model, messages, stream } };
      case "openai-res":
        return { path: "/v1/responses", body: { model, input: this.#prompt, stream } };
      case "anthropic":
        return { path: "/v1/messages", body: { model, messages, max_tokens: 9, stream } };
      case "gemini": {
        const method = stream ? "streamGenerateContent?alt=sse" : "generateContent?x=1";
        const path = `/v1beta/models/${model}:${method}`;
        return { path, body: { contents: [{ role: "user", parts: [{ text: this.#prompt }] }] } };
      }
    }
  }

  async #countTokens(): Promise<void> {
    for (const model of ["refusal-anthropic", "broken-anthropic", "good-openai"]) {
      const body = { model, messages: [{ role: "user", content: this.#prompt }] };
      this.outputs.push(
        await this.#send("POST", "/v1/messages/count_tokens", body, {
          authorization: `Bearer ${this.token}`,
        }),
      );
    }
  }

  /** Others send keys of other services, wherever a credential can stand. */
  async #strangers(): Promise<void> {
    for (const prefix of INVALID) {
      const key = this.canaries.plant(`an invalid credential ${prefix}…`, prefix);
      for (const protocol of PROTOCOLS) {
        const { path, body } = this.#ask(protocol, `good-${protocol}`, false);
        for (
          const headers of [
            { authorization: `Bearer ${key}` },
            { authorization: key },
            { authorization: `Basic ${btoa(`user:${key}`)}` },
            { "x-api-key": key },
            { "x-goog-api-key": key },
            { cookie: `key=${key}` },
          ]
        ) this.#refused(await this.#send("POST", path, body, headers));
        const query = `${path.includes("?") ? "&" : "?"}key=${key}`;
        this.#refused(await this.#send("POST", path + query, body, {}));
      }
      for (const path of ["/api/providers", "/api/nowhere", "/metrics", "/v1/models", "/v1beta/models"]) {
        this.#refused(await this.#send("GET", path, undefined, { authorization: `Bearer ${key}` }));
        this.#refused(await this.#send("GET", `${path}?key=${key}`, undefined, {}));
      }
      await this.#send("GET", `/nowhere?key=${key}`, undefined, {});
    }
  }

  #refused(answer: Answer): void {
    assert.equal(answer.status, 401, `${answer.where}: ${answer.text}`);
    this.outputs.push(answer);
  }

  /** Clients and operators who put things where they do not belong. */
  async #mistakes(): Promise<void> {
    const authorization = `Bearer ${this.token}`;
    const typed = this.canaries.plant("a key in place of a model", "sk-");
    // The client is told its own word again; nobody else is.
    await this.#send("POST", "/v1/chat/completions", { model: typed, messages: [] }, { authorization });
    await this.#send("POST", `/v1beta/models/${typed}:generateContent`, {}, { authorization });
    const broken = `{"model":"good-openai","messages":[{"content":"${this.#prompt}`;
    for (const path of ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"]) {
      this.outputs.push(await this.#send("POST", path, broken, { authorization }));
    }
    for (const path of ["/providers", "/models", "/model-providers", "/auth-keys", "/config/import"]) {
      await this.#admin("POST", path, `{"name":"x","config":"${typed}`);
      await this.#admin("POST", path, { name: 1, config: { api_key: typed }, [typed]: 1 });
    }
  }

  /** What operators do with keys. */
  async #operate(): Promise<void> {
    const id = this.#providers[0]?.id;
    const key = this.canaries.plant("a key that comes and goes");
    const added = await this.#data("POST", `/providers/${id}/keys`, { key, name: "c" });
    const next = this.canaries.plant("a key that takes its place");
    await this.#admin("PATCH", `/providers/${id}/keys/${added.id}`, { key: next });
    await this.#admin("DELETE", `/providers/${id}/keys/c`);
    await this.#admin("POST", "/explain", { model: "good-openai" });
    const rotated = await this.#data("POST", "/auth-keys/1/rotate", { overlap_hours: 1 });
    this.canaries.watch("a rotated key", String(rotated.Key).slice("sk-llmio-".length));
    const token = await this.#data("POST", "/admin-tokens", { name: "reader", scope: "read" });
    const made = Object.values(token).find((value) =>
      String(value).startsWith("llmio-admin-") && !String(value).includes("*")
    );
    assert.ok(typeof made === "string", JSON.stringify(token));
    this.canaries.watch("a named admin token", made.slice("llmio-admin-".length));
    for (const fate of ["unauthorized", "broken", "redirect", "refused"] as const) {
      await this.#admin("POST", "/providers/validate", {
        name: "tried",
        type: "openai",
        config: JSON.stringify({
          base_url: this.#baseUrl("openai", fate),
          api_key: this.canaries.plant("a key that is tried"),
        }),
      });
    }
  }

  /** Every read there is, generated from the API's own list; with and without the token. */
  async #readAll(): Promise<void> {
    const openapi = JSON.parse((await this.#admin("GET", "/openapi.json")).text);
    const paths = Object.entries<Record<string, unknown>>(openapi.paths)
      .filter(([, methods]) => "get" in methods).map(([path]) => path);
    assert.ok(paths.length > 30, String(paths.length));
    const ids = ["1", "2", "20", "47"];
    for (const path of paths.filter((path) => !CALLING.test(path))) {
      for (const id of path.includes("{") ? ids : [""]) {
        const below = path.replace(/^\/api/, "").replace(/\{key\}/, "anthropic_count_tokens")
          .replaceAll(/\{\w+\}/g, id);
        await this.#admin("GET", `${below}?page_size=100&model_id=1&provider_model=upstream-model`);
        this.outputs.push(await this.#send("GET", `/api${below}`, undefined, {}));
      }
    }
    for (const query of ["format=csv", "format=jsonl"]) await this.#admin("GET", `/logs/export?${query}`);
    for (let page = 2; page <= 4; page++) await this.#admin("GET", `/logs?page_size=100&page=${page}`);
    await this.#admin("GET", "/audit?page_size=100");
    const authorization = `Bearer ${this.token}`;
    for (
      const path of [
        "/metrics",
        "/healthz",
        "/readyz",
        "/",
        "/v1/models",
        "/v1beta/models",
        "/anthropic/v1/models",
      ]
    ) {
      this.outputs.push(await this.#send("GET", path, undefined, { authorization }));
      this.outputs.push(await this.#send("GET", path, undefined, {}));
    }
  }

  async #data(method: string, path: string, body: unknown): Promise<Record<string, unknown>> {
    const { where, status, text } = await this.#send(method, `/api${path}`, body, {
      authorization: `Bearer ${this.token}`,
    });
    assert.equal(status, 200, `${where}: ${text}`);
    return JSON.parse(text).data;
  }

  /** Test calls show the answer on purpose, and nothing else. */
  async #try(path: string): Promise<void> {
    const { where, text } = await this.#send("GET", path, undefined, {
      authorization: `Bearer ${this.token}`,
    });
    this.outputs.push({ where, text: text.replaceAll(this.#answer, "") });
  }

  async #admin(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.#send(method, `/api${path}`, body, { authorization: `Bearer ${this.token}` });
    this.outputs.push(answer);
    return answer;
  }

  async #send(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = `${await bodyOf(response)}${response.ok ? "" : ` ${JSON.stringify([...response.headers])}`}`;
    return { where: `${method} ${path.split("?", 1)[0]}`, status: response.status, text };
  }
}

interface Answer extends Output {
  readonly status: number;
}

/** As much of it as comes: some answers break off. */
async function bodyOf(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  } catch {
    text += " (it broke off)";
  }
  return text;
}

async function inParallel<Item>(items: readonly Item[], lanes: number, work: (item: Item) => Promise<void>) {
  const rest = items.values();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const item of rest) await work(item);
  }));
}

/** Answers in plain HTTP, whatever it is sent. */
function plainServer(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")).catch(() => {});
      connection.close();
    }
  };
  void serve();
  return listener;
}
