/** The folder of a web UI on the disk, and what may be read from it. @module */
import { join, sep } from "node:path";

/** The page that a folder is asked for by its own path. */
const INDEX = "index.html";

/** A folder that holds no web UI. The message names the flag, the folder and what to do. */
export class UiFolderProblem extends Error {
  override readonly name = "UiFolderProblem";
}

/** A file that is open for reading. Whoever takes it closes it. */
export interface OpenFile {
  readonly file: Deno.FsFile;
  /** Where it is once every link is followed. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly changedAt: Date;
}

/**
 * Sees that a folder holds a web UI. A wrong folder is told at the start, and not by an empty page.
 *
 * @throws {UiFolderProblem}
 */
export async function checkUiFolder(folder: string): Promise<void> {
  const page = await openWithin(folder, INDEX);
  if (page !== null) return page.file.close();
  const isFolder = await Deno.stat(folder).then((info) => info.isDirectory, () => false);
  throw new UiFolderProblem(
    isFolder
      ? `--ui-dir: ${folder} holds no ${INDEX}; name the folder that the web UI was built into`
      : `--ui-dir: ${folder} is no folder that can be read; name the folder that the web UI was built into`,
  );
}

/**
 * Opens a file of the folder, or the `index.html` of a folder in it; `null` = there is none that may be read.
 *
 * Nothing is remembered between two calls, so the folder may be replaced at any time. Files whose name or folder
 * begins with a dot (`.git`, `.env`) are none of the UI's, and a link may point to any file in the folder, but to
 * nothing outside.
 *
 * @param path relative to the folder, without `..`
 */
export async function openWithin(folder: string, path: string): Promise<OpenFile | null> {
  if (hasHiddenPart(path)) return null;
  try {
    const root = await Deno.realPath(folder);
    let real = await Deno.realPath(join(root, path));
    let info = await Deno.stat(real);
    if (info.isDirectory) {
      real = await Deno.realPath(join(real, INDEX));
      info = await Deno.stat(real);
    }
    // Before it is opened: opening a pipe waits for its writer.
    if (!info.isFile || !isWithin(root, real)) return null;
    return await open(real);
  } catch {
    // Not there, not readable, or no path at all: for the caller there is no such file.
    return null;
  }
}

async function open(path: string): Promise<OpenFile> {
  const file = await Deno.open(path);
  try {
    // Of the file that was opened; the one with this name may be another by now.
    const { size, mtime } = await file.stat();
    return { file, path, sizeBytes: size, changedAt: mtime ?? new Date(0) };
  } catch (error) {
    file.close();
    throw error;
  }
}

function isWithin(root: string, path: string): boolean {
  const start = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(start) && !hasHiddenPart(path.slice(start.length));
}

/** Whether a part begins with a dot, or is written with what no file of a UI has (`:` is a stream on Windows). */
function hasHiddenPart(path: string): boolean {
  return /[\p{Cc}:]/u.test(path) || path.split(/[/\\]/).some((part) => part.startsWith("."));
}
