/** Settings by key, as llmio keeps them: a name and a text (table `configs`). @module */

/** One setting. */
export interface Config {
  readonly key: string;
  /** JSON text, but nothing here relies on it. */
  readonly value: string;
}
