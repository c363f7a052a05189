/**
 * Spans for OpenTelemetry, through the exporter that Deno has built in: one for each client request and, under it,
 * one for each attempt, named and described as the GenAI conventions say
 * (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). They hold no keys, prompts or answers.
 *
 * Deno makes spans of its own for the server and for `fetch`, continues the trace of a client's `traceparent` and
 * sends a `traceparent` on to providers: random ids, which tell nobody anything. What a client's `baggage` says is
 * not the vendor's business and ends here.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Context, Span, SpanContext, SpanStatus, Tracer } from "@opentelemetry/api";
import { withoutSecrets } from "../access/scrub.ts";
import type { LogOutcome } from "../store/logs.ts";
import { answerModel } from "./answer_model.ts";

type Api = typeof import("@opentelemetry/api");

/** What is known of a request when its span begins. */
export interface RequestFacts {
  /** Name of the operation, such as `chat.completions`. */
  readonly operation: string;
  readonly protocol: string;
  /** The model that the client asks for. */
  readonly model: string;
  /** The id of its rows in the request log. */
  readonly traceId: string;
}

/** What is known of an attempt when its span begins. */
export interface AttemptFacts {
  readonly providerName: string;
  readonly providerModel: string;
  readonly baseUrl: string;
  /** Index within the request, from 0. */
  readonly retry: number;
}

/** How an attempt has ended, for its span. */
export type AttemptResult = Pick<
  LogOutcome,
  | "status"
  | "outcome"
  | "statusCode"
  | "promptTokens"
  | "completionTokens"
  | "cachedTokens"
  | "cacheWriteTokens"
  | "usageSource"
>;

/** A piece of a server's work, with the connection that it is for. */
type Serve<Info> = (request: Request, info: Info) => Response | Promise<Response>;

/** Headers by which Deno hands a trace on; it adds its own, and two of one name would be none. */
const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"];
/** The conventions' names of what clients ask for; others go by the operation's own name. */
const OPERATION_NAMES: Readonly<Record<string, string>> = {
  "chat.completions": "chat",
  "responses": "chat",
  "messages": "chat",
  "completions": "text_completion",
  "generateContent": "generate_content",
  "streamGenerateContent": "generate_content",
  "embedContent": "embeddings",
  "batchEmbedContents": "embeddings",
};
/** The conventions' names of the APIs that providers speak; who speaks it is told by `server.address`. */
const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  "openai": "openai",
  "openai-res": "openai",
  "anthropic": "anthropic",
  "gemini": "gcp.gemini",
};
/** A model's name is whatever a client has typed. */
const MAX_NAME = 200;

/**
 * The tracing of this process; `null` when it traces nothing. Nothing is imported then. Deno traces when it was
 * started with `OTEL_DENO=true`; a compiled program, when it was compiled with that.
 */
export async function openTracing(): Promise<Tracing | null> {
  if (isTraced()) return new Tracing(await import("@opentelemetry/api"));
  if (Deno.build.standalone && Deno.env.get("OTEL_DENO") === "true") {
    getLogger(["llmio", "tracing"]).warn(
      "OTEL_DENO has no effect here: this program was compiled without it",
    );
  }
  return null;
}

/** Where Deno registers its exporter for `@opentelemetry/api`. */
const REGISTRY = Symbol.for("opentelemetry.js.api.1");

function isTraced(): boolean {
  const registry: unknown = Reflect.get(globalThis, REGISTRY);
  return typeof registry === "object" && registry !== null && "trace" in registry;
}

/** Makes spans. */
export class Tracing {
  readonly #api: Api;
  readonly #tracer: Tracer;

