/** Trace ids: ten characters of 0-9a-zA-Z, one for each client request, as llmio writes them. @module */
import { idText } from "../access/random_text.ts";

const LENGTH = 10;

/** A new trace id. */
export function newTraceId(): string {
  return idText(LENGTH);
}
