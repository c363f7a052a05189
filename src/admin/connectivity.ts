/** Tests: does an association answer, does the service that counts tokens count. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { secretsOf } from "../access/scrub.ts";
import { type CountService, countServiceOf } from "../gateway/count_service.ts";
import type { Target } from "../gateway/routing_table.ts";
import { CLIENT_GONE } from "../gateway/upstream.ts";
import { anthropicCountTokens, anthropicMessages } from "../protocols/anthropic/messages.ts";
import { generateContent } from "../protocols/gemini/operations.ts";
import { asCount, asObject, type JsonObject } from "../protocols/json_access.ts";
import { openaiChat } from "../protocols/openai/chat.ts";
import type { Operation, Protocol } from "../protocols/protocol.ts";
import { createResponse } from "../protocols/responses/responses.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { pathId } from "./query.ts";
import { route } from "./route.ts";
import { ask, bodyText, endedWith, testedRoute, testFailure } from "./test_call.ts";
import { toolCallingTest, type ToolTestEvent } from "./tool_calling.ts";

const tag = "tests";

const QUESTION = "Is the sky blue on a clear day? Answer yes or no.";
const MESSAGES = [{ role: "user", content: QUESTION }];

/** The smallest request of each protocol that any model of it takes. Anthropic requires `max_tokens`. */
const QUESTIONS: Readonly<Record<Protocol, { readonly operation: Operation; readonly body: JsonObject }>> = {
  openai: { operation: openaiChat, body: { model: "", messages: MESSAGES } },
  "openai-res": { operation: createResponse, body: { model: "", input: QUESTION } },
  anthropic: { operation: anthropicMessages, body: { model: "", max_tokens: 1024, messages: MESSAGES } },
  gemini: {
    operation: generateContent,
    body: { contents: [{ role: "user", parts: [{ text: QUESTION }] }] },
  },
};

/** The vendor counts for its own models only, and takes the name of any of them. */
const COUNTED = { model: "claude-sonnet-4-5", messages: [{ role: "user", content: "Hello, world" }] };

const SETTING = "anthropic_count_tokens";

/** Registers the routes. That of the count goes before the one that takes an id. */
export function connectivityRoutes(app: OpenAPIHono, context: AdminContext): void {
  countRoute(app, context);
  associationRoute(app, context);
  toolCallingRoute(app, context);
}

function countRoute(app: OpenAPIHono, context: AdminContext): void {
  route(app, {
    method: "get",
    path: "/test/count_tokens",
    tag,
    summary: `Ask the service in the setting ${SETTING} for a count; code repeats the service's status`,
    data: z.string(),
    faults: [404, 422],
    write: true,
  }, async (c) => {
    const { service, secrets } = await countService(context);
    const answer = await ask({ target: targetOf(service, secrets), secret: service.secret }, {
      operation: anthropicCountTokens,
      body: COUNTED,
    }, { tools: context.calls, headers: NO_HEADERS, abort: endedWith(c.req.raw.signal) });
    if (answer.type === "failed") return verdict(c, testFailure(answer, secrets));
    const text = answer.type === "whole" ? bodyText(answer.body, secrets) : "a stream";
    if (answer.type === "whole" && (countIn(answer.body) ?? 0) > 0) {
      return success(c, "Anthropic count tokens test successful");
    }
    if (answer.type === "stream") await answer.pump.cancel(CLIENT_GONE);
    return verdict(c, { code: 502, message: `the answer holds no positive input_tokens: ${text}` });
  });
}

function associationRoute(app: OpenAPIHono, context: AdminContext): void {
  route(app, {
    method: "get",
    path: "/test/{id}",
    tag,
    summary: "Ask the provider of an association a small question; message is its answer, code its status",
    faults: [404],
    write: true,
  }, async (c) => {
    const tested = await testedRoute(pathId(c), context);
    const answer = await ask(tested, QUESTIONS[tested.protocol], {
      tools: context.calls,
      headers: c.req.raw.headers,
      abort: endedWith(c.req.raw.signal),
    });
    const { secrets } = tested.target;
    if (answer.type === "failed") return verdict(c, testFailure(answer, secrets));
    if (answer.type === "whole") return verdict(c, { code: 200, message: bodyText(answer.body, secrets) });
    await answer.pump.cancel(CLIENT_GONE);
    return verdict(c, { code: 502, message: "the provider answers with a stream that nobody asked for" });
  });
}

function toolCallingRoute(app: OpenAPIHono, context: AdminContext): void {
  route(app, {
    method: "get",
    path: "/test/react/{id}",
    tag,
    summary: "Let the model of an association call tools; the events of the stream say how it goes",
    media: ["text/event-stream"],
    faults: [404],
    write: true,
  }, async (c) => {
    const tested = await testedRoute(pathId(c), context);
    const abort = endedWith(c.req.raw.signal);
    const events = toolCallingTest(tested, context.calls, c.req.raw.headers, abort);
    return c.body(eventStream(events, abort), 200, {
      "Content-Type": "text/event-stream;charset=utf-8",
      "X-Accel-Buffering": "no",
    });
  });
}

function eventStream(
  events: AsyncGenerator<ToolTestEvent>,
  abort: AbortController,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await events.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(eventText(value)));
    },
    async cancel() {
      abort.abort(CLIENT_GONE);
      // Waiting for its next turn it holds a stream, which nobody else would let go.
      await events.return(null);
    },
  });
}

/** llmio's form: no space after the colon, a `data` line for each line of the text. */
function eventText({ name, text }: ToolTestEvent): string {
  return [`event:${name}`, ...text.split(/\r\n|\r|\n/).map((line) => `data:${line}`), "", ""].join("\n");
}

/** The test itself has been made whatever it has shown, and the web UI shows texts of HTTP 200 only. */
function verdict(c: Context, { code, message }: { code: number; message: string }): Response {
  return c.json({ code, message }, 200);
}

async function countService(
  { store }: AdminContext,
): Promise<{ service: CountService; secrets: readonly string[] }> {
  const config = (await store.configs.get(SETTING))?.value ?? "";
  if (config.trim() === "") throw new Fault(404, `Nothing is stored under ${SETTING}`);
  const service = countServiceOf(config);
  if (service === null) {
    throw new Fault(422, `The setting ${SETTING} cannot be used: it needs base_url, api_key and version`);
  }
  return { service, secrets: secretsOf({ config, proxy: "" }, []) };
}

/** The service as a target of attempts. */
function targetOf({ upstream, secret }: CountService, secrets: readonly string[]): Target {
  return {
    associationId: 0,
    providerId: 0,
    providerName: SETTING,
    providerModel: COUNTED.model,
    upstream,
    proxy: "",
    errorMatcher: [],
    withHeader: false,
    customerHeaders: [],
    overrides: [],
    fakeStream: false,
    extraBody: [],
    inputPrice: 0,
    cacheReadPrice: 0,
    outputPrice: 0,
    currency: "",
    secretOf: () => secret,
    secrets,
  };
}

function countIn(body: Uint8Array): number | null {
  return asCount(asObject(JSON.parse(new TextDecoder().decode(body)))?.input_tokens);
}

const NO_HEADERS = new Headers();
