/** A gateway with a bit of everything, for tests of what its answers look like. @module */
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { startVendor, type Vendor } from "./vendor.ts";

export { TOKEN };

/** An answer with its envelope. */
export interface Envelope {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly code: number;
  readonly message: string;
  readonly hasData: boolean;
  // deno-lint-ignore no-explicit-any -- looks into answers of every kind
  readonly data: any;
}

/** The gateway and what was put into it. */
export interface SeededGateway extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly vendor: Vendor;
  readonly providerId: number;
  readonly modelId: number;
  readonly associationId: number;
  readonly logId: number;
  /** Calls a path below the gateway's address, as an operator. */
  call(method: string, path: string, body?: unknown): Promise<Envelope>;
  /** Makes one more provider or model, to be deleted. */
  spare(resource: "providers" | "models"): Promise<number>;
}

/** Starts one: a provider, a model, an association, one answered request, a key, the count service. */
export async function startSeeded(): Promise<SeededGateway> {
  await using stack = new AsyncDisposableStack();
  const vendor = stack.use(await startVendor());
  const gateway = stack.use(await TestGateway.start());
  const { model, providers, associations } = await gateway.serveModel({
    name: "gpt-4o",
    providers: [{ url: `${vendor.url}/v1`, name: "Acme West" }],
  });
  const response = await gateway.chat({ model: "gpt-4o" });
  await response.body?.cancel();
  const [log] = await gateway.logs(1);
  await gateway.admin("POST", "/auth-keys", { name: "team-a", status: true, allow_all: true });
  await gateway.admin("PUT", "/config/anthropic_count_tokens", {
    value: JSON.stringify({
      base_url: `${vendor.url}/v1`,
      api_key: "sk-count-secret",
      version: "2023-06-01",
    }),
  });
  let spares = 0;
  const kept = stack.move();
  return {
    gateway,
    vendor,
    providerId: idOf(providers[0]),
    modelId: model.ID,
    associationId: idOf(associations[0]),
    logId: idOf(log),
    call: (method, path, body) => call(gateway.url + path, method, body),
    async spare(resource) {
      const name = `spare-${++spares}`;
      const config = JSON.stringify({ base_url: `${vendor.url}/v1`, api_key: "sk-spare" });
      const row = await gateway.admin<{ ID: number }>(
        "POST",
        `/${resource}`,
        resource === "models" ? { name } : { name, type: "openai", config },
      );
      return row.ID;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function call(url: string, method: string, body: unknown): Promise<Envelope> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${TOKEN}` },
    ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  const { status, headers } = response;
  const text = await response.text();
  const isJson = headers.get("content-type")?.startsWith("application/json") ?? false;
  const envelope = isJson ? JSON.parse(text) : {};
  const hasData = Object.hasOwn(envelope, "data");
  return {
    status,
    headers,
    text,
    hasData,
    code: envelope.code,
    message: envelope.message,
    data: envelope.data,
  };
}

function idOf(row: { readonly ID: number } | undefined): number {
  if (row === undefined) throw new Error("a row is missing");
  return row.ID;
}
