/**
 * A scripted HTTP/1.1 upstream on a raw socket: it records every byte of a request and writes exactly what it is
 * told, when it is told, so that a test can replay any behaviour of a provider.
 *
 * `node:net` carries it rather than `Deno.listen`, because only that can send a RST.
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import { ByteQueue, concatBytes, headerOf, type RawRequest, readRequest } from "./http_reader.ts";
import { json, type Reply } from "./replies.ts";

/** A reply, or what makes one of the request. */
export type Script = Reply | ((request: UpstreamRequest) => Reply | Promise<Reply>);

/** How a connection ended. */
export interface ConnectionEnd {
  readonly by: "client" | "upstream";
  /** Time on the clock of `performance.now()`, in milliseconds. */
  readonly atMs: number;
}

export interface UpstreamConnection {
  /** 1 for the first connection. */
  readonly id: number;
  /** Settles when either side has closed. */
  readonly closed: Promise<ConnectionEnd>;
  /** Everything the client has sent so far. */
  bytes(): Uint8Array;
  /** Bytes that were handed to the socket so far. A write is begun when the one before it has left. */
  readonly sentBytes: number;
}

/** A request that has arrived whole. */
export interface UpstreamRequest extends RawRequest {
  readonly connection: UpstreamConnection;
  /** Time on the clock of `performance.now()`, in milliseconds. */
  readonly atMs: number;
  /** The body as text. */
  readonly text: string;
  /** The body parsed as JSON. */
  json(): unknown;
  /** The first value of a header, whatever the case of its name. */
  header(name: string): string | undefined;
}

interface Waiter {
  readonly count: number;
  readonly resolve: (request: UpstreamRequest) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

const NOTHING_SCRIPTED = json(500, { error: { message: "scripted upstream: no reply was scripted" } });

/**
 * The upstream. Queued scripts answer one request each, in order of arrival; then the default script answers.
 *
 * @example
 * ```ts
 * await using upstream = await ScriptedUpstream.start(okChat());
 * upstream.enqueue(json(429, { error: {} }, { "retry-after": "7" }));
 * const response = await fetch(`${upstream.url}/v1/chat/completions`, { method: "POST", body: "{}" });
 * ```
 */
export class ScriptedUpstream implements AsyncDisposable {
  readonly requests: UpstreamRequest[] = [];
  readonly connections: UpstreamConnection[] = [];
  readonly #server: Server;
  readonly #queue: Script[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #links = new Set<Link>();
  readonly #waiters = new Set<Waiter>();
  #failure: unknown;

  private constructor(public fallback: Script) {
    // Half-open, so that the end of the client's bytes and the end of the connection stay two things.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const running = this.#serve(socket).catch((error) => this.#failure ??= error);
      this.#running.add(running);
      running.finally(() => this.#running.delete(running));
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(fallback: Script = NOTHING_SCRIPTED): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(fallback);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    upstream.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
    return upstream;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the upstream does not listen");
    return address.port;
  }

  /** `http://127.0.0.1:<port>`, without a trailing slash. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Scripts for the next requests. */
  enqueue(...scripts: readonly Script[]): void {
    this.#queue.push(...scripts);
  }

  /** The n-th request (from 1) once it has arrived whole; rejects when it does not come in time. */
  waitForRequest(count: number, timeoutMs = 5_000): Promise<UpstreamRequest> {
    const arrived = this.requests[count - 1];
    if (arrived) return Promise.resolve(arrived);
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamRequest>();
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter);
      reject(new Error(`request ${count} did not come; ${this.requests.length} did`));
    }, timeoutMs);
    const waiter: Waiter = { count, resolve, reject, timer };
    this.#waiters.add(waiter);
    return promise;
  }

  /** Closes everything and waits until it is closed. Throws what a script threw. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const link of this.#links) link.abandon();
    for (const waiter of this.#waiters) {
      clearTimeout(waiter.timer);
      waiter.reject(new Error("the upstream was stopped"));
    }
    this.#waiters.clear();
    await Promise.all(this.#running);
    await closed;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(socket: Socket): Promise<void> {
    const link = new Link(socket, this.connections.length + 1);
    this.#links.add(link);
    this.connections.push(link);
    try {
      for (;;) {
        const raw = await readRequest(link.received);
        if (!raw) break;
        const request = recordOf(raw, link);
        this.#record(request);
        const script = this.#queue.shift() ?? this.fallback;
        const reply = typeof script === "function" ? await script(request) : script;
        if (await link.play(reply) === "ended") break;
        if (request.header("connection")?.toLowerCase() === "close") break;
      }
    } finally {
      await link.shut();
      this.#links.delete(link);
    }
  }

  #record(request: UpstreamRequest): void {
    this.requests.push(request);
    for (const waiter of this.#waiters) {
      const awaited = this.requests[waiter.count - 1];
      if (!awaited) continue;
      clearTimeout(waiter.timer);
      this.#waiters.delete(waiter);
      waiter.resolve(awaited);
    }
  }
}

function recordOf(raw: RawRequest, connection: UpstreamConnection): UpstreamRequest {
  const text = new TextDecoder().decode(raw.body);
  return {
    ...raw,
    connection,
    atMs: performance.now(),
    text,
    json: () => JSON.parse(text),
    header: (name) => headerOf(raw, name),
  };
}

/** One connection: what came over it, and the playing of replies. */
class Link implements UpstreamConnection {
  readonly received = new ByteQueue();
  readonly closed: Promise<ConnectionEnd>;
  readonly #left: Promise<"gone">;
  readonly #log: Uint8Array[] = [];
  readonly #end: (by: ConnectionEnd["by"]) => void;
  readonly #destroyed: Promise<void>;
  #over = false;

