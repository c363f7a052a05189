/** Cuts text as a model would say it: piece by piece, never through a character. @module */

/** Length of a piece, UTF-16 units. */
export const PIECE_LENGTH = 50;
/** A text that would have more pieces has longer ones: each is an event, and costs its readers more than its words. */
export const MOST_PIECES = 1_000;
/** How far the last character of a piece is looked for; longer ones are made to break displays. */
const LONGEST_CHARACTER = 64;

const CHARACTERS = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * The pieces of a text, in order; none of an empty one. What people see as one character stays in one piece.
 *
 * @example
 * ```ts
 * [...textPieces("a".repeat(60))].map(({ length }) => length); // [50, 10]
 * ```
 */
export function* textPieces(text: string): Generator<string> {
  const length = Math.max(PIECE_LENGTH, Math.ceil(text.length / MOST_PIECES));
  for (let start = 0; start < text.length;) {
    const end = endOfPiece(text, start, length);
    yield text.slice(start, end);
    start = end;
  }
}

/** `start` is the start of a character. */
function endOfPiece(text: string, start: number, length: number): number {
  const end = start + length;
  if (end >= text.length) return text.length;
  const ahead = text.slice(start, end + LONGEST_CHARACTER);
  const next = CHARACTERS.segment(ahead).containing(length);
  if (next !== undefined && next.index > 0) return start + next.index;
  const cut = start + ahead.length;
  return isSecondHalf(text.charCodeAt(cut)) ? cut - 1 : cut;
}

/** Whether a UTF-16 unit is the second one of a pair. */
function isSecondHalf(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
