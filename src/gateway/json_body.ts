/**
 * Edits JSON text in place of its bytes, so that everything the caller wrote stays as it was written.
 *
 * Parsing and printing a body would reorder digit-like keys, round big integers and drop duplicate members, so
 * the gateway never does it: it finds the bytes of a value and splices others in (DESIGN.md, section 7). All
 * functions here expect bytes that `JSON.parse` has accepted; on such input they never fail.
 *
 * @module
 */

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d, OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One member of an object, as byte offsets. */
export interface Member {
  /** The name, with escapes resolved. */
  readonly name: string;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** The members of one object and where its closing brace stands. */
export interface ObjectSpan {
  readonly members: readonly Member[];
  /** Offset of `}`. */
  readonly close: number;
}

/** Bytes to put in place of `[start, end)`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** The members of the object that begins at or after `at` (white space and a byte order mark are skipped). */
export function scanObject(bytes: Uint8Array, at = 0): ObjectSpan {
  const members: Member[] = [];
  let i = skipBlanks(bytes, at) + 1; // past "{"
  for (;;) {
    i = skipBlanks(bytes, i);
    if (bytes[i] === CLOSE_BRACE || i >= bytes.length) return { members, close: i };
    if (bytes[i] === COMMA) i = skipBlanks(bytes, i + 1);
    const nameStart = i;
    i = skipString(bytes, i);
    const name = decodeName(bytes, nameStart, i);
    i = skipBlanks(bytes, i); // now at ":"
    const valueStart = skipBlanks(bytes, bytes[i] === COLON ? i + 1 : i);
    i = skipValue(bytes, valueStart);
    members.push({ name, valueStart, valueEnd: i });
  }
}

/**
 * The same text with every string over `limit` bytes left empty, so that a body of many megabytes can be understood
 * without holding its pictures three times. Unlike the rest here it takes any bytes: what is no JSON stays none.
 */
export function withoutLongStrings(bytes: Uint8Array, limit: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const keep = (from: number, to: number) => {
    pieces.push(bytes.subarray(from, to));
    length += to - from;
  };
  let from = 0;
  for (let at = bytes.indexOf(QUOTE); at !== -1;) {
    const end = skipString(bytes, at);
    if (end - at > limit) {
      keep(from, at + 1);
      from = end - 1;
    }
    at = bytes.indexOf(QUOTE, end);
  }
  if (from === 0) return bytes;
  keep(from, bytes.length);
  const out = new Uint8Array(length);
  let to = 0;
  for (const piece of pieces) {
    out.set(piece, to);
    to += piece.length;
  }
  return out;
}

/** Applies splices, which may be in any order but must not overlap, in one copy. */
export function applySplices(bytes: Uint8Array, splices: readonly Splice[]): Uint8Array<ArrayBuffer> {
  const ordered = splices.length < 2 ? splices : [...splices].sort((a, b) => a.start - b.start);
  let length = bytes.length;
  for (const s of ordered) length += s.bytes.length - (s.end - s.start);
  const out = new Uint8Array(length);
  let from = 0, to = 0;
  for (const s of ordered) {
    out.set(bytes.subarray(from, s.start), to);
    to += s.start - from;
    out.set(s.bytes, to);
    to += s.bytes.length;
    from = s.end;
  }
  out.set(bytes.subarray(from), to);
  return out;
}

/**
 * The splices that make `name` of an object stand for `json`: every member of that name is replaced (a name can
 * occur twice, and readers differ in which one they believe), or one is added at the end.
 */
export function setMember(object: ObjectSpan, name: string, json: string): Splice[] {
  const value = encoder.encode(json);
  const splices: Splice[] = [];
  for (const member of object.members) {
    if (member.name === name) {
      splices.push({ start: member.valueStart, end: member.valueEnd, bytes: value });
    }
  }
  return splices.length > 0 ? splices : [appendMember(object, name, json)];
}

/** The splice that adds a member at the end of an object. Two of them must not be applied in one go. */
export function appendMember(object: ObjectSpan, name: string, json: string): Splice {
  const separator = object.members.length > 0 ? "," : "";
  const bytes = encoder.encode(`${separator}${JSON.stringify(name)}:${json}`);
  return { start: object.close, end: object.close, bytes };
}

/** The same object, from its first byte on, without any member of this name. */
export function withoutMember(bytes: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  let rest = bytes;
  for (;;) {
    const { members } = scanObject(rest);
    const index = members.findIndex((member) => member.name === name);
    const found = members[index];
    if (found === undefined) return rest;
    const before = members[index - 1];
    const start = before?.valueEnd ?? rest.indexOf(OPEN_BRACE) + 1;
    // The first member takes the comma behind it along, any other the one before it.
    const isAlone = before === undefined && members.length === 1;
    const end = before !== undefined || isAlone ? found.valueEnd : rest.indexOf(COMMA, found.valueEnd) + 1;
    rest = applySplices(rest, [{ start, end, bytes: new Uint8Array(0) }]);
  }
}

/**
 * Sets the value at a path, as llmio's `extra_body` writes paths: `a.b` is a nested member, a number an array
 * index, `-1` appends, `\` escapes a dot. What is missing on the way is created; a scalar on the way is replaced.
 */
export function setPath(bytes: Uint8Array, path: string, json: string): Uint8Array<ArrayBuffer> {
  const steps = parsePath(path);
  return applySplices(bytes, [...pathSplices(bytes, 0, steps, json)]);
}

/** Where the values at a path stand; `*` is each item of an array. What is missing on the way has none. */
export function valuesAt(bytes: Uint8Array, path: readonly string[], at = 0): Omit<Splice, "bytes">[] {
  const [step, ...rest] = path;
  const start = skipBlanks(bytes, at);
  if (step === undefined) return [{ start, end: skipValue(bytes, start) }];
  let next: readonly number[] = [];
  if (step === "*" && bytes[start] === OPEN_BRACKET) {
    next = scanArray(bytes, start).items.map((item) => item.start);
  } else if (bytes[start] === OPEN_BRACE) {
    next = scanObject(bytes, start).members.filter(({ name }) => name === step).map((each) =>
      each.valueStart
    );
  }
  return next.flatMap((each) => valuesAt(bytes, rest, each));
}

/** The steps of a path; never empty. */
export function parsePath(path: string): string[] {
  const steps: string[] = [];
  let step = "";
  for (let i = 0; i < path.length; i++) {
    if (path[i] === "\\" && i + 1 < path.length) step += path[++i];
    else if (path[i] === ".") {
      steps.push(step);
      step = "";
    } else step += path[i];
  }
  steps.push(step);
  return steps;
}

function* pathSplices(
  bytes: Uint8Array,
  at: number,
  steps: readonly string[],
  json: string,
): Generator<Splice> {
  const [step = "", ...rest] = steps;
  const start = skipBlanks(bytes, at);
  if (bytes[start] === OPEN_BRACE) {
    const object = scanObject(bytes, start);
    const found = object.members.filter((member) => member.name === step);
    if (found.length === 0) yield appendMember(object, step, nest(rest, json));
    for (const member of found) {
      if (rest.length === 0 || !isContainer(bytes, member.valueStart)) {
        yield { start: member.valueStart, end: member.valueEnd, bytes: encoder.encode(nest(rest, json)) };
      } else yield* pathSplices(bytes, member.valueStart, rest, json);
    }
    return;
  }
  if (bytes[start] !== OPEN_BRACKET) return;
  const { items, close } = scanArray(bytes, start);
  const index = step === "-1" ? items.length : Number(step);
  const item = Number.isInteger(index) ? items[index] : undefined;
  if (item === undefined) {
    const separator = items.length > 0 ? "," : "";
    yield { start: close, end: close, bytes: encoder.encode(separator + nest(rest, json)) };
  } else if (rest.length === 0 || !isContainer(bytes, item.start)) {
    yield { start: item.start, end: item.end, bytes: encoder.encode(nest(rest, json)) };
  } else yield* pathSplices(bytes, item.start, rest, json);
}

/** `json` wrapped in the objects (or one-element arrays, for `-1` and `0`) that the steps ask for. */
function nest(steps: readonly string[], json: string): string {
  return steps.reduceRight(
    (inner, step) => step === "-1" || step === "0" ? `[${inner}]` : `{${JSON.stringify(step)}:${inner}}`,
    json,
  );
}

function isContainer(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === OPEN_BRACE || bytes[at] === OPEN_BRACKET;
}

function scanArray(
  bytes: Uint8Array,
  at: number,
): { items: { start: number; end: number }[]; close: number } {
  const items: { start: number; end: number }[] = [];
  let i = at + 1;
  for (;;) {
    i = skipBlanks(bytes, i);
    if (bytes[i] === CLOSE_BRACKET || i >= bytes.length) return { items, close: i };
    const start = bytes[i] === COMMA ? skipBlanks(bytes, i + 1) : i;
    i = skipValue(bytes, start);
    items.push({ start, end: i });
  }
}

function decodeName(bytes: Uint8Array, start: number, end: number): string {
  const text = decoder.decode(bytes.subarray(start, end));
  return text.includes("\\") ? JSON.parse(text) as string : text.slice(1, -1);
}

/** Offset of the first byte that is neither white space nor part of a leading byte order mark. */
function skipBlanks(bytes: Uint8Array, at: number): number {
  let i = at;
  if (i === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) i = 3;
  for (; i < bytes.length; i++) {
    const b = bytes[i];
    if (b !== 0x20 && b !== 0x0a && b !== 0x0d && b !== 0x09) break;
  }
  return i;
}

/** Offset just past the string that begins at `at`. Long strings are crossed with native searches. */
function skipString(bytes: Uint8Array, at: number): number {
  let i = at;
  for (;;) {
    i = bytes.indexOf(QUOTE, i + 1);
    if (i === -1) return bytes.length;
    let slashes = 0;
    while (bytes[i - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return i + 1;
  }
}

/** Offset just past the value that begins at `at`. */
function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  let i = at;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (; i < bytes.length; i++) {
      const b = bytes[i];
      if (
        b === COMMA || b === CLOSE_BRACE || b === CLOSE_BRACKET || b === 0x20 || b === 0x0a || b === 0x0d ||
        b === 0x09
      ) break;
    }
    return i;
  }
  let depth = 0;
  while (i < bytes.length) {
    const b = bytes[i];
    if (b === QUOTE) {
      i = skipString(bytes, i);
      continue;
    }
    if (b === OPEN_BRACE || b === OPEN_BRACKET) depth++;
    else if (b === CLOSE_BRACE || b === CLOSE_BRACKET) depth--;
    i++;
    if (depth === 0) return i;
  }
  return i;
}
