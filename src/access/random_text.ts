/** Random texts of `0-9a-zA-Z`, every character as likely as any other, from the system's secure source. @module */
import { customAlphabet, customRandom, random } from "nanoid";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A text for a secret, of so many characters. It is drawn when it is wanted: none lies ready in memory. */
export const secretText: (length: number) => string = customRandom(ALPHABET, 0, random);

/** A text for an id, of so many characters. Many are drawn at once: a call to the system costs more than a text. */
export const idText: (length: number) => string = customAlphabet(ALPHABET);
