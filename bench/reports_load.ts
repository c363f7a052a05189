/**
 * What reports cost the requests that are served meanwhile: a paced load on a gateway with a large request log, in
 * alternating rounds without reports and with them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { TextLineStream } from "./lines.ts";
import type { PacedOrder, PacedResult } from "./reports_client.ts";

/** Requests a second: a small part of what the gateway can do, so that queues are the reports' doing. */
const PER_SECOND = Number(Deno.env.get("BENCH_PER_SECOND") ?? 300);
const SECONDS = 8;
const ROUNDS = 12;
const WARM_UP_SECONDS = 5;
const MODEL = "bench-json";
const TOKEN = "bench";
const READY_WITHIN_MS = 60_000;

/** What an operator's page asks for, again and again. */
const REPORTS = ["/logs", "/usage", "/dashboard/stats"];
/** From one time that all of them are asked for to the next: what ten pages do that ask anew every five seconds. */
const REPORTS_EVERY_MS = Number(Deno.env.get("BENCH_REPORTS_EVERY_MS") ?? 500);

type Print = (what: string, ms: number, more?: string) => void;

/** Measures on a database file, which is changed by it. */
export async function measureUnderLoad(path: string, print: Print): Promise<void> {
  await using upstream = new Program(["--allow-net", here("mock_upstream.ts")]);
  const upstreamPort = Number(await upstream.line());
  await using gateway = await startGateway(path);
  await configure(gateway.url, `http://127.0.0.1:${upstreamPort}/v1`);
  await using client = new Program(["--allow-net", here("reports_client.ts")]);
  const { hostname, port } = new URL(gateway.url);
  const order = { hostname, port: Number(port), token: TOKEN, model: MODEL, perSecond: PER_SECOND };
  const load = async (seconds: number): Promise<PacedResult> => {
    await client.send(JSON.stringify({ ...order, seconds } satisfies PacedOrder));
    const result: PacedResult = JSON.parse(await client.line());
    if (result.errors > 0) throw new Error(`${result.errors} requests failed, first: ${result.firstError}`);
    return result;
  };
  await load(WARM_UP_SECONDS);
  const alone: number[][] = [];
  const besideReports: number[][] = [];
  const reports = new Map<string, number[]>(REPORTS.map((report) => [report, []]));
  const withoutReports = async () => void alone.push([...(await load(SECONDS)).times]);
  const withReports = async () => {
    const over = new AbortController();
    const reading = readOn(gateway.url, reports, over.signal);
    besideReports.push([...(await load(SECONDS)).times]);
    over.abort();
    await reading;
  };
  // Each kind goes first as often as second, so that what changes slowly favours neither.
  for (let round = 0; round < ROUNDS; round++) {
    const kinds = [withoutReports, withReports];
    for (const kind of round % 2 === 0 ? kinds : kinds.reverse()) await kind();
  }
  print(`${PER_SECOND} requests a second, no report`, quantile(alone.flat(), 0.99), spread(alone));
  print(
    `the same with all reports every ${REPORTS_EVERY_MS} ms`,
    quantile(besideReports.flat(), 0.99),
    spread(besideReports),
  );
  print("p99 with reports over p99 without", 0, ratios(besideReports, alone));
  for (const [report, times] of reports) {
    const [p99, most] = [0.99, 1].map((q) => quantile(times, q).toFixed(1));
    print(
      `${report} under load`,
      quantile(times, 0.5),
      `p99 ${p99} ms, max ${most} ms, ${times.length} times`,
    );
  }
}

/** Asks for one report after the other, at their pace, until told to stop. */
async function readOn(url: string, times: ReadonlyMap<string, number[]>, signal: AbortSignal): Promise<void> {
  let nextAt = performance.now();
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextAt - performance.now())));
    nextAt = Math.max(nextAt + REPORTS_EVERY_MS, performance.now());
    for (const [report, each] of times) {
      const askedAt = performance.now();
      await (await ask(url, "GET", report)).arrayBuffer();
      each.push(performance.now() - askedAt);
    }
  }
}

/** How the p99 with is to that without: of all requests, and round by round. */
function ratios(rounds: readonly number[][], others: readonly number[][]): string {
  const all = rounds.map((times, i) => quantile(times, 0.99) / quantile(others[i] ?? [], 0.99));
  const texts = all.map((each) => each.toFixed(2)).join(" ");
  const overall = quantile(rounds.flat(), 0.99) / quantile(others.flat(), 0.99);
  return `${overall.toFixed(2)}; median of the rounds ${quantile(all, 0.5).toFixed(2)}: ${texts}`;
}

function spread(rounds: readonly (readonly number[])[]): string {
  const all = rounds.flat();
  const p99s = rounds.map((times) => quantile(times, 0.99).toFixed(2)).join(" ");
  return `p99; p50 ${quantile(all, 0.5).toFixed(2)} ms, max ${quantile(all, 1).toFixed(1)} ms; ` +
    `p99 of the rounds ${p99s}`;
}

async function configure(url: string, upstreamUrl: string): Promise<void> {
  const make = async (path: string, body: unknown): Promise<number> =>
    (await (await ask(url, "POST", path, body)).json()).data.ID;
  await ask(url, "PUT", "/health-check/config", { enabled: false });
  const provider = await make("/providers", {
    name: "bench upstream",
    type: "openai",
    config: JSON.stringify({ base_url: upstreamUrl, api_key: "sk-bench" }),
  });
  const model = await make("/models", { name: MODEL, max_retry: 3, time_out: 60 });
  await make("/model-providers", {
    model_id: model,
    provider_id: provider,
    provider_name: MODEL,
    tool_call: true,
    structured_output: true,
    image: true,
    weight: 1,
  });
}

async function ask(url: string, method: string, path: string, body?: unknown): Promise<Response> {
  const response = await fetch(`${url}/api${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function startGateway(path: string): Promise<{ url: string } & AsyncDisposable> {
  const readyFile = `${path}.ready`;
  const program = new Program([
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys=setPriority",
    here("../main.ts"),
    "serve",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--db",
    path,
    "--ready-file",
    readyFile,
  ], { TOKEN, LOG_LEVEL: "error" });
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    try {
      const { url } = JSON.parse(await Deno.readTextFile(readyFile));
      return { url, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  await program[Symbol.asyncDispose]();
  throw new Error("the gateway was not ready in time");
}

/**
 * A Deno program that runs until it is stopped, on whatever core is free: reports are read by a thread of their own,
 * which a core of the gateway's own would make them share with the requests.
 */
class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...args],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  async line(): Promise<string> {
    const { done, value } = await this.#lines.read();
    if (done) throw new Error("a part of the bench ended early");
    return value;
  }

  async send(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await this.#input.abort().catch(() => {});
    await this.#lines.cancel().catch(() => {});
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function here(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
