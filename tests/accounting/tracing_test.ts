import assert from "node:assert/strict";
import { answerModel } from "../../src/accounting/answer_model.ts";
import { openTracing } from "../../src/accounting/tracing.ts";
import { okChat, okSse } from "../upstream/fixtures.ts";
import { json, reset } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type CollectedSpan, ExportingGateway, TraceCollector } from "./trace_collector.ts";

const TOKEN = "tracing-test-token";
/** Windows cannot send the signal that ends the gateway and exports the last spans. */
const ignore = Deno.build.os === "windows";
const CLIENT = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
const TRACE_HEADERS = {
  traceparent: `00-${CLIENT.traceId}-${CLIENT.spanId}-01`,
  tracestate: "corp=secret-state",
  baggage: "user=secret-baggage",
};

async function call(url: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

/** A model `chat` that is tried at these addresses, in order. */
async function configure(url: string, upstreams: readonly string[]): Promise<void> {
  await call(url, "/api/models", { name: "chat", strategy: "rotor", max_retry: 3, time_out: 60 });
  for (const [index, upstream] of upstreams.entries()) {
    const config = JSON.stringify({ base_url: `${upstream}/v1`, api_key: "sk-upstream-secret" });
    const id = index + 1;
    await call(url, "/api/providers", { name: `provider-${id}`, type: "openai", config });
    await call(url, "/api/model-providers", {
      model_id: 1,
      provider_id: id,
      provider_name: `upstream-${id}`,
      weight: 9 - 8 * index,
      with_header: true,
    });
  }
}

const otel = (collector: TraceCollector) => ({
  OTEL_DENO: "true",
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
});

function only(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const [span, ...others] = spans.filter((each) => each.name === name);
  assert.ok(span !== undefined && others.length === 0, `${1 + others.length} spans are named ${name}`);
  return span;
}

const messages = [{ role: "user", content: "the secret prompt" }];

Deno.test({
  name: "a request is one span in its client's trace, with a span for each attempt and the call under that",
  ignore,
  async fn() {
    await using broken = await ScriptedUpstream.start(json(500, { error: { message: "a raw-error-text" } }));
    await using good = await ScriptedUpstream.start(okChat());
    await using dead = await ScriptedUpstream.start([reset]);
    await using collector = new TraceCollector();
    await using gateway = await ExportingGateway.start(otel(collector), TOKEN);
    await configure(gateway.url, [broken.url, good.url]);
    // A provider that nobody can call; the health check that tries it fails with a message that names its URL.
    const config = JSON.stringify({ base_url: `${dead.url}/v1?key=secret-in-url`, api_key: "k" });
    const added = await call(gateway.url, "/api/providers", { name: "dead", type: "openai", config });
    assert.equal(added.status, 200, added.text);
    await call(gateway.url, "/api/health-check/force/3", {});
    const body = { model: "chat", messages };
    const answer = await call(gateway.url, "/v1/chat/completions?key=secret-key", body, TRACE_HEADERS);
    assert.equal(answer.status, 200, answer.text);
    await gateway.stop();

    const request = only(collector.own, "chat chat");
    const server = collector.spans.find(({ spanId }) => spanId === request.parentSpanId);
    assert.deepEqual([server?.kind, server?.parentSpanId, request.traceId], [
      2,
      CLIENT.spanId,
      CLIENT.traceId,
    ]);
    assert.equal(request.kind, 1);
    const { "llmio.trace_id": traceId, ...requestFacts } = request.attributes;
    assert.match(String(traceId), /^[0-9a-zA-Z]{10}$/);
    assert.deepEqual(requestFacts, {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "chat",
      "llmio.protocol": "openai",
      "llmio.attempts": 2,
      "llmio.outcome": "completed",
    });

    const failed = only(collector.own, "chat upstream-1");
    assert.deepEqual([failed.kind, failed.parentSpanId, failed.status], [3, request.spanId, 2]);
    assert.equal(failed.attributes["error.type"], "server");
    assert.equal(failed.attributes["http.response.status_code"], 500);
    assert.equal(failed.statusMessage, "");

    const succeeded = only(collector.own, "chat upstream-2");
    assert.deepEqual([succeeded.kind, succeeded.parentSpanId, succeeded.status], [3, request.spanId, 0]);
    assert.deepEqual(succeeded.attributes, {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "upstream-2",
      "gen_ai.response.model": "upstream-model",
      "gen_ai.usage.input_tokens": 23,
      "gen_ai.usage.output_tokens": 17,
      "gen_ai.usage.cache_read.input_tokens": 9,
      "gen_ai.usage.cache_creation.input_tokens": 0,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(good.url).port),
      "http.response.status_code": 200,
      "llmio.provider": "provider-2",
      "llmio.retry": 1,
      "llmio.outcome": "completed",
    });
    const [sent] = collector.spans.filter(({ parentSpanId }) => parentSpanId === succeeded.spanId);
    assert.equal(sent?.kind, 3);

    const got = good.requests.find(({ text }) => text.includes("secret prompt"));
    assert.equal(got?.header("traceparent"), `00-${CLIENT.traceId}-${sent?.spanId}-01`);
    assert.deepEqual([got?.header("tracestate"), got?.header("baggage")], [undefined, undefined]);
    for (const secret of ["secret", "raw-error-text", TOKEN]) {
      assert.ok(!collector.text.includes(secret), `${secret} was exported`);
    }
  },
});

