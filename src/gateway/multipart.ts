/**
 * Reads `multipart/form-data` as far as routing needs it: where each part stands, and the text of small fields. Files
 * are never looked at, and all bytes go on as they came (RFC 7578, RFC 2046 section 5.1).
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** One text field. */
export interface FormField {
  readonly name: string;
  readonly value: string;
  /** Offsets of its value in the body. */
  readonly start: number;
  readonly end: number;
}

/** Why a form cannot be read. */
export class MalformedForm extends Error {
  override readonly name = "MalformedForm";
}

/** A text field that is longer is not read; none that routing needs is. */
const FIELD_BYTES = 8 * 1024;
/** A form of more parts is no form. */
const MAX_PARTS = 1_000;
/** Longest head of a part; file names are the longest thing in it. */
const HEAD_BYTES = 16 * 1024;

const DASH = 0x2d, CR = 0x0d, LF = 0x0a, SPACE = 0x20, TAB = 0x09;
const decoder = new TextDecoder();

/**
 * The boundary that a `content-type` names.
 *
 * @returns `null` when the type is none of `multipart/form-data`
 * @throws {MalformedForm} when it is, but names no usable boundary
 */
export function boundaryOf(contentType: string): string | null {
  if (!/^\s*multipart\/form-data\s*(;|$)/i.test(contentType)) return null;
  const match = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(contentType);
  const boundary = match?.[1]?.replace(/\\(.)/g, "$1") ?? match?.[2] ?? "";
  // RFC 2046 allows 70 characters; some clients take more.
  if (boundary === "" || boundary.length > 256) {
    throw new MalformedForm("content-type names no boundary of the form's parts");
  }
  return boundary;
}

/** The small text fields of a form, in their order. @throws {MalformedForm} */
export function readFormFields(bytes: Uint8Array, boundary: string): FormField[] {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const delimiter = Buffer.from(`\r\n--${boundary}`, "utf8");
  const fields: FormField[] = [];
  let at = firstDelimiter(body, delimiter);
  for (let parts = 0;; parts++) {
    const afterDelimiter = at + delimiter.length;
    if (body[afterDelimiter] === DASH && body[afterDelimiter + 1] === DASH) return fields;
    if (parts === MAX_PARTS) throw new MalformedForm(`the form has more than ${MAX_PARTS} parts`);
    const headStart = endOfLine(body, afterDelimiter);
    const start = endOfHead(body, headStart);
    const end = body.indexOf(delimiter, start - 2);
    if (end === -1) throw new MalformedForm("the form is not complete: its closing boundary is missing");
    const name = textFieldName(decoder.decode(body.subarray(headStart, start)));
    const valueEnd = Math.max(start, end);
    if (name !== null && valueEnd - start <= FIELD_BYTES) {
      fields.push({ name, value: decoder.decode(body.subarray(start, valueEnd)), start, end: valueEnd });
    }
    at = end;
  }
}

/** Offset of the first delimiter, as if a line end stood before it. */
function firstDelimiter(body: Buffer, delimiter: Buffer): number {
  const dashBoundary = delimiter.subarray(2);
  if (body.subarray(0, dashBoundary.length).equals(dashBoundary)) return -2;
  const at = body.indexOf(delimiter);
  if (at === -1) throw new MalformedForm("the body does not hold the boundary that content-type names");
  return at;
}

/** Past the end of a delimiter's line, which may be padded with blanks. */
function endOfLine(body: Buffer, from: number): number {
  let i = from;
  while (body[i] === SPACE || body[i] === TAB) i++;
  if (body[i] === CR && body[i + 1] === LF) return i + 2;
  throw new MalformedForm("a boundary of the form is not followed by a line end");
}

const BLANK_LINE = Buffer.from("\r\n\r\n");

/** Past the blank line that ends a part's head. */
function endOfHead(body: Buffer, from: number): number {
  // A head may be empty: then the blank line is all there is.
  if (body[from] === CR && body[from + 1] === LF) return from + 2;
  const at = body.subarray(from, from + HEAD_BYTES).indexOf(BLANK_LINE);
  if (at === -1) throw new MalformedForm("a part of the form has no end of its head");
  return from + at + BLANK_LINE.length;
}

/** The name of a field; `null` for files and for parts without a name. */
function textFieldName(head: string): string | null {
  const disposition = /^content-disposition\s*:\s*form-data\s*((?:;[^\r\n]*)?)$/im.exec(head)?.[1] ?? "";
  if (/;\s*filename\*?\s*=/i.test(disposition.replace(/"(?:[^"\\]|\\.)*"/g, '""'))) return null;
  const match = /;\s*name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(disposition);
  return match?.[1]?.replace(/\\(.)/g, "$1") ?? match?.[2] ?? null;
}
