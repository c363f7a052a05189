/**
 * What the gateway must know of a wire protocol. Each protocol is one object of this shape; outside of its folder
 * nothing asks which protocol it is dealing with.
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
}

/** What a whole answer means. */
export interface AnswerReading {
  readonly kind: "output" | "error" | "empty";
  readonly usage?: Usage;
  readonly error?: InBandError;
  readonly incomplete?: boolean;
}

/** How a provider is reached and paid. */
export interface Upstream {
  /** Normalised, without a trailing slash. */
  readonly baseUrl: string;
  /** Value of `anthropic-version`, where the protocol has it. */
  readonly version: string;
}

/** A change to the top level of a request body: this member gets this JSON text. */
export interface BodyEdit {
  /** Member names from the top, e.g. `["stream_options", "include_usage"]`. */
  readonly path: readonly string[];
  readonly json: string;
}

/** One wire protocol. */
export interface WireProtocol {
  readonly protocol: Protocol;
  /** Reads what routing needs. Lenient: what is malformed is left for the vendor to refuse. */
  inspect(body: Record<string, unknown>): Inspection;
  /** Path of the operation under the provider's base URL. */
  readonly path: string;
  /** Credential and version headers; an empty secret sends no credential. */
  headers(upstream: Upstream, secret: string): [name: string, value: string][];
  /** The edit that makes the vendor report a stream's usage; `null` when the client's own request does, or nothing is needed. */
  meteringEdit(body: Record<string, unknown>): BodyEdit | null;
  /** Whether this refusal of a provider is about the metering edit. */
  refusesMetering(status: number, text: string): boolean;
  readEvent(name: string, data: string): EventReading;
  readAnswer(body: unknown): AnswerReading;
  /** The body of a gateway error, in the shape that clients of this protocol read. */
  errorBody(error: GatewayError): Record<string, unknown>;
  /** The same as bytes of the stream, for a stream that is already open. */
  errorEvent(error: GatewayError): string;
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
