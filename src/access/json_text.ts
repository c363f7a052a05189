/**
 * JSON text with the places of its values, so that a value can be exchanged and everything else stays as it was typed.
 *
 * Printing a parsed object anew would reorder digit-like names, round big numbers and lose the operator's layout.
 *
 * @module
 */

/** A value and where its text stands. */
export type JsonNode =
  & {
    readonly start: number;
    /** Just past the value's last character. */
    readonly end: number;
  }
  & (
    | { readonly kind: "object"; readonly members: readonly JsonMember[] }
    | { readonly kind: "array"; readonly items: readonly JsonNode[] }
    | { readonly kind: "scalar"; readonly value: string | number | boolean | null }
  );

/** One member of an object. A name can occur twice; readers believe the last. */
export interface JsonMember {
  readonly name: string;
  readonly value: JsonNode;
}

/** An object with the places of its members. */
export type JsonObjectNode = Extract<JsonNode, { kind: "object" }>;

/** Text to put in place of `[start, end)`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Deeper nesting than this is refused: no config needs it, and recursion has an end. */
const MAX_DEPTH = 64;

const TOKEN = /\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s{}[\]:,"]+)/gy;

/** Parses an object; `null` when the text is not JSON, not an object or nested too deep. */
export function parseJsonObject(text: string): JsonObjectNode | null {
  try {
    JSON.parse(text);
    const node = new Reader(text).value(0);
    return node.kind === "object" ? node : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Applies edits, which may be in any order but must not overlap. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let out = "", from = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    out += text.slice(from, edit.start) + edit.text;
    from = edit.end;
  }
  return out + text.slice(from);
}

/** The edit that adds members, given as JSON text, at the end of an object. */
export function appendMembers(
  object: JsonObjectNode,
  members: readonly { name: string; json: string }[],
): TextEdit {
  const added = members.map(({ name, json }) => `${JSON.stringify(name)}:${json}`).join(",");
  const separator = object.members.length > 0 && added !== "" ? "," : "";
  return { start: object.end - 1, end: object.end - 1, text: separator + added };
}

/** Gives every member of this name at the top of an object a new text value; other text stays. */
export function setTextMember(text: string, name: string, value: string): string {
  const members = parseJsonObject(text)?.members ?? [];
  const edits = members.filter((member) => member.name === name && !isScalar(member.value, value))
    .map((member) => ({ start: member.value.start, end: member.value.end, text: JSON.stringify(value) }));
  return applyEdits(text, edits);
}

function isScalar(node: JsonNode, value: string): boolean {
  return node.kind === "scalar" && node.value === value;
}

/** Recursive descent over text that `JSON.parse` has accepted, so it meets no faults but depth. */
class Reader {
  #at = 0;

  constructor(readonly text: string) {}

  value(depth: number): JsonNode {
    if (depth > MAX_DEPTH) throw new SyntaxError("nested too deep");
    const { token, start, end } = this.#next();
    if (token === "{") return this.#object(start, depth);
    if (token === "[") return this.#array(start, depth);
    return { kind: "scalar", value: JSON.parse(token), start, end };
  }

  #object(start: number, depth: number): JsonNode {
    const members: JsonMember[] = [];
    for (;;) {
      const { token, end } = this.#next();
      if (token === "}") return { kind: "object", members, start, end };
      if (token === ",") continue;
      this.#next(); // ":"
      members.push({ name: JSON.parse(token), value: this.value(depth + 1) });
    }
  }

  #array(start: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    for (;;) {
      const before = this.#at;
      const { token, end } = this.#next();
      if (token === "]") return { kind: "array", items, start, end };
      if (token === ",") continue;
      this.#at = before;
      items.push(this.value(depth + 1));
    }
  }

  #next(): { token: string; start: number; end: number } {
    TOKEN.lastIndex = this.#at;
    const token = TOKEN.exec(this.text)?.[1];
    if (token === undefined) throw new SyntaxError("unexpected end");
    this.#at = TOKEN.lastIndex;
    return { token, start: this.#at - token.length, end: this.#at };
  }
}
