/**
 * What the gateway must know of a wire protocol: its operations, how its callers are told about errors, and how its
 * providers are called. Outside of a protocol's folder nothing asks which protocol it is dealing with.
 *
 * @module
 */
import type { Protocol } from "../failover/outcome.ts";

export type { Protocol };

/** What a request needs and asks for, read from its body. */
export interface Inspection {
  /** The public model name; `""` when missing. */
  readonly model: string;
  readonly stream: boolean;
  /** Needs a model that can call tools. */
  readonly tools: boolean;
  readonly structuredOutput: boolean;
  /** Holds an image. */
  readonly image: boolean;
  /** Session for sticky routing and the log; `""` when none. */
  readonly sessionId: string;
  /** The answer is made after this call, which therefore says nothing of its usage. @default false */
  readonly background?: boolean;
  /** The vendor's id of an earlier answer that the request builds on. Only the provider that made it has it. */
  readonly previousAnswerId?: string;
}

/** Tokens of one answer, in the terms of DESIGN.md section 8. `null` = the vendor did not say. */
export interface Usage {
  /** All input: fresh, cache reads and cache writes. */
  readonly promptTokens: number | null;
  /** All output, reasoning included. */
  readonly completionTokens: number | null;
  readonly totalTokens: number | null;
  /** Cache reads, a part of the input. */
  readonly cachedTokens: number | null;
  /** Cache writes, a part of the input. Left out where the vendor has no such thing. */
  readonly cacheWriteTokens?: number;
  /** Reasoning, a part of the output. Left out where the vendor does not tell it apart. */
  readonly reasoningTokens?: number;
  /** Audio input, a part of the input. */
  readonly audioTokens: number | null;
}

/** The provider's own words about an error inside a 200 answer. */
export interface InBandError {
  readonly code: string;
  readonly type: string;
  readonly message: string;
  /** HTTP status that the error names, if it names one. */
  readonly status: number | null;
}

/** What one event of a stream means. */
export interface EventReading {
  /**
   * `output`: the client can see something of it. `preamble`: announces, names or measures. `end`: the protocol's
   * end mark. `error`: the provider's error. `junk`: not of this protocol.
   */
  readonly kind: "output" | "preamble" | "end" | "error" | "junk";
  readonly usage?: Usage;
  readonly error?: InBandError;
  /** The vendor's end was an early one: length, filter. */
  readonly incomplete?: boolean;
  /** After this event the answer is whole, even if the end mark never comes. */
  readonly complete?: boolean;
  /** The event holds nothing but usage; it is taken out when the client did not ask for it. */
  readonly usageOnly?: boolean;
  /** An end mark that holds the answer itself: output, even if nothing else was shown. */
  readonly holdsAnswer?: boolean;
  /** The vendor's id by which the answer can be asked for later. */
  readonly answerId?: string;
  /** The text in it that the model has made, for an estimate where the vendor tells no figures. */
  readonly text?: string;
}

/** What a whole answer means. */
export interface AnswerReading {
  readonly kind: "output" | "error" | "empty";
  readonly usage?: Usage;
  readonly error?: InBandError;
  readonly incomplete?: boolean;
  /** The vendor's id by which the answer can be asked for later. */
  readonly answerId?: string;
}

/** How a provider is reached and paid. */
export interface Upstream {
  /** Normalised, without a trailing slash. */
  readonly baseUrl: string;
  /** Value of `anthropic-version`, where the protocol has it. */
  readonly version: string;
  /** Value of `anthropic-beta` that the operator has set; `""` = none. */
  readonly beta: string;
}

/** A change to a request body: the member at this path gets this JSON text. */
export interface BodyEdit {
  /** Member names from the top: one, or two for a member of a member, e.g. `["stream_options", "include_usage"]`. */
  readonly path: readonly [string] | readonly [string, string];
  readonly json: string;
}

/** A client's request, as far as a protocol needs to know it. */
export interface ClientCall {
  /** The model that the path names, decoded once; `""` where the body names it. */
  readonly pathModel: string;
  /** The query without its `?` and without credentials; `""` = none. */
  readonly query: string;
  /** The JSON body; an empty object when there is none. */
  readonly json: Record<string, unknown>;
  /** Text fields of a form; empty when the body is none. */
  readonly form: ReadonlyMap<string, string>;
}

/** How much of a limit is left. */
export interface Allowance {
  readonly limit: number;
  /** From 0 on. What is set aside for requests under way is not left. */
  readonly remaining: number;
  /** When all of it is there again, if nothing more comes and what is under way ended now, milliseconds; 0 = it is. */
  readonly resetMs: number;
}

/** Where a caller stands within the gateway's own limits a minute; `null` = it has no such limit. */
export interface Standing {
  readonly requests: Allowance | null;
  readonly tokens: Allowance | null;
}

