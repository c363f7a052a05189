/** Texts of letters and digits that nobody can guess. @module */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** Random bytes are drawn for many texts at once: a call to the system costs more than a text. */
const pool = new Uint8Array(4096);
let used = pool.length;

/** So many characters of `0-9a-zA-Z`, each as likely as any other. */
export function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    if (used === pool.length) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    const value = (pool[used] ?? 0) & 63;
    // What has become a part of a secret stays nowhere else.
    pool[used++] = 0;
    // 62 and 63 are drawn again, so that every character is equally likely.
    if (value < ALPHABET.length) text += ALPHABET[value];
  }
  return text;
}
