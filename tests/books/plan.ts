/**
 * What each request of a run is: everything about it follows from its number, so that client and vendor know, without
 * a word between them, what must happen and what it must cost.
 *
 * @module
 */

/** The protocols, by their names in the request log. */
export const PROTOCOLS = ["openai", "openai-res", "anthropic", "gemini"] as const;
export type Protocol = typeof PROTOCOLS[number];

/** The models, each served by all providers. */
export const MODELS = ["book-a", "book-b", "book-c"] as const;

/** What a vendor does with one attempt. */
export type Turn =
  /** Answers. */
  | "answer"
  /** Answers, and ends early by its own end mark. */
  | "incomplete"
  /** 500. */
  | "server_error"
  /** 429. */
  | "rate_limit"
  /** 400. */
  | "caller_fault"
  /** Ends before its protocol's end, as if it were one. */
  | "cut"
  /** Drops the connection. */
  | "broken"
  /** Falls silent until the client has left: in the middle of a stream, or without a word of a whole answer. */
  | "silent";

/** Token figures as the books give them. */
export interface Tokens {
  readonly prompt: number;
  readonly completion: number;
  /** Read from the vendor's cache: a part of the prompt. */
  readonly cached: number;
  /** Written to it: a part of the prompt too. */
  readonly written: number;
  /** A part of the completion. */
  readonly reasoning: number;
}

/** One request. */
export interface Plan {
  readonly number: number;
  readonly protocol: Protocol;
  readonly stream: boolean;
  /** Index of the client's credential. */
  readonly caller: number;
  readonly model: string;
  /** What the attempts meet, in order, whichever provider they go to. */
  readonly turns: readonly Turn[];
  /** What the client sees. */
  readonly end: "answer" | "error" | "broken" | "hang_up";
  /** Status of the answer to the client; 0 = the client leaves before it has one. */
  readonly status: number;
  /** What a complete answer reports. */
  readonly tokens: Tokens;
}

/** A model that nobody has set up. */
export const UNKNOWN_MODEL = "book-of-nobody";
/** Index of a credential that is none. */
export const STRANGER = -1;
/** Whoever calls with a credential that is one. */
export const CALLERS = 3;

type Kind = Turn | "failover" | "limited" | "exhausted" | "unknown_model" | "stranger";

/** In turn, so that each meets each protocol, whole and streamed, and in the end each caller and model. */
const KINDS: readonly Kind[] = [
  "answer",
  "answer",
  "answer",
  "failover",
  "answer",
  "caller_fault",
  "answer",
  "incomplete",
  "answer",
  "cut",
  "limited",
  "answer",
  "silent",
  "answer",
  "exhausted",
  "answer",
  "broken",
  "failover",
  "unknown_model",
  "answer",
  "incomplete",
  "stranger",
  "caller_fault",
];

/** So many requests in a row meet every kind on every protocol, whole and streamed. */
export const CYCLE = KINDS.length * PROTOCOLS.length * 2;

/** What the request of this number is. */
export function planOf(number: number): Plan {
  const protocol = PROTOCOLS[number % PROTOCOLS.length] ?? "openai";
  const stream = Math.floor(number / PROTOCOLS.length) % 2 === 1;
  const step = Math.floor(number / (PROTOCOLS.length * 2));
  const cycle = Math.floor(step / KINDS.length);
  const kind = KINDS[step % KINDS.length] ?? "answer";
  return {
    number,
    protocol,
    stream,
    caller: kind === "stranger" ? STRANGER : (step + cycle) % CALLERS,
    model: kind === "unknown_model"
      ? UNKNOWN_MODEL
      : MODELS[(step + Math.floor(cycle / CALLERS)) % MODELS.length] ?? MODELS[0],
    tokens: {
      prompt: 11 + number % 17,
      completion: 3 + number % 7,
      cached: number % 5,
      // Only Anthropic tells what is written, and it does not tell what is thought.
      written: protocol === "anthropic" ? 1 + number % 3 : 0,
      reasoning: protocol === "anthropic" ? 0 : step % 3,
    },
    ...courseOf(kind, stream),
  };
}

function courseOf(kind: Kind, stream: boolean): Pick<Plan, "turns" | "end" | "status"> {
  switch (kind) {
    case "answer":
    case "incomplete":
      return { turns: [kind], end: "answer", status: 200 };
    case "failover":
      return { turns: ["server_error", "answer"], end: "answer", status: 200 };
    case "limited":
      return { turns: ["rate_limit", "answer"], end: "answer", status: 200 };
    case "caller_fault":
      return { turns: [kind], end: "error", status: 400 };
    case "exhausted":
      return { turns: ["server_error", "server_error"], end: "error", status: 500 };
    case "cut":
    case "broken":
      // Nothing of a whole answer has gone to the client yet, so another provider may give it.
      return stream
        ? { turns: [kind], end: "broken", status: 200 }
        : { turns: [kind, "answer"], end: "answer", status: 200 };
    case "silent":
      return { turns: [kind], end: "hang_up", status: stream ? 200 : 0 };
    case "unknown_model":
      return { turns: [], end: "error", status: 404 };
    case "stranger":
      return { turns: [], end: "error", status: 401 };
    case "server_error":
    case "rate_limit":
      throw new Error(`no request consists of ${kind} alone`);
  }
}
