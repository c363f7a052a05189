/** What an attempt ended in, as data. @module */

/** The wire protocols that the gateway speaks. */
export type Protocol = "openai" | "openai-res" | "anthropic" | "gemini";

/** The part of `Headers` that is read here. */
export interface HeaderReader {
  /** The value of a header, case-insensitive; `null` when it is missing. */
  get(name: string): string | null;
}

/** An error that a provider stated inside an answer, in whatever protocol. Missing parts are `null` or left out. */
export interface StatedError {
  /** OpenAI `error.code`, Responses `code`; some relays put the HTTP status here. */
  readonly code?: string | number | null | undefined;
  /** OpenAI and Anthropic `error.type`, Gemini `error.status`. */
  readonly type?: string | null | undefined;
  /** Text for people. */
  readonly message?: string | null | undefined;
  /** The HTTP status that the error stands for, where it says so. */
  readonly status?: number | null | undefined;
}

/** What was wrong with a 2xx answer, or with one that is never followed. */
export type BadAnswerKind =
  /** A web page where an API answer belongs. */
  | "html"
  /** No body, or a stream that ended before its first event. */
  | "empty"
  /** Not JSON, although the protocol asks for it. */
  | "not_json"
  /** 200 with an error object as the whole body. */
  | "error_body"
  /** A stream whose first meaningful event is an error. */
  | "error_event"
  /** Complete by its own grammar, yet without any output. */
  | "no_output"
  /** It ended before its protocol's end. */
  | "truncated"
  /** 3xx: never followed. */
  | "redirect"
  /** It matched the provider's `error_matcher`. */
  | "matched"
  /** Larger than the gateway holds, or an event without end. */
  | "too_large"
  /** Events that break the protocol's grammar. */
  | "malformed";

/** The step of an attempt whose time ran out. */
export type TimeoutPhase = "connect" | "headers" | "first_token" | "body" | "idle" | "deadline";

/** A complete non-2xx answer of a provider. */
export interface AnswerOutcome {
  readonly type: "answer";
  readonly protocol: Protocol;
  /** HTTP status: anything but 2xx. */
  readonly status: number;
  readonly headers: HeaderReader;
  /** Value of `content-type`, `""` when missing. */
  readonly contentType: string;
  /** The parsed JSON body, or `null`. */
  readonly body: unknown;
  /** Start of the body, at most 4 KB. */
  readonly text: string;
  /**
   * `false` when the call went to a side route (`count_tokens`, a path that the client chose): a 404 there says
   * nothing about the model. Default `true`.
   */
  readonly mainRoute?: boolean | undefined;
}

/** An answer that is none. */
export interface BadAnswerOutcome {
  readonly type: "bad_answer";
  readonly what: BadAnswerKind;
  /** The error that the provider stated in it, if any. */
  readonly error?: StatedError | undefined;
  /** One line for logs. */
  readonly detail: string;
}

/** What an attempt ended in. */
export type Outcome =
  | { readonly type: "success" }
  | AnswerOutcome
  | BadAnswerOutcome
  /** DNS, refused, TLS, or reset before an answer. */
  | { readonly type: "network"; readonly detail: string }
  | { readonly type: "timeout"; readonly phase: TimeoutPhase; readonly afterMs: number }
  /** The client hung up. */
  | { readonly type: "client_gone" }
  /** A bug of our own. */
  | { readonly type: "gateway_fault"; readonly detail: string };

/** An outcome other than success: what `classify` reads. */
export type FailedOutcome = Exclude<Outcome, { readonly type: "success" }>;
