/**
 * The benchmark: the gateway against a direct call to the same upstream, in one run. See README.md beside this file.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Gateway, startGateway } from "./gateway.ts";
import type { Order, Result } from "./load_client.ts";
import { SHAPES } from "./payloads.ts";
import { CORE, cpuMicroseconds, Part, pinned, residentMiB } from "./process.ts";
import {
  complaints,
  type Row,
  type Scenario,
  type Slice,
  summarise,
  table,
  type TargetName,
} from "./report.ts";

const HELP = `deno task bench [options]

  --seconds <n>          Length of a slice, in seconds (default 3).
  --rounds <n>           Slices of each target for each scenario (default 3).
  --connections <list>   Connections of the whole-answer scenarios (default 1,32).
  --only <text>          Only scenarios whose name holds this text, such as "paced".
  --bare                 Also measure Deno.serve and fetch alone, as a floor.
  --json <file>          Also write the figures as JSON.
  --gateway-url <url>    Measure a gateway that runs already and serves the bench models.
  --gateway-token <t>    Its token (default TOKEN).
  --gateway-pid <pid>    Its process, for CPU and memory.
`;

/** After a slice, the gateway may still write its log; that work belongs to the slice. */
const SETTLE_MS = 800;
/** Until the compiler has seen enough of the target. */
const WARM_UP_SECONDS = 3;
/** Load of the last minute above which something else is running. */
const BUSY_LOAD = 0.5;

interface Target {
  readonly name: TargetName;
  readonly hostname: string;
  readonly port: number;
  readonly token: string;
  readonly pid: number | null;
}

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: readonly number[];
  readonly only: string;
  readonly bare: boolean;
  readonly json: string | undefined;
  readonly gateway: { url: URL; token: string; pid: number | null } | undefined;
}

const options = readOptions(Deno.args);
if (options === null) say(HELP);
else Deno.exitCode = await bench(options);

async function bench(options: Options): Promise<number> {
  await using upstream = new Part(CORE.upstream, ["run", "--allow-net", partOf("mock_upstream.ts")]);
  const direct: Target = {
    name: "direct",
    hostname: "127.0.0.1",
    port: Number(await upstream.line()),
    token: "none",
    pid: null,
  };
  const upstreamUrl = `http://127.0.0.1:${direct.port}`;
  await using client = new Part(CORE.client, ["run", "--allow-net", partOf("load_client.ts")]);
  await using stack = new AsyncDisposableStack();
  const targets = [direct];
  if (options.bare) {
    const bare = stack.use(
      new Part(CORE.gateway, ["run", "--allow-net", partOf("bare_proxy.ts"), upstreamUrl]),
    );
    targets.push({ ...direct, name: "bare", port: Number(await bare.line()), pid: bare.pid });
  }
  const gateway = options.gateway === undefined ? stack.use(await startGateway(upstreamUrl)) : undefined;
  targets.push(gateway ? ownGateway(gateway) : otherGateway(options));
  const readyAfterMs = gateway?.readyAfterMs ?? null;
  if (readyAfterMs !== null) {
    say(`gateway ready after ${Math.round(readyAfterMs)} ms, on an empty database\n`);
  }
  say(
    `cores: ${navigator.hardwareConcurrency}, ${
      pinned ? "gateway on a core of its own" : "parts not pinned"
    }\n`,
  );
  const [load = 0] = Deno.loadavg();
  if (load > BUSY_LOAD) {
    say(`! the machine is busy (load ${load.toFixed(2)}): these figures will be too low\n`);
  }
  say("\n");

  const rows: Row[] = [];
  for (const scenario of scenarios(options)) {
    say(`${scenario.name}, ${scenario.connections} at once …\n`);
    rows.push(await measure(scenario, targets, client, options));
  }
  say(`\n${table(rows)}\n`);
  const problems = complaints(rows);
  for (const problem of problems) say(`! ${problem}\n`);
  if (options.json !== undefined) {
    const { deno } = Deno.version;
    const machine = {
      os: Deno.build.os,
      arch: Deno.build.arch,
      cores: navigator.hardwareConcurrency,
      pinned,
      deno,
    };
    await Deno.writeTextFile(options.json, `${JSON.stringify({ machine, readyAfterMs, rows }, null, 2)}\n`);
  }
  return problems.length > 0 ? 1 : 0;
}

