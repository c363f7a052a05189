/**
 * A collector of OpenTelemetry traces on this machine, and a gateway of its own process that exports to it: Deno traces
 * a whole process or nothing, so the tests' own cannot.
 *
 * @module
 */

/** One span, with its attributes as plain values. */
export interface CollectedSpan {
  readonly scope: string;
  readonly name: string;
  /** 1 = internal, 2 = server, 3 = client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** `""` = none. */
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 2 = error. */
  readonly status: number;
  readonly statusMessage: string;
}

/** What of OTLP's JSON is read: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
interface Export {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly (Omit<CollectedSpan, "scope" | "attributes" | "status" | "statusMessage"> & {
        readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
        readonly status: { readonly code: number; readonly message: string };
      })[];
    }[];
  }[];
}

/** The collector: OTLP over HTTP, as JSON. */
export class TraceCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Everything that was exported, as it came. */
  text = "";
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const text = await request.text();
      this.text += text;
      if (new URL(request.url).pathname === "/v1/traces") this.#take(JSON.parse(text));
      return Response.json({});
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The spans that the gateway itself has made. */
  get own(): CollectedSpan[] {
    return this.spans.filter(({ scope }) => scope === "llmio");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #take({ resourceSpans = [] }: Export): void {
    for (const { scope, spans } of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)) {
      for (const { attributes, status, ...span } of spans) {
        const plain = attributes.map(({ key, value }) => [key, Object.values(value)[0]]);
        this.spans.push({
          ...span,
          scope: scope.name,
          attributes: Object.fromEntries(plain),
          status: status.code,
          statusMessage: status.message,
        });
      }
    }
  }
}

/** A gateway in a process of its own. */
export class ExportingGateway implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #dir: string;
  #over = false;

  private constructor(process: Deno.ChildProcess, dir: string, readonly url: string) {
    this.#process = process;
    this.#dir = dir;
  }

  /** Starts one; `env` are OpenTelemetry's variables. */
  static async start(env: Readonly<Record<string, string>>, token: string): Promise<ExportingGateway> {
    const dir = await Deno.makeTempDir();
    const readyFile = `${dir}/ready.json`;
    const watcher = Deno.watchFs(dir);
    const permissions = ["--allow-net", "--allow-read", "--allow-write", "--allow-env"];
    const flags = ["--host", "127.0.0.1", "--port", "0", "--db", ":memory:", "--ready-file", readyFile];
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", ...permissions, "main.ts", "serve", ...flags],
      cwd: new URL("../../", import.meta.url),
      env: { TOKEN: token, TOKEN_FILE: "", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const closeWatcher = () => {
      try {
        watcher.close();
      } catch {
        // It was closed when the file came.
      }
    };
    process.status.then(closeWatcher);
    for await (const { paths } of watcher) {
      if (!paths.some((path) => path.endsWith("ready.json"))) continue;
      closeWatcher();
      const { url } = JSON.parse(await Deno.readTextFile(readyFile));
      return new ExportingGateway(process, dir, url);
    }
    throw new Error("the gateway did not start");
  }

  /** Stops it; all that it had to export is exported then. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#process.kill("SIGTERM");
    await this.#process.status;
    await Deno.remove(this.#dir, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
