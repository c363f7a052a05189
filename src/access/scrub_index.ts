/** Finds many known secrets in a text, in one pass. @module */
import { MASK } from "./secrets.ts";

/** A shorter secret would be part of ordinary words. */
const SECRET_FROM = 4;
/** As much of a secret at the end of a text that was cut off is taken for one. */
const CUT_SECRET_FROM = 6;
/** Other spellings of a secret count from here on: a short one would be part of ordinary words. */
const SPELLING_FROM = 8;
/** By so many first characters nearly all places of a text are passed over. */
const HEAD = SECRET_FROM;

/** Known secrets, in all spellings, sorted so that the place of any text among them is found in a few steps. */
export class SecretIndex {
  readonly #sorted: readonly string[];
  /** For each spelling, the longest other one that it begins with; -1 = none. */
  readonly #shorter: Int32Array;
  /** Hashes of the first characters that any spelling has. */
  readonly #heads = new Uint8Array(0x10000);
  readonly #longest: number;

  constructor(secrets: Iterable<string>) {
    const all = new Set<string>();
    for (const secret of secrets) {
      if (secret.length < SECRET_FROM) continue;
      for (const spelling of spellingsOf(secret)) all.add(spelling);
    }
    this.#sorted = [...all].sort();
    this.#shorter = prefixesAmong(this.#sorted);
    this.#longest = this.#sorted.reduce((longest, { length }) => Math.max(longest, length), 0);
    for (const spelling of this.#sorted) this.#heads[headAt(spelling, 0)] = 1;
  }

  /** The text with {@linkcode MASK} in place of each secret, also of one that the end of the text cuts off. */
  without(text: string): string {
    if (this.#sorted.length === 0 || text.length < SECRET_FROM) return text;
    let clean = "";
    let from = 0;
    for (let at = 0; at + HEAD <= text.length;) {
      const length = this.#heads[headAt(text, at)] === 1 ? this.#lengthAt(text, at) : 0;
      if (length === 0) at++;
      else {
        clean += text.slice(from, at) + MASK;
        at = from = at + length;
      }
    }
    return clean + text.slice(from);
  }

  /** Of the longest secret that stands here, or of all that the end of the text has left of one; 0 = there is none. */
  #lengthAt(text: string, at: number): number {
    const here = text.slice(at, at + this.#longest);
    const after = this.#placeOf(here);
    // What the text begins with comes before it in order, and whatever stands between the two begins with it too.
    for (let index = after - 1; index >= 0; index = this.#shorter[index] ?? -1) {
      const spelling = this.#sorted[index] ?? "";
      if (here.startsWith(spelling)) return spelling.length;
    }
    const isEnd = at + here.length === text.length && here.length >= CUT_SECRET_FROM;
    return isEnd && this.#sorted[after]?.startsWith(here) === true ? here.length : 0;
  }

  /** How many spellings come before a text in order, or are it. */
  #placeOf(text: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? "") <= text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function headAt(text: string, at: number): number {
  return (((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) * 31 +
    text.charCodeAt(at + 3)) & 0xffff;
}

function prefixesAmong(sorted: readonly string[]): Int32Array {
  const shorter = new Int32Array(sorted.length).fill(-1);
  const open: number[] = [];
  sorted.forEach((spelling, index) => {
    while (open.length > 0 && !spelling.startsWith(sorted[open.at(-1) ?? 0] ?? "")) open.pop();
    shorter[index] = open.at(-1) ?? -1;
    open.push(index);
  });
  return shorter;
}

/** As it is, in a URL, in JSON, and in base64 wherever in the encoded text it begins. */
function spellingsOf(secret: string): string[] {
  const spellings = [secret, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1)];
  if (secret.length >= SPELLING_FROM) spellings.push(...base64Of(secret));
  return spellings;
}

const encoder = new TextEncoder();

/**
 * Three bytes become four characters, so it depends on what stands before a secret how it looks, `user:` in a
 * `Basic` credential say. Characters that its neighbours have a part in are left out.
 */
function base64Of(secret: string): string[] {
  const bytes = encoder.encode(secret);
  return [0, 1, 2].flatMap((before) => {
    const padded = new Uint8Array(before + bytes.length);
    padded.set(bytes, before);
    const whole = Math.floor(padded.length * 8 / 6);
    const text = padded.toBase64().slice(Math.ceil(before * 8 / 6), whole);
    return text.length < SPELLING_FROM ? [] : [text, text.replaceAll("+", "-").replaceAll("/", "_")];
  });
}
