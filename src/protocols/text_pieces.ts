/** Cuts text as a model would say it: piece by piece, never through a character. @module */

/** Length of a piece, UTF-16 units. */
export const PIECE_LENGTH = 50;
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
  for (let start = 0; start < text.length;) {
    const end = endOfPiece(text, start);
    yield text.slice(start, end);
    start = end;
  }
}

/** `start` is the start of a character. */
function endOfPiece(text: string, start: number): number {
  const end = start + PIECE_LENGTH;
  if (end >= text.length) return text.length;
  const ahead = text.slice(start, end + LONGEST_CHARACTER);
  const next = CHARACTERS.segment(ahead).containing(PIECE_LENGTH);
  if (next !== undefined && next.index > 0) return start + next.index;
  const cut = start + ahead.length;
  return isSecondHalf(text.charCodeAt(cut)) ? cut - 1 : cut;
}

/** Whether a UTF-16 unit is the second one of a pair. */
function isSecondHalf(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
