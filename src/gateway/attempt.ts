/** One attempt: one call to one candidate, up to the moment when its answer is known to be one. @module */
import type { FailedOutcome } from "../failover/outcome.ts";
import type { AnswerReading, ClientCall, FakeStream, Operation } from "../protocols/protocol.ts";
import { CallTimer } from "./call_timer.ts";
import type { ClientBody } from "./client_body.ts";
import { decodedStream } from "./content_coding.ts";
import type { Deadlines } from "./deadlines.ts";
import { fakeStreamOf, streamedAnswer } from "./fake_stream.ts";
import { JsonArrayTap } from "./json_array_tap.ts";
import { type Gate, readUntilOutput, StreamPump } from "./relay.ts";
import { BodyRefused } from "./request_body.ts";
import type { Target } from "./routing_table.ts";
import { StreamTap, UNREAD_STREAM } from "./stream_tap.ts";
import { RawTap, type Tap } from "./tap.ts";
import { buildCall } from "./upstream_request.ts";
import { outcomeOfThrown, type UpstreamCall, type Upstreams } from "./upstream.ts";
import { AnswerTooLarge, encodingsOf, judgeAnswer, readAnswer } from "./whole_answer.ts";

/** What an attempt works with. */
export interface AttemptInput {
  readonly operation: Operation;
  readonly method: UpstreamCall["method"];
  readonly target: Target;
  readonly secret: string;
  readonly call: ClientCall;
  readonly body: ClientBody;
  readonly clientHeaders: Headers;
  /** The client asks for a stream. */
  readonly stream: boolean;
  readonly userAgent: string;
  /** Ends this attempt only. */
  readonly abort: AbortController;
  /** Longest wait for the answer (a stream: for its headers), milliseconds. */
  readonly waitMs: number;
  /** Without a commit until then the attempt is over, epoch milliseconds. */
  readonly commitBefore: number;
  /** Longest silence of a stream, milliseconds. */
  readonly idleMs: number;
  /** Told of every piece of a streamed answer. */
  readonly keep?: ((piece: Uint8Array) => void) | undefined;
}

/** What attempts share. */
export interface AttemptTools {
  readonly upstreams: Upstreams;
  readonly deadlines: Deadlines;
  /** Targets that refuse to be asked for a stream's usage. A changed configuration makes new targets, and asks again. */
  readonly unmetered: WeakSet<Target>;
}

/** An answer that may be passed on although it is no success. */
export interface PassableAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** How an attempt has gone. */
export type AttemptResult =
  | {
    readonly type: "whole";
    readonly response: Response;
    readonly body: Uint8Array<ArrayBuffer>;
    readonly reading: AnswerReading;
    /** `performance.now()` of the first byte. */
    readonly firstByteAt: number;
  }
  | {
    readonly type: "stream";
    readonly response: Response;
    readonly pump: StreamPump;
    readonly gate: Extract<Gate, { open: true }>;
  }
  | {
    readonly type: "failed";
    readonly outcome: FailedOutcome;
    readonly statusCode: number;
    /** The provider's own answer, when it gave one. */
    readonly answer: PassableAnswer | null;
  };

/** Calls one candidate. Never throws: whatever happens is an outcome. */
export async function attempt(input: AttemptInput, tools: AttemptTools): Promise<AttemptResult> {
  const meter = !tools.unmetered.has(input.target);
  try {
    const fake = fakeStreamOf(input);
    const { call, metered } = buildCall({ ...input, meter, fake });
    const result = await callOnce(call, metered, { ...input, fake }, tools);
    if (fake !== null || !metered || !isMeteringRefusal(result, input.operation)) return result;
    // A strict provider refuses what the gateway has added; the client's own request is not at fault.
    const plain = buildCall({ ...input, meter: false });
    const second = await callOnce(plain.call, false, { ...input, fake: null }, tools);
    if (second.type !== "failed") tools.unmetered.add(input.target);
    return second;
  } catch (error) {
    return {
      type: "failed",
      outcome: { type: "gateway_fault", detail: describe(error) },
      statusCode: 0,
      answer: null,
    };
  }
}

