/** What a failed attempt meant. @module */

import type { FailureClass } from "./failure_class.ts";

/** The meaning of a failed attempt. A successful one is written as `null` wherever a verdict may stand. */
export interface Verdict {
  readonly class: FailureClass;
  /** Stable slug from the table of reasons, for logs, metrics and tests. */
  readonly reason: string;
  /** How long the provider asked to be left alone, in ms; `null` when it gave no usable time. */
  readonly retryAfterMs: number | null;
  /** One line for logs. It may quote the provider: scrub it before it is stored or sent. */
  readonly detail: string;
}
