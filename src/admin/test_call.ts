/**
 * Calls that an operator makes to see whether an association works. They go the way of a request's attempt, but nothing
 * is recorded of them: no log row, no usage, nothing about the provider's health.
 *
 * @module
 */
import { withoutSecrets } from "../access/scrub.ts";
import { classify } from "../failover/classify.ts";
import { keyStatus } from "../failover/key_pool.ts";
import { attempt, type AttemptResult } from "../gateway/attempt.ts";
import { jsonBody, seenOf } from "../gateway/client_body.ts";
import type { Gateway } from "../gateway/client_request.ts";
import type { Target } from "../gateway/routing_table.ts";
import { CLIENT_GONE } from "../gateway/upstream.ts";
import type { JsonObject } from "../protocols/json_access.ts";
import type { Operation, Protocol } from "../protocols/protocol.ts";
import { ALL_KEYS_OFF, parseProviderConfig } from "../protocols/provider_config.ts";
import type { AdminContext } from "./context.ts";
import { Fault } from "./envelope.ts";

/** What test calls are made with. */
export type TestTools = Pick<Gateway, "upstreams" | "deadlines" | "userAgent" | "streamIdleMs">;

/** Where a test call goes. */
export interface TestedRoute {
  readonly protocol: Protocol;
  readonly target: Target;
  readonly secret: string;
}

/** Longest wait for an answer, milliseconds: a model may have to be loaded first. */
const WAIT_MS = 120_000;
/** As much of a provider's body is shown, in characters. */
const SHOWN_BODY = 16_384;

/**
 * The way to the provider of an association, switched off or not, with its first usable key.
 *
 * @throws {Fault} when it is gone or cannot be called
 */
export async function testedRoute(
  id: number,
  { store, gateway, now }: Pick<AdminContext, "store" | "gateway" | "now">,
): Promise<TestedRoute> {
  const table = gateway.table();
  const target = table.target(id);
  const route = table.models.flatMap(({ routes }) => routes).find(({ associationId }) =>
    associationId === id
  );
  if (target === undefined || route === undefined) throw await whyNone(id, store);
  const status = ({ id }: { readonly id: string }) => keyStatus(gateway.live.key(id), now());
  const key = route.keys.find((each) => status(each) === "usable") ?? route.keys[0];
  if (key === undefined) throw new Fault(400, `The provider cannot be called: ${ALL_KEYS_OFF}`);
  return { protocol: route.protocol, target, secret: target.secretOf(key.id) };
}

async function whyNone(id: number, store: AdminContext["store"]): Promise<Fault> {
  const association = await store.associations.get(id);
  const provider = association === null ? null : await store.providers.get(association.providerId);
  if (provider === null) return new Fault(404, "ModelWithProvider not found");
  const parsed = parseProviderConfig(provider.type, provider.config);
  return parsed.ok
    ? new Fault(404, "ModelWithProvider not found")
    : new Fault(400, `The provider cannot be called: ${parsed.reason}`);
}

/** What is asked. */
export interface TestQuestion {
  readonly operation: Operation;
  readonly body: JsonObject;
  /** @default false */
  readonly stream?: boolean;
}

/**
 * Asks once. The operator's `extra_body` is left out, as in llmio; headers are those of a request.
 *
 * @param headers what the association passes on of when `with_header` is set
 */
export function ask(
  { target, secret }: Omit<TestedRoute, "protocol">,
  { operation, body: json, stream = false }: TestQuestion,
  { tools, headers, abort }: {
    readonly tools: TestTools;
    readonly headers: Headers;
    readonly abort: AbortController;
  },
): Promise<AttemptResult> {
  const body = jsonBody(new TextEncoder().encode(JSON.stringify(json)));
  if (body === null) throw new Error("a test's body must be a JSON object");
  return attempt({
    // Usage is of no interest, and asking for it is one more thing that a provider could refuse.
    operation: { ...operation, meteringEdit: () => null },
    method: "POST",
    target: { ...target, extraBody: [] },
    secret,
    call: { pathModel: "", query: "", ...seenOf(body) },
    body,
    clientHeaders: headers,
    stream,
    userAgent: tools.userAgent,
    abort,
    waitMs: WAIT_MS,
    commitBefore: Date.now() + WAIT_MS,
    idleMs: tools.streamIdleMs,
  }, { ...tools, unmetered: new WeakSet() });
}

/** Ends a test when the operator's client has gone. */
export function endedWith(signal: AbortSignal): AbortController {
  const abort = new AbortController();
  const end = () => abort.abort(CLIENT_GONE);
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return abort;
}

/** What a failed test is answered with. */
export interface TestFailure {
  /** The provider's status; 504 = it did not answer in time, 502 = it gave no usable answer. */
  readonly code: number;
  readonly message: string;
}

/** A failed attempt, told without secrets. */
export function testFailure(
  result: Extract<AttemptResult, { type: "failed" }>,
  secrets: readonly string[],
): TestFailure {
  if (result.answer !== null) {
    const text = bodyText(result.answer.body, secrets);
    return { code: result.statusCode, message: `code: ${result.statusCode} body: ${text}` };
  }
  const { class: failure, detail, reason } = classify(result.outcome, Date.now());
  const message = withoutSecrets(detail === "" ? reason : detail, secrets);
  return { code: failure === "timeout" ? 504 : 502, message };
}

/** The start of a provider's body, without secrets. */
export function bodyText(body: Uint8Array, secrets: readonly string[]): string {
  return withoutSecrets(new TextDecoder().decode(body).slice(0, SHOWN_BODY), secrets);
}
