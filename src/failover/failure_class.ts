/** The twelve meanings that the end of an attempt can have, and what each one implies. @module */

/** The meaning of a failed attempt. Success has no class. */
export type FailureClass =
  | "caller_fault"
  | "credential"
  | "quota"
  | "rate_limit"
  | "overload"
  | "server"
  | "no_model"
  | "network"
  | "timeout"
  | "bad_answer"
  | "client_gone"
  | "gateway_fault";

/** Where a request goes after a failure of a class. */
export type NextStep = "stop" | "next_key" | "next_provider";

/** What a failure of a class puts a mark on. */
export type Marked = "nothing" | "key" | "association" | "provider";

/** What follows from a class, whatever the vendor. */
export interface ClassFacts {
  /** Where the request goes next. */
  readonly next: NextStep;
  /** The same candidate may succeed a moment later, so a further round is worth a try. */
  readonly passing: boolean;
  /** It counts against the provider: its health, and the association's breaker. */
  readonly providerFailure: boolean;
  /** What the state marks. A bad credential says nothing of the provider's other keys. */
  readonly marks: Marked;
  /** An answer of this class speaks about load or trouble upstream, so the caller may see it as it is. */
  readonly tellsCaller: boolean;
}

/** The facts of every class. */
export const FAILURE_CLASSES: Readonly<Record<FailureClass, ClassFacts>> = {
  // The next provider would refuse it too, and the caller must see why.
  caller_fault: { next: "stop", passing: false, providerFailure: false, marks: "nothing", tellsCaller: true },
  // A 401 passed on would look as if the caller's own key were wrong, so it never tells the caller.
  credential: { next: "next_key", passing: false, providerFailure: false, marks: "key", tellsCaller: false },
  // The operator's bill is not the caller's business.
  quota: { next: "next_key", passing: false, providerFailure: false, marks: "key", tellsCaller: false },
  // Being busy is not being broken: it neither adds nor clears failures.
  rate_limit: { next: "next_key", passing: false, providerFailure: false, marks: "key", tellsCaller: true },
  overload: {
    next: "next_provider",
    passing: true,
    providerFailure: true,
    marks: "association",
    tellsCaller: true,
  },
  server: {
    next: "next_provider",
    passing: true,
    providerFailure: true,
    marks: "provider",
    tellsCaller: true,
  },
  // A wrong upstream name is a slip in one association; the provider's other models are fine.
  no_model: {
    next: "next_provider",
    passing: false,
    providerFailure: false,
    marks: "association",
    tellsCaller: false,
  },
  network: {
    next: "next_provider",
    passing: true,
    providerFailure: true,
    marks: "provider",
    tellsCaller: false,
  },
  timeout: {
    next: "next_provider",
    passing: true,
    providerFailure: true,
    marks: "provider",
    tellsCaller: false,
  },
  bad_answer: {
    next: "next_provider",
    passing: true,
    providerFailure: true,
    marks: "provider",
    tellsCaller: false,
  },
  client_gone: { next: "stop", passing: false, providerFailure: false, marks: "nothing", tellsCaller: false },
  gateway_fault: {
    next: "stop",
    passing: false,
    providerFailure: false,
    marks: "nothing",
    tellsCaller: false,
  },
};

/** Whether the same candidate may succeed a moment later. */
export function isPassing(failure: FailureClass): boolean {
  return FAILURE_CLASSES[failure].passing;
}

/** Whether the class counts against the provider's health and the association's breaker. */
export function isProviderFailure(failure: FailureClass): boolean {
  return FAILURE_CLASSES[failure].providerFailure;
}
