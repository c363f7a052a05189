/** Whole generateContent answers as streams, for providers that cannot stream. @module */
import { parseExact } from "../exact_json.ts";
import { asArray, asObject, type JsonObject } from "../json_access.ts";
import { textPieces } from "../text_pieces.ts";

/** The stream as server-sent events. */
export function* writeEvents(text: string): Generator<string> {
  for (const chunk of chunksOf(parseExact(text))) yield `data: ${JSON.stringify(chunk)}\r\n\r\n`;
}

/** The stream as an array, for callers that do not ask for events. */
export function* writeArray(text: string): Generator<string> {
  let before = "[";
  for (const chunk of chunksOf(parseExact(text))) {
    yield `${before}${JSON.stringify(chunk)}`;
    before = "\r\n,\r\n";
  }
  yield before === "[" ? "[]" : "\r\n]";
}

/** A relay that does not know whole answers gives the array of a stream's chunks. */
function* chunksOf(answer: unknown): Generator<JsonObject> {
  if (Array.isArray(answer)) {
    for (const chunk of answer) yield asObject(chunk) ?? {};
    return;
  }
  const { candidates, usageMetadata, ...head } = asObject(answer) ?? {};
  const last = { ...head, ...(usageMetadata !== undefined && { usageMetadata }) };
  const pieces = asArray(candidates).map((each) => [...candidatePieces(asObject(each) ?? {})]).flat();
  if (pieces.length === 0) yield { ...(candidates !== undefined && { candidates }), ...last };
  // Usage comes with the last chunk, when all of it is known.
  for (const [index, piece] of pieces.entries()) {
    yield { candidates: [piece], ...(index === pieces.length - 1 ? last : head) };
  }
}

/** A candidate piece by piece; the last one has all that is said about the whole. */
function* candidatePieces(candidate: JsonObject): Generator<JsonObject> {
  const { content, index, ...about } = candidate;
  const own = index === undefined ? {} : { index };
  const { parts, ...speaker } = asObject(content) ?? {};
  const pieces = asArray(parts).map((each) => [...partPieces(asObject(each) ?? {})]).flat();
  const last = pieces.pop();
  for (const piece of pieces) yield { content: { ...speaker, parts: [piece] }, ...own };
  yield last === undefined ? candidate : { content: { ...speaker, parts: [last] }, ...about, ...own };
}

/** Text comes in pieces. What else a part says, a signature say, comes with the last one; that it is a thought, with each. */
function* partPieces(part: JsonObject): Generator<JsonObject> {
  const { text, thought, ...rest } = part;
  if (typeof text !== "string") {
    yield part;
    return;
  }
  const kind = thought === undefined ? {} : { thought };
  const pieces = [...textPieces(text)];
  const last = pieces.pop() ?? "";
  for (const piece of pieces) yield { text: piece, ...kind };
  yield { text: last, ...kind, ...rest };
}
