/** Which model has answered, by the answer's own word. Only traces want to know, so nothing is read without them. @module */

/** The model is named in the first events of a stream; a whole answer that is longer is not worth reading again. */
const MAX_BYTES = 256 * 1024;
const MAX_NAME = 200;

/** The model that an answer names, where it is JSON or begins with events of JSON; `null` = none within reach. */
export function answerModel(pieces: readonly Uint8Array[]): string | null {
  const text = textOf(pieces);
  if (text.trimStart().startsWith("{")) return modelIn(text);
  for (const [, data] of text.matchAll(/^data:(.*)$/gm)) {
    const model = modelIn(data ?? "");
    if (model !== null) return model;
  }
  return null;
}

function textOf(pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  let text = "";
  for (const piece of pieces) {
    if (text.length + piece.length > MAX_BYTES) break;
    text += decoder.decode(piece, { stream: true });
  }
  return text;
}

/** Chat Completions: `model`; Messages: `message.model`; Responses: `response.model`; Gemini: `modelVersion`. */
function modelIn(json: string): string | null {
  const answer = parse(json);
  const names = [
    member(answer, "model"),
    member(answer, "modelVersion"),
    member(member(answer, "message"), "model"),
    member(member(answer, "response"), "model"),
  ];
  for (const name of names) if (typeof name === "string" && name !== "") return name.slice(0, MAX_NAME);
  return null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
