/** Opens the store of a gateway with the secret that it was given. @module */
import { basename, dirname } from "node:path";
import { newDerivation, Vault } from "../access/vault.ts";
import { encryptedStore } from "./encrypted_store.ts";
import { type Change, changeEncryption, peekEncryption } from "./encryption_change.ts";
import { encryptionOf, unlock, type Unlocked } from "./encryption_probe.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { openStore, type OpenStoreOptions } from "./open.ts";
import type { Store } from "./store.ts";

/** How to open the store. */
export interface OpenEncryptedOptions extends OpenStoreOptions {
  /** What credentials in the file are encrypted with; `null` = they are not. */
  readonly secret: string | null;
  /** Takes warnings for the operator's log, one line each. */
  readonly warn: (line: string) => void;
}

/**
 * Opens the store. With a secret, credentials in the file are encrypted: those of a file that is plain at once, for which
 * nobody else may have it open. A database in memory has nothing at rest and stays plain.
 *
 * @throws {StoreOpenError} as `openStore()`, and when the secret is missing or not the one of the file.
 */
export async function openEncryptedStore(options: OpenEncryptedOptions): Promise<Store> {
  const { path, secret } = options;
  if (path === ":memory:") return await openStore(options);
  const early = secret === null ? null : unlockEarly(path, secret);
  const store = await openStore(options);
  try {
    const encryption = await store.encryption.get();
    if (encryption === null) {
      return secret === null ? store : await encryptFirst(store, secret, options);
    }
    if (secret === null) throw new StoreOpenError(noSecret(path));
    const guess = await early;
    const unlocked = guess?.encryption.probe === encryption.probe
      ? guess
      : await unlock(path, encryption, secret);
    if (unlocked === null) throw new StoreOpenError(wrongSecret(path));
    return encryptedStore(await tidied(store, unlocked, options), unlocked.vault, options.warn);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Deriving the key takes longer than opening the store, so it begins before that. `null` = no key yet; whatever the
 * reason is, opening the store comes upon it too.
 */
async function unlockEarly(path: string, secret: string): Promise<Unlocked | null> {
  try {
    const encryption = peekEncryption(path);
    return encryption === null ? null : await unlock(path, encryption, secret);
  } catch {
    return null;
  }
}

/** What to say when a file is encrypted and there is no secret. */
export function noSecret(path: string): string {
  return `${path} is encrypted and no secret is given: set LLMIO_SECRET or LLMIO_SECRET_FILE to the secret that it ` +
    "was encrypted with";
}

/** What to say when the secret is another one. */
export function wrongSecret(path: string): string {
  return `the secret given is not the one that ${path} is encrypted with: set LLMIO_SECRET or LLMIO_SECRET_FILE to ` +
    "that one";
}

async function encryptFirst(store: Store, secret: string, options: OpenEncryptedOptions): Promise<Store> {
  const { path, notice, warn } = options;
  const derivation = newDerivation();
  const [vault] = await Promise.all([Vault.derive(secret, derivation), store.close()]);
  const encryption = await encryptionOf(vault, derivation, "remnants");
  const { count } = await changeEncryption(path, { from: null, to: { vault, encryption } });
  notice?.(
    `encrypted ${count} stored credentials in ${path}; from now on it opens only with this secret, so keep a copy`,
  );
  const copies = await plainCopies(path);
  if (copies.length > 0) {
    warn(
      `older copies of ${path} hold its credentials in plain text: ${
        copies.join(", ")
      }; remove them when you no ` +
        "longer need them",
    );
  }
  const unlocked: Unlocked = { vault, encryption, state: "remnants" };
  return encryptedStore(await rewritten(unlocked, options), vault, warn);
}

/** The backups that migrations have made beside the file. */
async function plainCopies(path: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(dirname(path)), ({ name }) => name);
  return names.filter((name) => name.startsWith(`${basename(path)}.backup-`)).sort();
}

/** Encrypts what other programs have written in plain, and ends a rewriting that could not be done before. */
async function tidied(store: Store, unlocked: Unlocked, options: OpenEncryptedOptions): Promise<Store> {
  const { path, warn } = options;
  const hasPlain = await store.encryption.plainTexts() > 0;
  if (!hasPlain && unlocked.state === "clean") return store;
  await store.close();
  if (!hasPlain) return await rewritten(unlocked, options);
  try {
    const encryption = await encryptionOf(unlocked.vault, unlocked.encryption, "remnants");
    const change: Change = { from: unlocked, to: { vault: unlocked.vault, encryption } };
    await changeEncryption(path, change);
    warn(`another program had written credentials to ${path} in plain text; they are encrypted now`);
    return await rewritten({ ...unlocked, encryption }, options);
  } catch (error) {
    warn(`${path} holds credentials in plain text that another program has written: ${messageOf(error)}`);
    return await openStore(options);
  }
}

/** Opens a file anew after rewriting it, so that nothing of what was replaced is left in pages not in use. */
async function rewritten({ vault, encryption }: Unlocked, options: OpenEncryptedOptions): Promise<Store> {
  const { path, notice, warn } = options;
  let isClean = false;
  const store = await openStore({
    ...options,
    compact: true,
    notice: (line) => {
      // What opening says when it has done so; when it could not, it says why.
      if (line.startsWith("rewrote ")) isClean = true;
      notice?.(line);
    },
  });
  if (!isClean) {
    warn(
      `${path} may still hold remnants of plain texts until it can be rewritten; the next start tries again`,
    );
    return store;
  }
  try {
    await store.encryption.setProbe((await encryptionOf(vault, encryption, "clean")).probe);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
