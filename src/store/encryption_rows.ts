/** Reads and writes the stored texts that hold credentials, and the row that says how they are encrypted. @module */
import { integer, type SqlRow, text } from "./columns.ts";
import type { Database } from "./database.ts";
import { type Encryption, isProtected, type PlaceName, PLACES, SEALED_CONFIGS } from "./encryption.ts";
import type { Session, Synchronous } from "./session.ts";
import type { Store } from "./store.ts";

/** A stored text with credentials in it, or with room for them. */
export interface CredentialText {
  readonly place: PlaceName;
  readonly id: number;
  /** What it is, for people: `the config of provider "acme" (id 3)`. */
  readonly label: string;
  readonly text: string;
}

/** Rows that are deleted only by their mark hold credentials too. */
const READS: Readonly<Record<PlaceName, string>> = {
  config: "SELECT id, name, config AS text FROM providers WHERE config IS NOT NULL ORDER BY id",
  proxy: "SELECT id, name, proxy AS text FROM providers WHERE proxy IS NOT NULL ORDER BY id",
  headers: `SELECT id, provider_model AS name, customer_headers AS text FROM model_with_providers
    WHERE customer_headers IS NOT NULL ORDER BY id`,
  countTokens: `SELECT id, key AS name, value AS text FROM configs
    WHERE value IS NOT NULL AND key IN (SELECT value FROM json_each(?)) ORDER BY id`,
};

const WRITES: Readonly<Record<PlaceName, string>> = {
  config: "UPDATE providers SET config = ? WHERE id = ?",
  proxy: "UPDATE providers SET proxy = ? WHERE id = ?",
  headers: "UPDATE model_with_providers SET customer_headers = ? WHERE id = ?",
  countTokens: "UPDATE configs SET value = ? WHERE id = ?",
};

const LABELS: Readonly<Record<PlaceName, (name: string, id: number) => string>> = {
  config: (name, id) => `the config of provider "${name}" (id ${id})`,
  proxy: (name, id) => `the proxy of provider "${name}" (id ${id})`,
  headers: (name, id) => `the headers of association ${id} (${name})`,
  countTokens: (name) => `the setting ${name}`,
};

/** The calls of the store about encryption. */
export function encryptionRepository({ database }: Session): Synchronous<Store["encryption"]> {
  return {
    get: () => readEncryption(database),
    plainTexts: () => plainTexts(database),
    setProbe: (probe) => {
      database.run("UPDATE encryption SET probe = ? WHERE id = 1", probe);
    },
  };
}

/** The file's row; `null` = it is not encrypted, or was made by a program that knows nothing of it. */
export function readEncryption(database: Database): Encryption | null {
  const exists = database.get("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'encryption'");
  if (exists === undefined) return null;
  const row = database.get("SELECT version, salt, iterations, probe FROM encryption WHERE id = 1");
  return row === undefined ? null : toEncryption(row);
}

/** The row as it is read. */
export function toEncryption(row: SqlRow): Encryption {
  return {
    version: integer(row["version"]),
    salt: text(row["salt"]),
    iterations: integer(row["iterations"]),
    probe: text(row["probe"]),
  };
}

/** Replaces the row; `null` = from now on the file is not encrypted. */
export function writeEncryption(database: Database, encryption: Encryption | null): void {
  database.run("DELETE FROM encryption");
  if (encryption === null) return;
  const { version, salt, iterations, probe } = encryption;
  database.run(
    "INSERT INTO encryption (id, version, salt, iterations, probe) VALUES (1, ?, ?, ?, ?)",
    version,
    salt,
    iterations,
    probe,
  );
}

/** Every text, in a fixed order. */
export function readTexts(database: Database): CredentialText[] {
  return (Object.keys(PLACES) as PlaceName[]).flatMap((place) => {
    const keys = place === "countTokens" ? [JSON.stringify([...SEALED_CONFIGS])] : [];
    return database.all(READS[place], ...keys).map((row) => {
      const id = integer(row["id"]);
      return { place, id, label: LABELS[place](text(row["name"]), id), text: text(row["text"]) };
    });
  });
}

/** Puts another text in place of one. */
export function writeText(database: Database, { place, id }: CredentialText, replacement: string): void {
  database.run(WRITES[place], replacement, id);
}

/** How many texts are not encrypted. */
export function plainTexts(database: Database): number {
  return readTexts(database).filter(({ place, text }) => !isProtected(PLACES[place], text)).length;
}
