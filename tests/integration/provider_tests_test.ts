/** Rules of the tests that an operator starts: connectivity, tool calling, counting tokens. @module */
import assert from "node:assert/strict";
import { answer, hang, json, type Reply, sse, write } from "../upstream/replies.ts";
import { CHAT_COMPLETION } from "../upstream/fixtures.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const KEY = "sk-upstream-canary-7777";

interface Verdict {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Probes of the health check are answered alike; only what a test sends holds this. */
const isTest = ({ text }: UpstreamRequest) => /sky|get_weather/.test(text);

async function start(
  type: string,
  reply: (request: UpstreamRequest, count: number) => Reply | Promise<Reply>,
  association: Record<string, unknown> = {},
) {
  const tests: UpstreamRequest[] = [];
  const upstream = await ScriptedUpstream.start((request) => {
    if (!isTest(request)) return json(200, CHAT_COMPLETION);
    tests.push(request);
    return reply(request, tests.length);
  });
  const gateway = await TestGateway.start();
  const { associations: [row] } = await gateway.serveModel({
    providers: [{ url: `${upstream.url}/v1`, key: KEY, provider: { type }, association }],
  });
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${gateway.url}/api/test/${path}`, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, "x-extra": "from-the-operator" },
    });
  return {
    upstream,
    gateway,
    tests,
    id: row?.ID ?? 0,
    call,
    async verdict(path: string): Promise<Verdict> {
      const response = await call(path);
      return { ...await response.json(), status: response.status };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "x",
  content: [{ type: "text", text: "yes" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 3, output_tokens: 1 },
};
const RESPONSE = {
  id: "resp_1",
  object: "response",
  status: "completed",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "yes" }] }],
};
const GENERATED = {
  candidates: [{ content: { role: "model", parts: [{ text: "yes" }] }, finishReason: "STOP" }],
};

const ANSWERS: readonly [type: string, path: RegExp, answer: unknown][] = [
  ["openai", /^\/v1\/chat\/completions$/, CHAT_COMPLETION],
  ["openai-res", /^\/v1\/responses$/, RESPONSE],
  ["anthropic", /^\/v1\/messages$/, MESSAGE],
  ["gemini", /^\/v1\/models\/upstream-model-1:generateContent$/, GENERATED],
];

for (const [type, path, body] of ANSWERS) {
  Deno.test(`GET /api/test/:id asks a provider of type ${type} and answers its whole body as message`, async () => {
    await using run = await start(type, () => json(200, body));
    const { status, code, message, data } = await run.verdict(`${run.id}`);
    assert.deepEqual([status, code, data], [200, 200, undefined]);
    assert.deepEqual(JSON.parse(message), body);
    const [request] = run.tests;
    assert.match(request?.target ?? "", path);
    const sent = request?.json() as Record<string, unknown>;
    if (type !== "gemini") assert.equal(sent.model, "upstream-model-1");
    // Defect 4: the vendor requires it.
    assert.equal("max_tokens" in sent, type === "anthropic");
  });
}

Deno.test("GET /api/test/:id sends the association's headers and not its extra body", async () => {
  await using run = await start("openai", () => json(200, CHAT_COMPLETION), {
    with_header: true,
    customer_headers: { "x-team": "a" },
    extra_body: { service_tier: "flex" },
  });
  await run.verdict(`${run.id}`);
  const [request] = run.tests;
  assert.deepEqual(
    ["x-team", "x-extra", "authorization"].map((name) => request?.header(name)),
    ["a", "from-the-operator", `Bearer ${KEY}`],
  );
  assert.doesNotMatch(request?.text ?? "", /service_tier|stream_options/);
});

Deno.test("GET /api/test/:id tells a provider's refusal as HTTP 200 with its status, without the key", async () => {
  for (const refusal of [401, 404, 429, 500]) {
    await using run = await start("openai", () => json(refusal, { error: { message: `no ${KEY}` } }));
    const { status, code, message } = await run.verdict(`${run.id}`);
    assert.deepEqual([status, code], [200, refusal]);
    assert.equal(message, `code: ${refusal} body: {"error":{"message":"no ****"}}`);
  }
});

Deno.test("GET /api/test/:id answers code 502 where no answer can be had, or none that is one", async () => {
  const page = answer(200, "<html>welcome</html>", { "content-type": "text/html" });
  await using run = await start("openai", () => page);
  const html = await run.verdict(`${run.id}`);
  assert.deepEqual([html.status, html.code, /HTML/.test(html.message)], [200, 502, true]);
  await run.upstream[Symbol.asyncDispose]();
  const gone = await run.verdict(`${run.id}`);
  assert.deepEqual([gone.status, gone.code], [200, 502]);
  assert.ok(gone.message.length > 0);
});

Deno.test("GET /api/test/:id leaves no trace: no log row, no usage, no word on health", async () => {
  await using run = await start("openai", () => json(500, {}));
  await run.verdict(`${run.id}`);
  await (await run.call(`react/${run.id}`)).text();
  await (await run.gateway.chat({})).body?.cancel();
  const logs = await run.gateway.logs(1);
  assert.equal(logs.length, 1, "only the request of a client is there");
  const [health] = await run.gateway.admin<Record<string, unknown>[]>("GET", "/providers/health");
  assert.deepEqual([health?.error_count, health?.total_requests_24h], [0, 1]);
});

Deno.test("GET /api/test/:id works for what is switched off, and is a 404 for what is gone", async () => {
  await using run = await start("openai", () => json(200, CHAT_COMPLETION));
  await run.gateway.admin("PATCH", `/model-providers/${run.id}/status`, { status: false });
  await run.gateway.admin("PATCH", "/providers/1/status", { status: false });
  assert.equal((await run.verdict(`${run.id}`)).code, 200);
  for (const path of ["77", "react/77"]) {
    const { status, code, message } = await run.verdict(path);
    assert.deepEqual([status, code, message], [404, 404, "ModelWithProvider not found"]);
  }
});

/** One event of a stream. */
interface Event {
  readonly name: string;
  readonly data: string;
}

async function events(response: Response): Promise<Event[]> {
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const text = await response.text();
  return text.split("\n\n").filter((block) => block !== "").map((block) => {
    const [first = "", ...rest] = block.split("\n");
    assert.ok(rest.every((line) => line.startsWith("data:")), block);
    return {
      name: first.replace("event:", ""),
      data: rest.map((line) => line.slice("data:".length)).join("\n"),
    };
  });
}

function chatEvent(delta: unknown, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
}

/** A stream that calls the tool once for each place; `cut` = arguments in so many pieces. */
function calls(places: readonly string[], cut: number): Reply {
  const frames = places.flatMap((place, index) => {
    const text = JSON.stringify({ location: place });
    const size = Math.ceil(text.length / cut);
    return Array.from({ length: cut }, (_, piece) =>
      chatEvent({
        tool_calls: [{
          index,
          ...(piece === 0 && { id: `call-${index}`, type: "function" }),
          function: {
            ...(piece === 0 && { name: "get_weather" }),
            arguments: text.slice(piece * size, (piece + 1) * size),
          },
        }],
      }));
  });
  return sse([...frames, chatEvent({}, "tool_calls"), "data: [DONE]\n\n"]);
}

const done = () => sse([chatEvent({ content: "南京\n暖" }), chatEvent({}, "stop"), "data: [DONE]\n\n"]);

for (const cut of [1, 2, 5]) {
  Deno.test(`GET /api/test/react/:id passes a model whose arguments come in ${cut} pieces`, async () => {
    const rounds = [() => calls(["南京"], cut), () => calls(["Beijing"], cut), done];
    await using run = await start("openai", (_request, count) => (rounds[count - 1] ?? done)());
    const seen = await events(await run.call(`react/${run.id}`));
    assert.deepEqual(seen.map(({ name }) => name), [
      "start",
      "toolcall",
      "toolres",
      "toolcall",
      "toolres",
      "message",
      "success",
    ]);
    assert.deepEqual(JSON.parse(seen[1]?.data ?? ""), {
      name: "get_weather",
      arguments: '{"location":"南京"}',
    });
    assert.equal(seen[5]?.data, "南京\n暖");
    const last = run.tests.at(-1)?.json() as { messages: Record<string, unknown>[] };
    assert.deepEqual(last.messages.map(({ role }) => role), [
      "user",
      "assistant",
      "tool",
      "assistant",
      "tool",
    ]);
    assert.equal(last.messages[2]?.tool_call_id, "call-0");
  });
}

const FAILING: readonly [what: string, rounds: readonly (() => Reply)[], message: RegExp][] = [
  ["calls no tool", [done], /got none/],
  ["calls both at once", [() => calls(["南京", "北京"], 1), done], /Beijing in round 0/],
  [
    "asks in the wrong order",
    [() => calls(["北京"], 1), () => calls(["南京"], 1), done],
    /Beijing in round 0/,
  ],
  [
    "asks elsewhere",
    [() => calls(["Paris"], 1), () => calls(["北京"], 1), done],
    /something else in round 0/,
  ],
  ["never ends", Array.from({ length: 30 }, () => () => calls(["南京"], 1)), /after 20 rounds/],
  ["is refused", [() => json(401, { error: { message: `bad ${KEY}` } })], /^code: 401 body: .*bad \*{4}/],
  [
    "says more than anybody reads",
    [() => sse(Array.from({ length: 300 }, () => chatEvent({ content: "x".repeat(32 * 1024) })))],
    /says more than 8 MiB/,
  ],
  [
    "says more than anybody reads, in one piece",
    [() => json(200, { choices: [{ message: { content: "x".repeat(9 * 1024 * 1024) } }] })],
    /says more than 8 MiB/,
  ],
  [
    "calls tools without end",
    [() => calls(Array.from({ length: 500 }, () => "南京"), 1)],
    /more than 100 tools/,
  ],
  [
    "breaks off",
    [() => sse([chatEvent({ content: "x" })], { end: "reset" })],
    /broke off/,
  ],
];

for (const [what, rounds, message] of FAILING) {
  Deno.test(`GET /api/test/react/:id ends with an error for a model that ${what}`, async () => {
    await using run = await start("openai", (_request, count) => (rounds[count - 1] ?? done)());
    const seen = await events(await run.call(`react/${run.id}`));
    assert.deepEqual([seen[0]?.name, seen.at(-1)?.name], ["start", "error"]);
    assert.match(seen.at(-1)?.data ?? "", message);
    assert.ok(seen.slice(1, -1).every(({ name }) => !["error", "success"].includes(name)));
    assert.ok(run.tests.length <= 20);
  });
}

Deno.test("GET /api/test/react/:id tells what tools were called with, without the key", async () => {
  await using run = await start("openai", (_request, count) => count === 1 ? calls([KEY], 3) : done());
  const seen = await events(await run.call(`react/${run.id}`));
  assert.equal(seen.find(({ name }) => name === "toolcall")?.data.includes("****"), true);
  assert.doesNotMatch(JSON.stringify(seen.filter(({ name }) => name === "toolcall")), /canary/);
});

Deno.test("GET /api/test/react/:id takes a model that answers in one piece", async () => {
  const whole = (message: unknown) => json(200, { choices: [{ index: 0, message, finish_reason: "stop" }] });
  const call = (place: string) =>
    whole({
      role: "assistant",
      content: null,
      tool_calls: [{
        id: "c",
        type: "function",
        function: { name: "get_weather", arguments: `{"location":"${place}"}` },
      }],
    });
  const rounds = [call("南京"), call("北京"), whole({ role: "assistant", content: "ok" })];
  await using run = await start("openai", (_request, count) => rounds[count - 1] ?? done());
  assert.equal((await events(await run.call(`react/${run.id}`))).at(-1)?.name, "success");
});

Deno.test("GET /api/test/react/:id answers one error event for a provider of another type", async () => {
  await using run = await start("anthropic", () => json(200, MESSAGE));
  assert.deepEqual((await events(await run.call(`react/${run.id}`))).map(({ name }) => name), ["error"]);
  assert.equal(run.tests.length, 0);
});

Deno.test("GET /api/test/react/:id ends its call when the operator leaves", async () => {
  await using run = await start(
    "openai",
    () => [write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"), hang],
  );
  const abort = new AbortController();
  const response = await run.call(`react/${run.id}`, { signal: abort.signal });
  await response.body?.getReader().read();
  while (run.tests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  abort.abort();
  const end = await run.tests[0]?.connection.closed;
  assert.equal(end?.by, "client");
});

async function startCounter(reply: (request: UpstreamRequest) => Reply) {
  const upstream = await ScriptedUpstream.start(reply);
  const gateway = await TestGateway.start();
  const verdict = async (): Promise<Verdict> => {
    const response = await fetch(`${gateway.url}/api/test/count_tokens`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return { ...await response.json(), status: response.status };
  };
  return {
    upstream,
    gateway,
    verdict,
    configure: (value: unknown) =>
      gateway.admin("PUT", "/config/anthropic_count_tokens", { value: JSON.stringify(value) }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const COUNTS: readonly [what: string, reply: Reply, code: number, message: RegExp][] = [
  ["no tokens", json(200, { input_tokens: 0 }), 502, /no positive input_tokens/],
  ["no number", json(200, { total: 3 }), 502, /./],
  ["a refusal", json(403, { error: { message: `bad ${KEY}` } }), 403, /^code: 403 body: .*bad \*{4}/],
  ["a page", answer(200, "<html></html>", { "content-type": "text/html" }), 502, /HTML/],
];

for (const [what, reply, code, message] of COUNTS) {
  Deno.test(`GET /api/test/count_tokens is no success for ${what}`, async () => {
    await using run = await startCounter(() => reply);
    await run.configure({ base_url: `${run.upstream.url}/v1`, api_key: KEY, version: "2023-06-01" });
    const verdict = await run.verdict();
    assert.deepEqual([verdict.status, verdict.code, verdict.data], [200, code, undefined]);
    assert.match(verdict.message, message);
  });
}

Deno.test("GET /api/test/count_tokens asks the configured service", async () => {
  await using run = await startCounter(() => json(200, { input_tokens: 9 }));
  assert.deepEqual([(await run.verdict()).status, (await run.verdict()).code], [404, 404]);
  await run.configure({ base_url: `${run.upstream.url}/v1`, api_key: KEY, version: "2023-01-01" });
  assert.deepEqual((await run.verdict()).data, "Anthropic count tokens test successful");
  const [request] = run.upstream.requests;
  assert.equal(request?.target, "/v1/messages/count_tokens");
  assert.deepEqual([request?.header("x-api-key"), request?.header("anthropic-version")], [KEY, "2023-01-01"]);
  await run.configure({ base_url: "", api_key: KEY });
  assert.equal((await run.verdict()).status, 422);
});
