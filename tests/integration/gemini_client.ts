/** Sets models of Gemini providers up and calls them, for tests. @module */
import type { SettingValues } from "../../src/settings.ts";
import type { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type ModelSetup, type ProviderSetup, TestGateway, TOKEN } from "./test_gateway.ts";

/** Makes a model whose providers speak the Gemini protocol. */
export function serveGemini(
  gateway: TestGateway,
  providers: readonly (string | ProviderSetup)[],
  setup: Omit<ModelSetup, "providers"> = {},
): ReturnType<TestGateway["serveModel"]> {
  return gateway.serveModel({
    ...setup,
    providers: providers.map((given) => {
      const each = typeof given === "string" ? { url: given } : given;
      return { ...each, provider: { type: "gemini", ...each.provider } };
    }),
  });
}

/** A gateway with the model `m`, whose first provider is always asked first. */
export async function rankedGemini(
  upstreams: readonly ScriptedUpstream[],
  flags: SettingValues = {},
): Promise<TestGateway> {
  const gateway = await TestGateway.start(flags);
  await serveGemini(
    gateway,
    upstreams.map(({ url }, index) => ({ url, association: { weight: 100 - index } })),
    { model: { strategy: "rotor" } },
  );
  return gateway;
}

/** The usual request. */
export const CONTENTS = { contents: [{ role: "user", parts: [{ text: "hi" }] }] };

/** Path of the calls below. */
export const STREAM = "/v1beta/models/m:streamGenerateContent";

/** Sends a request to a path. The caller reads or cancels the body. */
export function postGemini(
  gateway: TestGateway,
  path = "/v1beta/models/m:generateContent",
  body: Record<string, unknown> | string = CONTENTS,
  init: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
    headers: { "x-goog-api-key": TOKEN, "content-type": "application/json", ...init.headers },
  });
}

/** Sends a request exactly as its target is written, and answers all that comes back. */
export async function sendRaw(
  gateway: TestGateway,
  target: string,
  headers: readonly string[] = [`x-goog-api-key: ${TOKEN}`],
  body = JSON.stringify(CONTENTS),
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(gateway.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = ["Host: a", "Connection: close", `Content-Length: ${body.length}`, ...headers];
  await connection.write(
    new TextEncoder().encode(`POST ${target} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`),
  );
  const text = await new Response(connection.readable).text();
  return { status: Number(text.split(" ", 2)[1]), text };
}
