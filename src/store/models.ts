/** Models: the public names that clients ask for (table `models`). @module */

/** What an operator sets on a model. */
export interface ModelFields {
  name: string;
  remark: string;
  /** Attempts in total, the first one included. */
  maxRetry: number;
  /** Seconds that an attempt may take until its answer begins (a stream: a third of it); 0 = no limit. */
  timeOutSeconds: number;
  /** Seconds that a stream may take until its first output; 0 = as long as `timeOutSeconds` allows. */
  firstTokenTimeoutSeconds: number;
  /** Balancing strategy; unknown values of older rows act as `lottery`. */
  strategy: string;
  /** Circuit breaker on. */
  breaker: boolean;
}

/** A live row of `models`. */
export interface Model extends ModelFields {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  /** Larger is shown first. */
  displayOrder: number;
}

/** Which models to list; a missing field does not filter. */
export interface ModelFilter {
  /** Part of the name, ASCII case-insensitive. */
  search?: string;
  strategy?: string;
}