  get sentBytes(): number {
    return this.socket.bytesWritten;
  }

  constructor(readonly socket: Socket, readonly id: number) {
    const closed = Promise.withResolvers<ConnectionEnd>();
    const left = Promise.withResolvers<"gone">();
    const destroyed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#left = left.promise;
    this.#destroyed = destroyed.promise;
    this.#end = (by) => {
      this.#over = true;
      closed.resolve({ by, atMs: performance.now() });
      left.resolve("gone");
      this.received.end();
    };
    socket.on("data", (bytes: Uint8Array) => {
      const copy = new Uint8Array(bytes);
      this.#log.push(copy);
      this.received.push(copy);
    });
    // An HTTP client that stops sending has left: none half-closes and waits for an answer.
    socket.on("end", () => this.#end("client"));
    socket.on("error", () => this.#end("client"));
    socket.on("close", () => {
      this.#end("client");
      destroyed.resolve();
    });
  }

  bytes(): Uint8Array {
    return concatBytes(this.#log);
  }

  /** Plays a reply until it is over, has ended the connection, or the client has left. */
  async play(reply: Reply): Promise<"kept" | "ended"> {
    for (const step of reply) {
      if ("end" in step) {
        if (step.end === "hang") await this.#left;
        if (step.end === "reset") {
          this.#end("upstream");
          this.socket.resetAndDestroy();
        }
        return "ended";
      }
      if (await this.#step(step) === "gone") return "ended";
    }
    return "kept";
  }

  /** Drops the connection without finishing what is under way. */
  abandon(): void {
    this.#end("upstream");
    this.socket.destroy();
  }

  /** Ends the connection, with all bytes sent if the client still reads, and waits for the socket to be gone. */
  async shut(): Promise<void> {
    const clientReads = !this.#over && !this.socket.destroyed && this.socket.writable;
    if (clientReads) this.socket.end(() => this.abandon());
    else this.abandon();
    await this.#destroyed;
  }

  async #step(step: Exclude<Reply[number], { end: unknown }>): Promise<"gone" | "done"> {
    if ("write" in step) {
      const written = new Promise<"gone" | "done">((resolve) => {
        this.socket.write(step.write, (error) => resolve(error ? "gone" : "done"));
      });
      return await Promise.race([written, this.#left]);
    }
    if ("until" in step) return await Promise.race([step.until.then(() => "done" as const), this.#left]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<"done">((resolve) => timer = setTimeout(() => resolve("done"), step.pauseMs));
    const ending = await Promise.race([over, this.#left]);
    clearTimeout(timer);
    return ending;
  }
}
