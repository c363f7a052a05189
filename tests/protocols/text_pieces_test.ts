import assert from "node:assert/strict";
import fc from "fast-check";
import { MOST_PIECES, PIECE_LENGTH, textPieces } from "../../src/protocols/text_pieces.ts";

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });
const count = (text: string) => [...graphemes.segment(text)].length;

Deno.test("textPieces() cuts plain text into pieces of 50, and nothing into none", () => {
  assert.deepEqual([...textPieces("")], []);
  assert.deepEqual([...textPieces("ab")], ["ab"]);
  assert.deepEqual([...textPieces("a".repeat(PIECE_LENGTH))].map((each) => each.length), [50]);
  assert.deepEqual([...textPieces("a".repeat(101))].map((each) => each.length), [50, 50, 1]);
});

Deno.test("textPieces() gives a long text longer pieces instead of more and more of them", () => {
  for (const character of ["a", "👍🏽"]) {
    const text = character.repeat(2_000_000 / character.length);
    const pieces = [...textPieces(text)];
    assert.ok(pieces.join("") === text);
    assert.ok(pieces.every((each) => each.length % character.length === 0));
    // Whole characters make pieces a little shorter.
    assert.ok(pieces.length >= MOST_PIECES && pieces.length < MOST_PIECES * 1.01, String(pieces.length));
  }
});

Deno.test("textPieces() never cuts through what people see as one character", () => {
  const parts = fc.constantFrom("a", "ä", "e\u0301", "👍🏽", "👨‍👩‍👧‍👦", "🇩🇪", "\r\n", "한", "क्षि", "𝒳");
  fc.assert(fc.property(fc.array(parts, { maxLength: 150 }), (given) => {
    const text = given.join("");
    const pieces = [...textPieces(text)];
    assert.equal(pieces.join(""), text);
    assert.equal(pieces.reduce((sum, each) => sum + count(each), 0), count(text));
    for (const piece of pieces) assert.ok(piece.length > 0 && piece.length <= PIECE_LENGTH);
  }));
});

Deno.test("textPieces() keeps every text, and never leaves half a pair, even of an endless character", () => {
  const endless = `x${"\u{1d165}".repeat(400)}`;
  const pieces = [...textPieces(endless)];
  assert.equal(pieces.join(""), endless);
  assert.ok(pieces.every((piece) => piece.isWellFormed()));
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
    assert.equal([...textPieces(text)].join(""), text);
  }));
});