Deno.test({
  name: "a streamed request's spans end with the stream, and know its tokens",
  ignore,
  async fn() {
    await using upstream = await ScriptedUpstream.start(okSse());
    await using collector = new TraceCollector();
    await using gateway = await ExportingGateway.start(otel(collector), TOKEN);
    await configure(gateway.url, [upstream.url]);
    const answer = await call(gateway.url, "/v1/chat/completions", { model: "chat", stream: true, messages });
    assert.match(answer.text, /\[DONE\]/);
    const refused = await call(gateway.url, "/v1/chat/completions", { model: "nowhere", messages });
    assert.equal(refused.status, 404);
    await gateway.stop();
    const { attributes } = only(collector.own, "chat upstream-1");
    assert.equal(attributes["gen_ai.usage.output_tokens"], 17);
    assert.equal(attributes["gen_ai.response.model"], "upstream-model");
    const none = only(collector.own, "chat nowhere");
    assert.deepEqual([none.status, none.attributes["error.type"], none.attributes["llmio.attempts"]], [
      2,
      "caller_fault",
      0,
    ]);
  },
});

Deno.test({
  name: "without OTEL_DENO nothing is exported, and traceparent passes as any header does",
  ignore,
  async fn() {
    await using upstream = await ScriptedUpstream.start(okChat());
    await using collector = new TraceCollector();
    const { OTEL_DENO: _, ...env } = otel(collector);
    await using gateway = await ExportingGateway.start(env, TOKEN);
    await configure(gateway.url, [upstream.url]);
    await call(gateway.url, "/v1/chat/completions", { model: "chat", messages }, TRACE_HEADERS);
    await gateway.stop();
    assert.equal(collector.text, "");
    const got = upstream.requests.find(({ text }) => text.includes("secret prompt"));
    assert.equal(got?.header("traceparent"), TRACE_HEADERS.traceparent);
  },
});

Deno.test("openTracing() makes nothing where Deno traces nothing", async () => {
  assert.equal(await openTracing(), null);
});

const bytes = (...texts: string[]) => texts.map((text) => new TextEncoder().encode(text));

Deno.test("answerModel() finds the model of every protocol, whole and streamed", () => {
  const answers: [answer: Uint8Array[], model: string][] = [
    [bytes('{"choices":[{"message":{"content":"\\"model\\":\\"no\\""}}],"model":"gpt"}'), "gpt"],
    [bytes('{"candidates":[{"functionCall":{"args":{"model":"no"}}}],"modelVersion":"gem"}'), "gem"],
    [bytes('data: {"id":"1","mod', 'el":"gpt"}\n\n', "data: [DONE]\n\n"), "gpt"],
    [bytes('event: message_start\ndata: {"message":{"model":"claude"}}\n\n'), "claude"],
    [bytes('event: response.created\r\ndata:{"response":{"model":"o"}}\r\n\r\n'), "o"],
  ];
  for (const [answer, model] of answers) assert.equal(answerModel(answer), model);
});

Deno.test("answerModel() takes nothing else for a model", () => {
  for (
    const text of [
      "",
      "{",
      '{"model":7}',
      '{"input":{"model":"no"}}',
      'data: {"delta":{"model":"no"}}\n\n',
      'say "model":"no"',
      "\u0000\u0001",
    ]
  ) assert.equal(answerModel(bytes(text)), null, text);
});
