/** Sets models of Messages providers up and calls them, for tests. @module */
import type { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type ModelSetup, type ProviderSetup, TestGateway, TOKEN } from "./test_gateway.ts";

/** Makes a model whose providers speak the Messages protocol. */
export function serveMessages(
  gateway: TestGateway,
  providers: readonly (string | ProviderSetup)[],
  setup: Omit<ModelSetup, "providers"> = {},
): ReturnType<TestGateway["serveModel"]> {
  return gateway.serveModel({
    ...setup,
    providers: providers.map((given) => {
      const each = typeof given === "string" ? { url: given } : given;
      return { ...each, provider: { type: "anthropic", ...each.provider } };
    }),
  });
}

/** A gateway with a model whose first provider is always asked first. */
export async function ranked(...upstreams: readonly ScriptedUpstream[]): Promise<TestGateway> {
  const gateway = await TestGateway.start();
  await serveMessages(
    gateway,
    upstreams.map(({ url }, index) => ({ url, association: { weight: 100 - index } })),
    { model: { strategy: "rotor" } },
  );
  return gateway;
}

/** The usual request. */
export const REQUEST = {
  model: "m",
  max_tokens: 64,
  messages: [{ role: "user" as const, content: "hi" }],
};

/** Sends a Messages request, or something else to another path. The caller reads or cancels the body. */
export function postMessage(
  gateway: TestGateway,
  body: Record<string, unknown> | string = {},
  { path = "/v1/messages", headers = {}, signal }: {
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify({ ...REQUEST, ...body }),
    headers: {
      "x-api-key": TOKEN,
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      ...headers,
    },
    ...(signal !== undefined && { signal }),
  });
}