  constructor(api: Api) {
    this.#api = api;
    this.#tracer = api.trace.getTracer("llmio");
    // This span never ends, so it is never exported.
    guardSpans(Reflect.getPrototypeOf(this.#tracer.startSpan("llmio")));
  }

  /** The same server, in a context that holds no more of a client's trace than its ids: no baggage. */
  server<Info>(serve: Serve<Info>): Serve<Info> {
    const { context, trace } = this.#api;
    return (request, info) => {
      const span = trace.getActiveSpan();
      if (span === undefined) return serve(request, info);
      return context.with(this.#onlyIds(span.spanContext()), () => serve(request, info));
    };
  }

  /** A client's headers without those that Deno writes anew. */
  passable(headers: Headers): Headers {
    if (!TRACE_HEADERS.some((name) => headers.has(name))) return headers;
    const passed = new Headers(headers);
    for (const name of TRACE_HEADERS) passed.delete(name);
    return passed;
  }

  /** A client's request begins. */
  request(facts: RequestFacts): RequestSpan {
    return new RequestSpan(this.#api, this.#tracer, facts);
  }

  /** A context that knows which span it is in, and nothing else. */
  #onlyIds({ traceId, spanId, traceFlags }: SpanContext): Context {
    const { trace, ROOT_CONTEXT } = this.#api;
    return trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext({ traceId, spanId, traceFlags }));
  }
}

const guarded = new WeakSet<object>();

/**
 * Keeps secrets out of all spans of a class. Deno writes the whole URL of every call into its own spans before anybody
 * else sees them, and a second value does not replace the first. Gemini's clients put their key into the query, some
 * base URLs hold one there, and in Deno 2.7 the message of a failed call repeats its URL.
 */
function guardSpans(spans: object | null): void {
  if (spans === null || guarded.has(spans)) return;
  guarded.add(spans);
  const setAttribute: unknown = Reflect.get(spans, "setAttribute");
  const setStatus: unknown = Reflect.get(spans, "setStatus");
  if (typeof setAttribute !== "function" || typeof setStatus !== "function") return;
  Reflect.set(spans, "setAttribute", function (this: Span, key: string, value: unknown): unknown {
    return Reflect.apply(setAttribute, this, [key, withoutQuery(key, value)]);
  });
  Reflect.set(spans, "setStatus", function (this: Span, { code }: SpanStatus): unknown {
    return Reflect.apply(setStatus, this, [{ code }]);
  });
}

function withoutQuery(key: string, value: unknown): unknown {
  if (key === "url.query") return "";
  return key === "url.full" && typeof value === "string" ? value.replace(/[?#].*$/s, "") : value;
}

/** The span of a client's request. */
export class RequestSpan {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #span: Span;
  readonly #context: Context;
  readonly #operation: string;
  readonly #provider: string;
  #attempts = 0;

  constructor(api: Api, tracer: Tracer, { operation, protocol, model, traceId }: RequestFacts) {
    this.#api = api;
    this.#tracer = tracer;
    this.#operation = Object.hasOwn(OPERATION_NAMES, operation)
      ? OPERATION_NAMES[operation] ?? operation
      : operation;
    this.#provider = PROVIDER_NAMES[protocol] ?? protocol;
    const asked = withoutSecrets(model.slice(0, MAX_NAME));
    this.#span = tracer.startSpan(`${this.#operation} ${asked}`, {
      kind: api.SpanKind.INTERNAL,
      attributes: {
        "gen_ai.operation.name": this.#operation,
        "gen_ai.request.model": asked,
        "llmio.protocol": protocol,
        "llmio.trace_id": traceId,
      },
    });
    this.#context = api.trace.setSpan(api.context.active(), this.#span);
  }

  /** One of its attempts begins. */
  attempt(facts: AttemptFacts): AttemptSpan {
    this.#attempts++;
    const url = URL.parse(facts.baseUrl);
    const span = this.#tracer.startSpan(`${this.#operation} ${facts.providerModel}`, {
      kind: this.#api.SpanKind.CLIENT,
      attributes: {
        "gen_ai.operation.name": this.#operation,
        "gen_ai.provider.name": this.#provider,
        "gen_ai.request.model": facts.providerModel,
        "llmio.provider": facts.providerName,
        "llmio.retry": facts.retry,
        ...(url !== null && {
          "server.address": url.hostname,
          "server.port": Number(url.port) || (url.protocol === "https:" ? 443 : 80),
        }),
      },
    }, this.#context);
    return new AttemptSpan(this.#api, span, this.#context);
  }

  /** The request has ended. */
  end(outcome: string): void {
    this.#span.setAttribute("llmio.attempts", this.#attempts);
    endWith(this.#api, this.#span, outcome, outcome === "completed" || outcome === "incomplete");
  }
}

/** The span of an attempt. */
export class AttemptSpan {
  readonly #api: Api;
  readonly #span: Span;
  readonly #context: Context;

  constructor(api: Api, span: Span, parent: Context) {
    this.#api = api;
    this.#span = span;
    this.#context = api.trace.setSpan(parent, span);
  }

  /** Does some work of the attempt, so that Deno's span of the call stands under this one. */
  run<Args extends unknown[], Result>(work: (...args: Args) => Result, args: Args): Result {
    return this.#api.context.with(this.#context, () => work(...args));
  }

  /** The answer begins with these bytes, or is these bytes. Its model is all that is taken from it. */
  answer(bytes: readonly Uint8Array[]): void {
    const model = answerModel(bytes);
    if (model !== null) this.#span.setAttribute("gen_ai.response.model", withoutSecrets(model));
  }

  /** The attempt has ended. */
  end(result: AttemptResult): void {
    const { status, outcome, statusCode, usageSource } = result;
    if (statusCode > 0) this.#span.setAttribute("http.response.status_code", statusCode);
    if (usageSource === "measured") {
      this.#span.setAttributes({
        "gen_ai.usage.input_tokens": result.promptTokens,
        "gen_ai.usage.output_tokens": result.completionTokens,
        "gen_ai.usage.cache_read.input_tokens": result.cachedTokens,
        "gen_ai.usage.cache_creation.input_tokens": result.cacheWriteTokens,
      });
    }
    endWith(this.#api, this.#span, outcome, status === "success");
  }
}

/** A failure is told by its class; the provider's own words may hold anything. */
function endWith({ SpanStatusCode }: Api, span: Span, outcome: string, success: boolean): void {
  span.setAttribute("llmio.outcome", outcome);
  if (!success) span.setAttribute("error.type", outcome).setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