/** How the callers of a protocol are told about errors. */
export interface Dialect {
  readonly protocol: Protocol;
  /** The body of a gateway error, in the shape that clients of this protocol read. */
  errorBody(error: GatewayError): Record<string, unknown>;
  /** The same as text of the stream, for a stream that is already open. */
  errorEvent(error: GatewayError): string;
  /** Headers that tell a refused caller where it stands. @param now epoch milliseconds */
  limitHeaders(standing: Standing, now: number): Record<string, string>;
  /** The `event` field by which clients know an error in a stream; without it they read the data alone. */
  readonly errorEventName?: string;
}

/** The grammar of an operation's streams. */
export interface StreamGrammar {
  /** Begins to read one stream. What spans events, such as sums of figures that come apart, is kept in the reader. */
  open(): StreamReader;
}

/** Reads the events of one stream, in their order. */
export interface StreamReader {
  /** What one event means. `name` is its `event` field, `""` without one. Never throws. */
  readEvent(name: string, data: string): EventReading;
}

/** A grammar whose events can each be understood alone. */
export function eventByEvent(readEvent: StreamReader["readEvent"]): StreamGrammar {
  const reader: StreamReader = { readEvent };
  return { open: () => reader };
}

/** Where a body repeats the model that its path names. */
export interface RepeatedModel {
  /** Member names from the top; `*` = each item of an array. */
  readonly paths: readonly (readonly string[])[];
  /** What stands there for the provider; `null` = the name means something else and stays. */
  rename(name: string, call: ClientCall, providerModel: string): string | null;
}

/** How a stream is made for a client whose provider gives whole answers only. */
export interface FakeStream {
  /** Top-level members that the request for the whole answer must have, as JSON text, or must not have (`null`). */
  readonly edits: readonly (readonly [name: string, json: string | null])[];
  /** Whether this call's stream can be made so. @default always */
  readonly fits?: (call: ClientCall) => boolean;
  /** Path and query of the call for the whole answer. @default those of the stream */
  readonly path?: (call: ClientCall, providerModel: string) => string;
  /** The text of the stream, piece by piece. @param answer a whole answer that was judged good: JSON */
  write(answer: string, call: ClientCall): Iterable<string>;
}

/** Where an operation's model stands: in the body's `model`, in a form field of that name, in the path, or nowhere. */
export type ModelPlace = "json" | "form" | "path";

/** One thing that clients ask a vendor for: the wire format of one route. */
export interface Operation {
  /** Stable name, e.g. `chat.completions`. */
  readonly name: string;
  /** Protocol of the providers that can serve it. */
  readonly protocol: Protocol;
  readonly dialect: Dialect;
  readonly modelPlace: ModelPlace;
  /** Whether a provider's 404 says something about the model: true for the main routes only. */
  readonly main: boolean;
  /** Reads what routing needs. Lenient: what is malformed is left for the vendor to refuse. */
  inspect(call: ClientCall): Inspection;
  /** Path and query of the call under the provider's base URL. */
  path(call: ClientCall, providerModel: string): string;
  /** The edit that makes the vendor report a stream's usage; `null` when the client's own request does, or nothing is needed. */
  meteringEdit(call: ClientCall): BodyEdit | null;
  /** Whether this refusal of a provider is about the metering edit. */
  refusesMetering(status: number, text: string): boolean;
  /** Where the body repeats a model that stands in the path. @default nowhere */
  readonly repeatedModel?: RepeatedModel;
  /** Whether the stream that this call asks for is one of server-sent events. @default always */
  readonly streamsEvents?: (call: ClientCall) => boolean;
  /** How its streams are made of whole answers. @default they are not */
  readonly fakeStream?: FakeStream;
  /** `null` = streams of it pass unread: they are whole when their connection ends cleanly. */
  readonly stream: StreamGrammar | null;
  /** Reads a whole answer, already parsed. `null` = answers pass unread: sound, pictures, files. */
  readonly readAnswer: ((body: unknown) => AnswerReading) | null;
  /** Answers may also be plain text, which passes unread; it may be empty. */
  readonly textAnswers?: boolean;
}

/** How the providers of a protocol are called. */
export interface Vendor {
  /**
   * Credential and version headers; an empty secret sends no credential. `passed` are the client's headers that go
   * on, in lower case, so that what the client has chosen can stay.
   */
  headers(
    upstream: Upstream,
    secret: string,
    passed: Readonly<Record<string, string>>,
  ): Record<string, string>;
}

/** An error that the gateway itself answers with. */
export interface GatewayError {
  /** HTTP status. */
  readonly status: number;
  /** Stable slug, e.g. `model_not_found`. */
  readonly code: string;
  readonly message: string;
  /** Trace id of the request; `""` before it has one. */
  readonly traceId: string;
}
