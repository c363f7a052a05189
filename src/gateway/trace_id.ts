/** Trace ids: ten characters of 0-9a-zA-Z, one for each client request, as llmio writes them. @module */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LENGTH = 10;
/** Random bytes are drawn for many ids at once: a call to the system costs more than the id. */
const pool = new Uint8Array(4096);
let used = pool.length;

/** A new trace id. */
export function newTraceId(): string {
  let id = "";
  while (id.length < LENGTH) {
    if (used === pool.length) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    const value = (pool[used++] ?? 0) & 63;
    // 62 and 63 are drawn again, so that every character is equally likely.
    if (value < ALPHABET.length) id += ALPHABET[value];
  }
  return id;
}
