/** Texts sealed with a passphrase, with all that is needed to open them but the passphrase. @module */
import { type Derivation, newDerivation, UnknownDerivation, Vault } from "./vault.ts";

/** A sealed text, as a file can carry it. */
export interface SealedText {
  /** How the key is made of the passphrase. */
  readonly derivation: Derivation;
  readonly text: string;
}

/** What sealed texts are, so that none of another kind opens in their place. */
const CONTEXT = "export.secrets";

/** Seals a text; each time differently. */
export async function sealText(text: string, passphrase: string): Promise<SealedText> {
  const derivation = newDerivation();
  const vault = await Vault.derive(passphrase, derivation);
  return { derivation, text: await vault.seal(text, CONTEXT) };
}

/** Opens a sealed text; `null` = the passphrase is another one, or somebody has changed the text. */
export async function openText(sealed: SealedText, passphrase: string): Promise<string | null> {
  try {
    const vault = await Vault.derive(passphrase, sealed.derivation);
    return await vault.open(sealed.text, CONTEXT);
  } catch (error) {
    if (error instanceof UnknownDerivation) return null;
    throw error;
  }
}
