/** Calls to providers: connections, proxies, and what can go wrong before an answer. @module */
import type { FailedOutcome } from "../failover/outcome.ts";
import type { HeaderRecord } from "./headers.ts";

/** One call to a provider, ready to be sent. */
export interface UpstreamCall {
  readonly url: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly headers: HeaderRecord;
  readonly body: Uint8Array<ArrayBuffer> | null;
  /** HTTP or SOCKS5 proxy; `""` = none. */
  readonly proxy: string;
}

/** Why a call was ended from here. It is the abort signal's reason, so it comes back from `fetch` as it is. */
export class CallEnded extends Error {
  override readonly name = "CallEnded";
  constructor(readonly outcome: FailedOutcome) {
    super(outcome.type);
  }
}

/** The client hung up. */
export const CLIENT_GONE = new CallEnded({ type: "client_gone" });

/** Keeps one pool of connections for each distinct proxy. */
export class Upstreams {
  readonly #clients = new Map<string, Deno.HttpClient>();

  /**
   * Sends a call and resolves with the head of the answer. Redirects are not followed: they would carry the
   * provider's key to a host that the operator has not named.
   *
   * @throws {CallEnded} when `signal` ends the call
   * @throws {TypeError} when no answer can be had; see {@link outcomeOfThrown}
   */
  send(call: UpstreamCall, signal: AbortSignal): Promise<Response> {
    return fetch(call.url, {
      method: call.method,
      headers: call.headers,
      body: call.body,
      redirect: "manual",
      signal,
      client: this.#client(call.proxy),
    });
  }

  /** Closes idle connections and lets no new call begin. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(proxy: string): Deno.HttpClient {
    let client = this.#clients.get(proxy);
    if (client === undefined) {
      client = Deno.createHttpClient({
        // One HTTP/2 connection for all requests to a host is slower than a pool (runtime.md, section 2.2).
        http2: false,
        poolMaxIdlePerHost: 1024,
        poolIdleTimeout: 90_000,
        ...(proxy !== "" && { proxy: { url: proxy } }),
      });
      this.#clients.set(proxy, client);
    }
    return client;
  }
}

/** The outcome behind what `send` or the reading of a body has thrown. */
export function outcomeOfThrown(error: unknown, signal: AbortSignal): FailedOutcome {
  const reason = error instanceof CallEnded ? error : signal.aborted ? signal.reason : null;
  if (reason instanceof CallEnded) return reason.outcome;
  return { type: "network", detail: causeOf(error) };
}

/** The innermost message, without the URL that the runtime puts in front of it. */
function causeOf(error: unknown): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.replace(/\bfor url \([^)]*\)/g, "").replace(/https?:\/\/[^\s)]+/g, "<url>").trim().slice(
    0,
    500,
  );
}
