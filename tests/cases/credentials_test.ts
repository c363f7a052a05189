/** No client-facing route opens to a malformed credential, whatever the method (public reports G01 and G09). @module */
import assert from "node:assert/strict";
import { adminToken } from "../../src/access/admin_token.ts";
import { ClientAddresses } from "../../src/access/client_address.ts";
import { ClientKeys } from "../../src/access/client_keys.ts";
import { Days } from "../../src/accounting/days.ts";
import { hashKey } from "../../src/access/key_text.ts";
import type { Gateway } from "../../src/gateway/client_request.ts";
import { gatewayRoutes, type RouteOptions } from "../../src/gateway/routes.ts";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import { RawConnection } from "../integration/raw_connection.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";

const EMPTY = buildRoutingTable({ providers: [], models: [], associations: [] });

/** Whoever gets past the door asks it for more than how a model's name is to be read. */
const NOBODY = new Proxy({}, {
  get: (_target, name) => {
    if (name === "table") return () => EMPTY;
    throw new Error(`a request without a credential came as far as ${String(name)}`);
  },
}) as Gateway;

function options(token: string): RouteOptions {
  return {
    gateway: NOBODY,
    token: adminToken(token),
    keys: new ClientKeys({ now: Date.now, days: new Days("UTC"), cnyPerUsd: 7 }),
    bodyLimitBytes: 1_000_000,
    addresses: new ClientAddresses([]),
  };
}

/** Values after the name of a header or of the parameter `key`. */
const VALUES: readonly string[] = [
  "",
  " ",
  "null",
  "undefined",
  "true",
  "0",
  "*",
  '""',
  "[object Object]",
  "x",
  TOKEN.slice(0, -1),
  `${TOKEN}x`,
  `x${TOKEN}`,
  `${TOKEN} ${TOKEN}`,
  TOKEN.toUpperCase(),
  `${TOKEN}%00`,
  `${TOKEN}\x01`,
  `${TOKEN}\xa0`,
  `"${TOKEN}"`,
  "gr\xf6\xdfe",
  "\xff\xfe\x80",
  hashKey(TOKEN),
  `sk-llmio-${"0".repeat(36)}`,
  `llmio-admin-${"0".repeat(36)}`,
];

const LONG = TOKEN + "x".repeat(1024 * 1024);

type Credential = { readonly headers: readonly (readonly [string, string])[]; readonly query?: string };

const CREDENTIALS: readonly Credential[] = [
  { headers: [] },
  { headers: [["authorization", ""]] },
  { headers: [["authorization", "Bearer"]] },
  { headers: [["authorization", TOKEN]] },
  { headers: [["authorization", `Bearer${TOKEN}`]] },
  { headers: [["authorization", `Token ${TOKEN}`]] },
  { headers: [["authorization", `Basic ${btoa(`admin:${TOKEN}`)}`]] },
  { headers: [["authorization", `Basic ${TOKEN}`]] },
  { headers: [["authorization", `Bearer ${TOKEN}`], ["authorization", `Bearer ${TOKEN}`]] },
  { headers: [["authorization", "Bearer x"], ["authorization", `Bearer ${TOKEN}`]] },
  { headers: [["authorization", `Bearer ${TOKEN}`], ["authorization", "Basic eDp5"]] },
  { headers: [["authorization", `Bearer ${LONG}`]] },
  { headers: [["x-api-key", LONG]] },
  { headers: [["x-goog-api-key", LONG]] },
  { headers: [["proxy-authorization", `Bearer ${TOKEN}`]] },
  { headers: [["cookie", `token=${TOKEN}; key=${TOKEN}`]] },
  { headers: [], query: `token=${TOKEN}&api_key=${TOKEN}&access_token=${TOKEN}` },
  ...VALUES.flatMap((value): Credential[] => [
    { headers: [["authorization", `Bearer ${value}`]] },
    { headers: [["authorization", `bearer ${value}`]] },
    { headers: [["x-api-key", value]] },
    { headers: [["x-goog-api-key", value]] },
    { headers: [], query: `key=${encodeURIComponent(value)}` },
  ]),
];

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** What answers anybody, by design: a probe for life, and telemetry, which is thrown away. */
const OPEN = /^(HEAD \/|HEAD \/anthropic|POST (\/anthropic)?\/api\/event_logging\/(v2\/)?batch)$/;

/** In the table for Google's clients, who are known by their headers, or for HEAD alone. */
const ELSEWHERE = /^(POST \/v1\/models(\/name)?|\w+ \/v1\/tunedModels\/name|GET \/(anthropic)?)$/;

interface Route {
  readonly path: string;
  /** Methods that it is there for, other than to say that there is nothing. */
  readonly methods: ReadonlySet<string>;
}

