/** What an operator does with an encrypted file while no gateway uses it. @module */
import { newDerivation, Vault } from "../access/vault.ts";
import { type Changed, changeEncryption, readFileState, removeRemnants } from "./encryption_change.ts";
import { type Encryption, openText, PLACES } from "./encryption.ts";
import { noSecret, wrongSecret } from "./encryption_open.ts";
import { encryptionOf, unlock, type Unlocked } from "./encryption_probe.ts";
import type { CredentialText } from "./encryption_rows.ts";
import { messageOf, StoreOpenError } from "./errors.ts";

/** What is known of a file. */
export interface EncryptionStatus {
  /** `null` = the file is not encrypted, and the rest says nothing. */
  readonly encryption: Encryption | null;
  /** Encrypted texts. */
  readonly sealed: number;
  /** Texts that another program has written in plain since. */
  readonly plain: number;
  /** Whether the secret is the right one; `null` = none was given. */
  readonly fits: boolean | null;
  /** Texts that do not open with the right secret, named for people. */
  readonly damaged: readonly string[];
}

/** What a rotation has done. */
export interface Rotated extends Changed {
  /** The file was encrypted with the new secret already, by a rotation whose end was not seen. */
  readonly already: boolean;
  /** Why the file may still hold remnants under the old secret; `null` = it holds none. */
  readonly remnants: string | null;
}

/** Looks at a file and changes nothing. @throws {StoreOpenError} */
export async function encryptionStatus(path: string, secret: string | null): Promise<EncryptionStatus> {
  const { encryption, texts, plain } = readFileState(path);
  const sealed = texts.filter(({ place, text }) => PLACES[place].sealedIn(text) !== null);
  const status = { encryption, sealed: sealed.length, plain, fits: null, damaged: [] };
  if (encryption === null || secret === null) return status;
  const unlocked = await unlock(path, encryption, secret);
  if (unlocked === null) return { ...status, fits: false };
  return { ...status, fits: true, damaged: await damagedAmong(sealed, unlocked.vault) };
}

/**
 * Encrypts a file with another secret. Done again after it was interrupted, it ends what is left to do.
 *
 * @throws {StoreOpenError} The file is then as it was.
 */
export async function rotateSecret(path: string, secret: string, replacement: string): Promise<Rotated> {
  const { encryption } = readFileState(path);
  if (encryption === null) throw new StoreOpenError(notEncrypted(path));
  const unlocked = await unlock(path, encryption, secret);
  if (unlocked === null) {
    const done = await unlock(path, encryption, replacement);
    if (done === null) throw new StoreOpenError(wrongSecret(path));
    return { count: 0, damaged: [], already: true, remnants: await removed(path, done) };
  }
  const derivation = newDerivation();
  const vault = await Vault.derive(replacement, derivation);
  const next: Unlocked = {
    vault,
    encryption: await encryptionOf(vault, derivation, "remnants"),
    state: "remnants",
  };
  const changed = await changeEncryption(path, { from: unlocked, to: next });
  return { ...changed, already: false, remnants: await removed(path, next) };
}

/** Puts plain texts back. @throws {StoreOpenError} The file is then as it was. */
export async function removeEncryption(path: string, secret: string | null): Promise<Changed> {
  const { encryption } = readFileState(path);
  if (encryption === null) throw new StoreOpenError(notEncrypted(path));
  if (secret === null) throw new StoreOpenError(noSecret(path));
  const unlocked = await unlock(path, encryption, secret);
  if (unlocked === null) throw new StoreOpenError(wrongSecret(path));
  return await changeEncryption(path, { from: unlocked, to: null });
}

/** What to say of a file that is plain. */
export function notEncrypted(path: string): string {
  return `${path} is not encrypted; to encrypt it, start the gateway with LLMIO_SECRET`;
}

async function removed(path: string, unlocked: Unlocked): Promise<string | null> {
  if (unlocked.state === "clean") return null;
  try {
    await removeRemnants(path, unlocked);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function damagedAmong(texts: readonly CredentialText[], vault: Vault): Promise<string[]> {
  const opened = await Promise.all(texts.map(({ place, text }) => openText(vault, PLACES[place], text)));
  return texts.filter((_text, index) => opened[index] === null).map(({ label }) => label);
}
