/**
 * Encrypts a whole file, changes its secret or decrypts it: in one transaction, with the file to itself, so that it is
 * never half of anything and no running gateway is left with a key that fits no more.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { Vault } from "../access/vault.ts";
import { messageOf, StoreOpenError } from "./errors.ts";
import { compact } from "./compact.ts";
import { Database } from "./database.ts";
import { type Encryption, openText, PLACES, sealText } from "./encryption.ts";
import { encryptionOf, type Unlocked } from "./encryption_probe.ts";
import {
  type CredentialText,
  plainTexts,
  readEncryption,
  readTexts,
  toEncryption,
  writeEncryption,
  writeText,
} from "./encryption_rows.ts";
import { inspectFile } from "./recognise.ts";
import { text } from "./columns.ts";

/** From what to what a file changes; `null` = plain. */
export interface Change {
  readonly from: Unlocked | null;
  /** With the row that says so. */
  readonly to: { readonly vault: Vault; readonly encryption: Encryption } | null;
}

/** What a change has done. */
export interface Changed {
  /** Texts that were written anew. */
  readonly count: number;
  /** Texts that could not be opened and stay as they were, named for people. */
  readonly damaged: readonly string[];
}

/** What is known of a file without its secret. */
export interface FileState {
  readonly encryption: Encryption | null;
  readonly texts: readonly CredentialText[];
  /** How many of them are plain, though there is something in them. Of a file that is not encrypted nothing is listed. */
  readonly plain: number;
}

/** How long to wait for another program that has the file open, milliseconds. */
const WAIT_MS = 1_000;

/** Looks at a file and changes nothing. @throws {StoreOpenError} */
export function readFileState(path: string): FileState {
  if (inspectFile(path) === "nothing") {
    throw new StoreOpenError(`there is no database at ${path}: name the right file with --db or LLMIO_DB`);
  }
  return onFile(path, (database) => {
    const encryption = readEncryption(database);
    // A file that is not encrypted may be so old that it lacks columns.
    if (encryption === null) return { encryption, texts: [], plain: 0 };
    return { encryption, texts: readTexts(database), plain: plainTexts(database) };
  });
}

/** How a file is encrypted, in a moment and without changing it. @throws when that cannot be told. */
export function peekEncryption(path: string): Encryption | null {
  using database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  const row = database.prepare("SELECT version, salt, iterations, probe FROM encryption WHERE id = 1").get();
  return row === undefined ? null : toEncryption(row);
}

/**
 * Writes every text anew, all of them or none: when the process is killed half-way, the next one to open the file finds
 * it as it was.
 *
 * @throws {StoreOpenError} when another program has the file open, or has changed its encryption since; the file is
 * then as it was.
 */
export async function changeEncryption(path: string, change: Change): Promise<Changed> {
  const database = openDatabase(path);
  try {
    takeAlone(database);
    const changed = await rewriteTexts(database, change);
    database.exec("COMMIT");
    return changed;
  } catch (error) {
    throw asOpenError(path, error);
  } finally {
    // Ends a transaction that was not committed.
    database.close();
  }
}

/**
 * Rewrites the file so that no page of it holds anything of texts that were replaced, and notes that it is clean.
 *
 * @throws when it cannot be rewritten now; it is then as it was, and is rewritten at the gateway's next start.
 */
export async function removeRemnants(
  path: string,
  { vault, encryption }: Omit<Unlocked, "state">,
): Promise<void> {
  compact(path);
  const { probe } = await encryptionOf(vault, encryption, "clean");
  onFile(path, (database) => writeEncryption(database, { ...encryption, probe }));
}

async function rewriteTexts(database: Database, { from, to }: Change): Promise<Changed> {
  if (readEncryption(database)?.probe !== from?.encryption.probe) {
    throw new StoreOpenError(`the encryption of ${database.path} was changed meanwhile: look and try again`);
  }
  let count = 0;
  const damaged: string[] = [];
  for (const stored of readTexts(database)) {
    const place = PLACES[stored.place];
    const plain = from === null ? stored.text : await openText(from.vault, place, stored.text);
    if (plain === null) damaged.push(stored.label);
    else {
      const written = to === null ? plain : await sealText(to.vault, place, plain);
      if (written === stored.text) continue;
      writeText(database, stored, written);
      count += 1;
    }
  }
  writeEncryption(database, to?.encryption ?? null);
  return { count, damaged };
}

/** Begins a transaction during which nobody else can have the file open. */
function takeAlone(database: Database): void {
  // What is replaced is overwritten with zeros. In the mode DELETE the old pages stand in a journal that is removed with
  // the commit, and the mode can only be left for it by the one program that has the file open.
  database.exec(`PRAGMA busy_timeout = ${WAIT_MS}; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL`);
  const mode = text(database.get("PRAGMA journal_mode = DELETE")?.["journal_mode"]);
  if (mode !== "delete") throw new Error("database is locked");
  database.exec("BEGIN EXCLUSIVE");
}

function onFile<T>(path: string, work: (database: Database) => T): T {
  const database = openDatabase(path);
  try {
    return work(database);
  } catch (error) {
    throw asOpenError(path, error);
  } finally {
    database.close();
  }
}

function openDatabase(path: string): Database {
  try {
    return new Database(path);
  } catch (error) {
    throw asOpenError(path, error);
  }
}

function asOpenError(path: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const detail = messageOf(error).replaceAll(/\s+/g, " ");
  return new StoreOpenError(
    /is locked/i.test(detail)
      ? `${path} is open in another program, and its encryption cannot be changed while that is so: stop the gateway ` +
        "that uses it and try again"
      : `cannot change the encryption of ${path} (${detail}): check the file, its folder and the disk`,
  );
}
