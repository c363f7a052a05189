/** The body of a client's request, read and understood. @module */
import { type ObjectSpan, scanObject } from "./json_body.ts";

/** A JSON object. */
export interface JsonBody {
  readonly kind: "json";
  readonly bytes: Uint8Array;
  /** The same, parsed; only ever looked at. */
  readonly json: Record<string, unknown>;
  readonly span: ObjectSpan;
}

/** No body at all. */
export interface NoBody {
  readonly kind: "none";
}

/** Any body that an operation takes. */
export type ClientBody = JsonBody | NoBody;

const decoder = new TextDecoder();

/** Reads a JSON body. @returns `null` when it is not a JSON object */
export function jsonBody(bytes: Uint8Array): JsonBody | null {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return null;
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
  return { kind: "json", bytes, json: json as Record<string, unknown>, span: scanObject(bytes) };
}
