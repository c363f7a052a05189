/** Plain requests to the OpenAI routes of a test gateway. @module */
import { type ProviderSetup, type TestGateway, TOKEN } from "./test_gateway.ts";

/** A provider of type `openai-res` under a base URL. */
export function responsesProvider(
  url: string,
  setup: Omit<ProviderSetup, "url"> = {},
): ProviderSetup {
  return { ...setup, url, provider: { type: "openai-res", ...setup.provider } };
}

/** Sends a request below `/v1`. The caller reads or cancels the body. */
export function call(
  gateway: TestGateway,
  method: string,
  path: string,
  body?: BodyInit | Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const isJson = body !== undefined && Object.getPrototypeOf(body) === Object.prototype;
  return fetch(`${gateway.url}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(isJson || typeof body === "string" ? { "content-type": "application/json" } : {}),
      ...headers,
    },
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body as BodyInit }),
  });
}

/** Asks for a response. */
export function respond(
  gateway: TestGateway,
  body: Record<string, unknown> | string | Uint8Array<ArrayBuffer> = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  const given = typeof body === "string" || body instanceof Uint8Array
    ? body
    : { model: "m", input: "hi", ...body };
  return call(gateway, "POST", "/responses", given, headers);
}

/** The status of an answer whose body nobody needs. */
export async function statusOf(response: Response | Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}
