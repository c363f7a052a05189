/** The body of a client's request, read and understood. @module */
import type { ClientCall, GatewayError, ModelPlace } from "../protocols/protocol.ts";
import { type ObjectSpan, scanObject, withoutLongStrings } from "./json_body.ts";
import { boundaryOf, type FormField, MalformedForm, readFormFields } from "./multipart.ts";

/** A JSON object. */
export interface JsonBody {
  readonly kind: "json";
  readonly bytes: Uint8Array;
  /** The same, parsed; only ever looked at. Of a large body the longest strings are left empty: see {@link wholeJson}. */
  readonly json: Record<string, unknown>;
  readonly span: ObjectSpan;
}

/** A form, which may hold files. */
export interface FormBody {
  readonly kind: "form";
  readonly bytes: Uint8Array;
  /** With the boundary. */
  readonly contentType: string;
  /** Its small text fields. */
  readonly fields: readonly FormField[];
}

/** No body at all. */
export interface NoBody {
  readonly kind: "none";
}

/** Any body that an operation takes. */
export type ClientBody = JsonBody | FormBody | NoBody;

/** The body of a request that has none. */
export const NO_BODY: NoBody = { kind: "none" };

/**
 * Reads a body as its operation takes it.
 *
 * @param place where the operation's model stands; an operation whose model stands in a form takes JSON as well
 * @returns what is wrong with it, when it cannot be read
 */
export function understoodBody(
  bytes: Uint8Array,
  contentType: string,
  place: ModelPlace,
): ClientBody | Omit<GatewayError, "traceId"> {
  if (place === "form") {
    try {
      const boundary = boundaryOf(contentType);
      if (boundary !== null) {
        return { kind: "form", bytes, contentType, fields: readFormFields(bytes, boundary) };
      }
    } catch (error) {
      if (!(error instanceof MalformedForm)) throw error;
      return { status: 400, code: "invalid_form", message: error.message };
    }
  }
  return jsonBody(bytes) ??
    (place === "form"
      ? { status: 400, code: "invalid_form", message: "the body is no form; send it as multipart/form-data" }
      : {
        status: 400,
        code: "invalid_json",
        message: "the body is not a JSON object; send the request as JSON",
      });
}

/** What a protocol gets to see of a body. */
export function seenOf(body: ClientBody): Pick<ClientCall, "json" | "form"> {
  switch (body.kind) {
    case "json":
      return { json: body.json, form: NO_FIELDS };
    case "form":
      return { json: {}, form: new Map(body.fields.map(({ name, value }) => [name, value])) };
    case "none":
      return { json: {}, form: NO_FIELDS };
  }
}

const NO_FIELDS: ReadonlyMap<string, string> = new Map();

const decoder = new TextDecoder();

/** A larger body is parsed without its longest strings: nothing in a picture is asked for, and it would be held twice more. */
const LARGE_BODY_BYTES = 1024 * 1024;
const LONG_STRING_BYTES = 64 * 1024;

/** Reads a JSON body. @returns `null` when it is not a JSON object */
export function jsonBody(bytes: Uint8Array): JsonBody | null {
  const shown = bytes.length > LARGE_BODY_BYTES ? withoutLongStrings(bytes, LONG_STRING_BYTES) : bytes;
  const json = parseObject(shown);
  return json === null ? null : { kind: "json", bytes, json, span: scanObject(bytes) };
}

/** All of a body, for the few that must read every word of it. */
export function wholeJson(body: JsonBody): Record<string, unknown> {
  return body.bytes.length > LARGE_BODY_BYTES ? parseObject(body.bytes) ?? body.json : body.json;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(decoder.decode(bytes));
    if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
    return json as Record<string, unknown>;
  } catch {
    return null;
  }
}
