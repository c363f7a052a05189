/**
 * The ready file: it exists while the gateway listens, and says where.
 *
 * @module
 */

/** Where a server listens. */
export interface Address {
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
}

/** Writes the file at once or not at all, so that a reader who polls for it never sees half of it. */
export async function writeReadyFile(path: string, { url, hostname, port }: Address): Promise<void> {
  const partial = `${path}.${Deno.pid}.tmp`;
  try {
    await Deno.writeTextFile(partial, `${JSON.stringify({ url, hostname, port, pid: Deno.pid })}\n`);
    await Deno.rename(partial, path);
  } catch (error) {
    await removeReadyFile(partial).catch(() => {});
    throw error;
  }
}

/** Removes the file; there being none is fine. */
export async function removeReadyFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