async function callOnce(
  call: UpstreamCall,
  metered: boolean,
  input: AttemptInput & { readonly fake: FakeStream | null },
  tools: AttemptTools,
): Promise<AttemptResult> {
  const timer = new CallTimer(tools.deadlines, input.abort);
  let response: Response | null = null;
  let streaming = false;
  try {
    timer.arm("headers", Math.min(Date.now() + input.waitMs, input.commitBefore));
    response = await tools.upstreams.send(call, input.abort.signal);
    const asked = input.fake === null ? input : { ...input, stream: false };
    const tap = response.ok ? tapFor(response, asked, metered) : null;
    if (tap !== null && response.body !== null) {
      const body = decodedStream(response.body, encodingsOf(response));
      streaming = true;
      return await openStream(response, body, tap, timer, input);
    }
    timer.arm("body", Math.min(Date.now() + input.waitMs, input.commitBefore));
    const whole = await takeWhole(response, input);
    if (input.fake === null || whole.type !== "whole") return whole;
    const made = streamedAnswer(whole, input.fake, input);
    streaming = true;
    return await openStream(made.response, made.body, madeTap(input, metered, whole.reading), timer, input);
  } catch (error) {
    await response?.body?.cancel().catch(() => {});
    return failed(outcomeOfBody(error, input.abort.signal), response?.status ?? 0);
  } finally {
    if (!streaming) timer.clear();
  }
}

async function openStream(
  response: Response,
  body: ReadableStream<Uint8Array>,
  tap: Tap,
  timer: CallTimer,
  input: AttemptInput,
): Promise<AttemptResult> {
  const pump = new StreamPump({
    body,
    tap,
    abort: input.abort,
    timer,
    idleMs: input.idleMs,
    commitBefore: input.commitBefore,
    keep: input.keep,
  });
  const gate = await readUntilOutput(pump);
  if (gate.open) return { type: "stream", response, pump, gate };
  timer.clear();
  return failed(gate.outcome, response.status);
}

async function takeWhole(response: Response, input: AttemptInput): Promise<AttemptResult> {
  const body = await readAnswer(response);
  const firstByteAt = performance.now();
  const contentType = response.headers.get("content-type") ?? "";
  if (!response.ok) {
    const text = new TextDecoder().decode(body.subarray(0, 4096));
    return {
      type: "failed",
      outcome: {
        type: "answer",
        protocol: input.operation.protocol,
        status: response.status,
        headers: response.headers,
        contentType,
        body: parseLoosely(body),
        text,
        mainRoute: input.operation.main,
      },
      statusCode: response.status,
      answer: { status: response.status, headers: response.headers, body },
    };
  }
  if (response.status === 204 && !input.operation.main) {
    return { type: "whole", response, body, reading: { kind: "output" }, firstByteAt };
  }
  const judged = judgeAnswer(body, contentType, input.operation, input.target.errorMatcher);
  if (!judged.good) return failed(judged.outcome, response.status);
  return { type: "whole", response, body, reading: judged.reading, firstByteAt };
}

function failed(outcome: FailedOutcome, statusCode: number): AttemptResult {
  return { type: "failed", outcome, statusCode, answer: null };
}

function outcomeOfBody(error: unknown, signal: AbortSignal): FailedOutcome {
  if (error instanceof AnswerTooLarge) {
    return { type: "bad_answer", what: "too_large", detail: error.message };
  }
  if (error instanceof BodyRefused) {
    return { type: "bad_answer", what: "not_json", detail: `the answer cannot be decoded: ${error.message}` };
  }
  return outcomeOfThrown(error, signal);
}

function isMeteringRefusal(result: AttemptResult, operation: Operation): boolean {
  return result.type === "failed" && result.outcome.type === "answer" &&
    operation.refusesMetering(result.statusCode, result.outcome.text);
}

/** What reads the answer while it passes; `null` = it is taken whole. */
function tapFor(response: Response, { operation, call, stream }: AttemptInput, metered: boolean): Tap | null {
  const contentType = response.headers.get("content-type") ?? "";
  if (/^\s*text\/event-stream\b/i.test(contentType)) {
    return new StreamTap(operation.stream ?? UNREAD_STREAM, metered);
  }
  const isArray = stream && operation.stream !== null && operation.streamsEvents?.(call) === false;
  if (isArray && /^\s*application\/json\b/i.test(contentType)) return new JsonArrayTap(operation.stream);
  // Sound and pictures are not kept waiting for their end; JSON and pages of text are looked at first.
  const unread = operation.readAnswer === null &&
    /^\s*(audio|image|video|application\/octet-stream)\b/i.test(contentType);
  return unread ? new RawTap() : null;
}

/** What reads a stream that is made here. */
function madeTap({ operation, call }: AttemptInput, metered: boolean, reading: AnswerReading): Tap {
  const grammar = operation.stream ?? UNREAD_STREAM;
  const isArray = operation.streamsEvents?.(call) === false;
  const tap = isArray ? new JsonArrayTap(grammar) : new StreamTap(grammar, metered);
  tap.foretell(reading);
  return tap;
}

function parseLoosely(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
