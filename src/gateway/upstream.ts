/** Calls to providers: connections, proxies, and what can go wrong before an answer. @module */
import type { FailedOutcome } from "../failover/outcome.ts";
import type { HeaderRecord } from "./headers.ts";
import { type Place, UpstreamHosts } from "./upstream_hosts.ts";

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

  /** @param hosts says where a call goes, and refuses places where no provider may be */
  constructor(readonly hosts: UpstreamHosts = new UpstreamHosts()) {}

  /**
   * Sends a call and resolves with the head of the answer. Redirects are not followed: they would carry the
   * provider's key to a host that the operator has not named.
   *
   * @throws {CallEnded} when `signal` ends the call
   * @throws {HostRefused} when no provider may be at the call's host
   * @throws {TypeError} when no answer can be had; see {@link outcomeOfThrown}
   */
  async send(call: UpstreamCall, signal: AbortSignal): Promise<Response> {
    const found = this.hosts.place(call.url, call.proxy);
    const place = found instanceof Promise ? await unlessAborted(found, signal) : found;
    if (place.host === null) {
      return await this.#fetch(call, call.url, call.headers, this.#client(call.proxy), signal);
    }
    return await this.#sendToAddress(call, place, { ...call.headers, host: place.host }, signal);
  }

  /** A name's addresses are tried in turn, as long as nothing has been sent. */
  async #sendToAddress(
    call: UpstreamCall,
    { urls }: Place,
    headers: HeaderRecord,
    signal: AbortSignal,
  ): Promise<Response> {
    let failure: unknown = new TypeError("the host has no address");
    for (const url of urls) {
      try {
        return await this.#fetch(call, url, headers, this.#client(PINNED), signal);
      } catch (error) {
        if (signal.aborted || !isConnectFailure(error)) throw error;
        failure = error;
      }
    }
    this.hosts.unreachable(call.url);
    throw failure;
  }

  #fetch(
    { method, body }: UpstreamCall,
    url: string,
    headers: HeaderRecord,
    client: Deno.HttpClient,
    signal: AbortSignal,
  ): Promise<Response> {
    const sent = body === null ? null : new SentOnce(body);
    return fetch(url, { method, headers, body: sent, redirect: "manual", signal, client });
  }

  /** Gives up the connections through proxies other than these. Calls that are under way through them go on. */
  keepProxies(proxies: ReadonlySet<string>): void {
    for (const [proxy, client] of this.#clients) {
      if (proxy === "" || proxy === PINNED || proxies.has(proxy)) continue;
      client.close();
      this.#clients.delete(proxy);
    }
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
        // Shorter than what load balancers allow (60 s and more), so that seldom a connection is closed as it is used.
        poolIdleTimeout: 50_000,
        ...(proxy === PINNED ? { allowHost: true } : proxy !== "" && { proxy: { url: proxy } }),
      });
      this.#clients.set(proxy, client);
    }
    return client;
  }
}

/**
 * A body that the runtime sends once. Bytes it sends again by itself when a used connection is lost, although the
 * provider may have had them all: an attempt that nobody would know of. What is streamed it cannot repeat, and of a blob
 * it states the length all the same. One that streams bytes which are there already saves a copy of them into the
 * runtime's store of blobs and a turn to have them back, a tenth of what a small call costs.
 */
class SentOnce extends Blob {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super();
    this.#bytes = bytes;
  }

  override get size(): number {
    return this.#bytes.length;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      start: (controller) => {
        if (this.size > 0) controller.enqueue(this.#bytes);
        controller.close();
      },
    });
  }
}

/** Key of the client for calls whose URL holds a checked address, and `host` the name. No proxy is called so. */
const PINNED = "pinned";

/** Whether a call has failed before anything of it was sent. */
function isConnectFailure(error: unknown): boolean {
  return error instanceof TypeError &&
    /\bclient error \(Connect\)/.test(`${error.message} ${causeOf(error)}`);
}

/** The value of a promise, or the reason of the signal if that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: first, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  return first;
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
