/** Works on a copy of a database file in a folder of its own, without touching the file or its folder. @module */
import { basename, join } from "node:path";
import { StoreOpenError } from "./errors.ts";

/** Where SQLite keeps what is not yet in the file itself, or is to be taken back from it. */
const PARTS = ["", "-wal", "-journal"] as const;
const TRIES = 20;
const PAUSE_MS = 100;

/**
 * Copies the file, runs `work` on the copy and removes it. Nobody else can read the copy.
 *
 * The file is not opened as a database: even one that only reads would make files beside it, or repair what a killed
 * program has left.
 *
 * @throws {StoreOpenError} when another program writes to the file all the time.
 */
export async function withPrivateCopy<T>(path: string, work: (copy: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "llmio-copy-" });
  try {
    const copy = join(folder, basename(path));
    await copyAtRest(path, copy);
    return await work(copy);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Copies all parts while none of them changes. */
async function copyAtRest(path: string, copy: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await stateOf(path);
    for (const part of PARTS) await copyIfThere(path + part, copy + part);
    if (before === await stateOf(path)) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new StoreOpenError(`cannot read ${path} while another program writes to it: stop that program first`);
}

async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // One that was there at an earlier try.
    await Deno.remove(to).catch(() => {});
  }
}

async function stateOf(path: string): Promise<string> {
  const states = PARTS.map(async (part) => {
    try {
      const { size, mtime, ino } = await Deno.stat(path + part);
      return [size, mtime?.getTime(), ino];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  });
  return JSON.stringify(await Promise.all(states));
}