/** From the table of the app itself, so that a new route cannot be forgotten. */
function routesOf(app: ReturnType<typeof gatewayRoutes>): Route[] {
  const byPath = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    const filled = path.replaceAll(/:\w+(\{[^}]*\})?/g, "an-id").replaceAll("*", "name");
    const methods = byPath.get(filled) ?? new Set();
    byPath.set(filled, methods.add(method));
  }
  for (const model of ["m:generateContent", "m:streamGenerateContent", "m:countTokens", "m:embedContent"]) {
    for (const prefix of ["/v1beta", "/gemini/v1beta", "/v1"]) {
      byPath.set(`${prefix}/models/${model}`, new Set(["POST"]));
    }
  }
  return Array.from(byPath, ([path, methods]) => ({ path, methods }));
}

/** Three protocols share it; which one is meant is told by the headers. */
const SHARED = /^\/v1\/(models|tunedModels)(\/|$)/;

/** A refusal in any protocol. */
interface Refused {
  readonly type?: string;
  readonly error: Readonly<Record<string, unknown>>;
}

/** The shape of a refusal in the protocol of a path. */
function assertOwnShape(path: string, body: Refused): void {
  const { error } = body;
  assert.equal(typeof error["message"], "string", path);
  if (SHARED.test(path)) {
    const { type, code, status } = error;
    const known = body.type === "error" && type === "authentication_error" || code === "invalid_api_key" ||
      code === 401 && status === "UNAUTHENTICATED";
    assert.ok(known, JSON.stringify(body));
  } else if (/^\/(v1|anthropic\/v1)\/messages|^\/anthropic\//.test(path)) {
    assert.deepEqual([body.type, error["type"]], ["error", "authentication_error"], path);
  } else if (/^\/(v1beta|gemini)\//.test(path)) {
    assert.deepEqual([error["code"], error["status"]], [401, "UNAUTHENTICATED"], path);
  } else assert.deepEqual([error["code"], body.type], ["invalid_api_key", undefined], path);
}

Deno.test("every client route refuses every malformed credential, whatever the method", async () => {
  const app = gatewayRoutes(options(TOKEN));
  const routes = routesOf(app);
  assert.ok(routes.length > 40, String(routes.length));
  let unauthorized = 0;
  for (const { path, methods } of routes) {
    for (const method of METHODS) {
      if (OPEN.test(`${method} ${path}`)) continue;
      const isThere = methods.has(method) && !ELSEWHERE.test(`${method} ${path}`);
      // Where nothing is, it is told before anybody is asked who they are: no more than the README says.
      for (
        const { headers, query } of isThere || methods.has("ALL") ? CREDENTIALS : CREDENTIALS.slice(0, 9)
      ) {
        const sent = new Headers();
        for (const [name, value] of headers) sent.append(name, value);
        const what = () => `${method} ${path}?${query ?? ""} with ${JSON.stringify(headers).slice(0, 120)}`;
        const response = await app.request(
          `http://localhost${path}${query === undefined ? "" : `?${query}`}`,
          {
            method,
            headers: sent,
          },
        );
        const text = await response.text();
        assert.ok([401, 404, 405].includes(response.status), `${what()}: ${response.status} ${text}`);
        assert.ok(!text.includes(TOKEN), what());
        if (isThere) assert.equal(response.status, 401, `${what()}: ${text}`);
        if (response.status !== 401) continue;
        unauthorized++;
        assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer /, what());
        if (method === "HEAD") assert.equal(text, "");
        else assertOwnShape(path, JSON.parse(text));
      }
    }
  }
  assert.ok(unauthorized > 1_000, String(unauthorized));
});

Deno.test("a NUL in a credential opens no client route", async () => {
  await using gateway = await TestGateway.start();
  for (const { path, methods } of routesOf(gatewayRoutes(options(TOKEN)))) {
    for (const method of methods) {
      if (method === "ALL" || OPEN.test(`${method} ${path}`)) continue;
      for (const credential of ["\0", `${TOKEN}\0`, `\0${TOKEN}`]) {
        await using connection = await RawConnection.open(gateway.url);
        connection.socket.write(
          `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
            `Authorization: Bearer ${credential}\r\nx-api-key: ${credential}\r\nContent-Length: 0\r\n\r\n`,
        );
        await connection.until(() => connection.isClosed || /^HTTP\/1\.1 \d{3}/.test(connection.received));
        // A server may as well hang up on it.
        assert.match(connection.received || "HTTP/1.1 400", /^HTTP\/1\.1 40[01] /, `${method} ${path}`);
      }
    }
  }
});
