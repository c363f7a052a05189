/** The shape of a line in the table of reasons. @module */

import type { FailureClass } from "./failure_class.ts";

/** A range of statuses, both ends included. */
export type StatusRange = readonly [number, number];

/** One line of the table. Every condition that is given must hold. */
export interface Rule {
  /** The slug of the verdict. */
  readonly reason: string;
  readonly class: FailureClass;
  /** HTTP status; 200 stands for an error inside a 2xx answer. */
  readonly on: readonly StatusRange[];
  /** One of these names is in the error, in lower case. */
  readonly names?: readonly string[];
  /** The error's text. */
  readonly message?: RegExp;
  /** The body has no machine-readable name (`false`) or has one (`true`). */
  readonly structured?: boolean;
  /** The body is a web page. */
  readonly html?: boolean;
  /** The call went to the protocol's main route. */
  readonly mainRoute?: boolean;
  /** A limit counted by the day is used up. */
  readonly dailyQuota?: boolean;
  /** Why the rule is there. */
  readonly why: string;
}
