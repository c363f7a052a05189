/** Secrets that exist nowhere else, and where any eight characters of one turn up. @module */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const RANDOM_LENGTH = 28;
/** As much of a canary is one: a mask shows four. */
const SLICE = 8;

/** Canaries, by what they stand for. */
export class Canaries {
  /** What each slice is of. */
  readonly #slices = new Map<string, string>();

  /** A new one: the prefix, and characters that are random. */
  plant(what: string, prefix = ""): string {
    const random = Array.from(
      crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH)),
      (byte) => ALPHABET.charAt(byte % ALPHABET.length),
    ).join("");
    this.watch(what, random);
    return prefix + random;
  }

  /** From now on this is a canary too: its characters, and its base64 wherever in the encoded text it begins. */
  watch(what: string, random: string): void {
    const spellings = ["", "x", "xx"].map((before) => btoa(before + random).slice(before === "" ? 0 : 4, -4));
    for (const spelling of [random, ...spellings]) {
      for (let at = 0; at + SLICE <= spelling.length; at++) {
        this.#slices.set(spelling.slice(at, at + SLICE), what);
      }
    }
  }

  /** What stands in a text, each with the text around it. */
  in(text: string): string[] {
    const found = new Map<string, string>();
    for (let at = 0; at + SLICE <= text.length; at++) {
      const what = this.#slices.get(text.slice(at, at + SLICE));
      if (what !== undefined && !found.has(what)) {
        found.set(
          what,
          `${what}: …${text.slice(Math.max(0, at - 80), at + 80).replaceAll(/[^\x20-\x7e]/g, " ")}…`,
        );
      }
    }
    return [...found.values()];
  }
}
