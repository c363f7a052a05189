/** What a thread may ask of the operating system for the good of the others. Lives in the workers. @module */
import os from "node:os";

/** The lowest of setpriority(2). */
const LOWEST = 19;

/**
 * Gives the calling thread the lowest priority: it runs on what cores the others leave idle, and makes way at once for
 * one that has something to do.
 *
 * Only Linux knows a priority of single threads (setpriority(2), "C library/kernel differences"); elsewhere, and where it
 * is not allowed, nothing happens.
 */
export function letOthersGoFirst(): void {
  if (Deno.build.os !== "linux") return;
  // Asked first, since without the answer a runtime at a terminal asks whoever sits there.
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "setPriority" });
  if (state !== "granted") return;
  try {
    os.setPriority(0, LOWEST);
  } catch {
    // A sandbox may forbid the call. The work is done all the same.
  }
}
