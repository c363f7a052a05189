/**
 * The probe: a known text that is kept encrypted in the file. It tells a wrong secret from a right one, and whether the
 * file may still hold remnants of texts that were replaced.
 *
 * @module
 */
import { type Derivation, UnknownDerivation, Vault } from "../access/vault.ts";
import type { Encryption } from "./encryption.ts";
import { StoreOpenError } from "./errors.ts";

/**
 * `clean`: what is encrypted stands nowhere in plain. `remnants`: texts were replaced, and the file is to be rewritten
 * so that nothing of the old ones is left in pages that are not in use.
 */
export type ProbeState = "clean" | "remnants";

const CONTEXT = "encryption.probe";
const TEXTS: Readonly<Record<ProbeState, string>> = { clean: "llmio", remnants: "llmio remnants" };

/** The key of a file. */
export interface Unlocked {
  readonly vault: Vault;
  readonly encryption: Encryption;
  readonly state: ProbeState;
}

/** Makes the row of a file whose texts are encrypted with this vault. */
export async function encryptionOf(
  vault: Vault,
  { version, salt, iterations }: Derivation,
  state: ProbeState,
): Promise<Encryption> {
  return { version, salt, iterations, probe: await vault.seal(TEXTS[state], CONTEXT) };
}

/**
 * Derives the key of an encrypted file.
 *
 * @param path Names the file in errors.
 * @returns `null` when the secret is not the one that the file is encrypted with.
 * @throws {StoreOpenError} when this program cannot know.
 */
export async function unlock(path: string, encryption: Encryption, secret: string): Promise<Unlocked | null> {
  try {
    const vault = await Vault.derive(secret, encryption);
    const text = await vault.open(encryption.probe, CONTEXT);
    if (text === null) return null;
    return { vault, encryption, state: text === TEXTS.clean ? "clean" : "remnants" };
  } catch (error) {
    if (!(error instanceof UnknownDerivation)) throw error;
    throw new StoreOpenError(
      `${path} is encrypted ${error.message}: use the version of llmio that encrypted it or a newer one, or a backup`,
    );
  }
}