function scenarios({ connections, only }: Options): Scenario[] {
  const stream = (name: string, model: string, connections: number): Scenario => ({
    name,
    model,
    connections,
    counts: "events",
  });
  const all: Scenario[] = [
    ...connections.map((count): Scenario => ({
      name: "whole answer",
      model: "bench-json",
      connections: count,
      counts: "requests",
    })),
    stream("burst of 50 events", "bench-burst-50", 1),
    stream("burst of 50 events", "bench-burst-50", 32),
    stream("burst of 500 events", "bench-burst-500", 32),
    stream("paced, 50 events", "bench-paced-50", 64),
    stream("paced, 500 events", "bench-paced-500", 64),
    stream("open streams, slow", "bench-slow-100", 1000),
  ];
  return all.filter((scenario) => scenario.name.includes(only));
}

/** All targets in turn, round after round, so that what disturbs the machine disturbs all of them. */
async function measure(
  scenario: Scenario,
  targets: readonly Target[],
  client: Part,
  options: Options,
): Promise<Row> {
  const slices = new Map<TargetName, Slice[]>(targets.map(({ name }) => [name, []]));
  for (const target of targets) await slice(scenario, target, client, WARM_UP_SECONDS);
  for (let round = 0; round < options.rounds; round++) {
    for (const target of targets) {
      slices.get(target.name)?.push(await slice(scenario, target, client, options.seconds));
    }
  }
  return {
    scenario,
    figures: Object.fromEntries([...slices].map(([name, each]) => [name, summarise(scenario, each)])),
  };
}

async function slice(scenario: Scenario, target: Target, client: Part, seconds: number): Promise<Slice> {
  const { hostname, port, token, pid } = target;
  const { model, connections } = scenario;
  const isPaced = SHAPES.some((shape) => shape.model === model && shape.paceMs > 0);
  const order: Order = { hostname, port, token, model, connections, seconds, staggerMs: isPaced ? 1000 : 0 };
  const before = pid === null ? null : await cpuMicroseconds(pid);
  await client.send(JSON.stringify(order));
  const result: Result = JSON.parse(await client.line());
  const rss = pid === null ? null : await residentMiB(pid);
  if (pid === null) return { ...result, cpu: null, rss };
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const after = await cpuMicroseconds(pid);
  return { ...result, cpu: before === null || after === null ? null : after - before, rss };
}

function ownGateway({ hostname, port, token, pid }: Gateway): Target {
  return { name: "gateway", hostname, port, token, pid };
}

function otherGateway({ gateway }: Options): Target {
  if (!gateway) throw new Error("no gateway was named");
  const { url, token, pid } = gateway;
  return { name: "gateway", hostname: url.hostname, port: Number(url.port || 80), token, pid };
}

function readOptions(args: string[]): Options | null {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      connections: { type: "string", default: "1,32" },
      only: { type: "string", default: "" },
      bare: { type: "boolean", default: false },
      json: { type: "string" },
      "gateway-url": { type: "string" },
      "gateway-token": { type: "string", default: Deno.env.get("TOKEN") ?? "none" },
      "gateway-pid": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const url = values["gateway-url"];
  const pid = values["gateway-pid"];
  return {
    seconds: Number(values.seconds),
    rounds: Number(values.rounds),
    connections: values.connections.split(",").map(Number),
    only: values.only,
    bare: values.bare,
    json: values.json,
    gateway: url === undefined ? undefined : {
      url: new URL(url),
      token: values["gateway-token"],
      pid: pid === undefined ? null : Number(pid),
    },
  };
}

function partOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
