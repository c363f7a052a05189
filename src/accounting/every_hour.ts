/** The clock of the clean-up: a tick at every full hour. @module */

const HOUR_MS = 3_600_000;
/** Names of cron jobs are unique in a process, and one process may run several gateways. */
let started = 0;

/** Calls `tick` once an hour until the returned function is called. `tick` must not wait for what it starts. */
export function everyHour(tick: () => void): () => Promise<void> {
  // Without its flag (an older runtime, an embedder) there is no cron.
  if (typeof Deno.cron !== "function") {
    const timer = setInterval(tick, HOUR_MS);
    return () => Promise.resolve(clearInterval(timer));
  }
  const abort = new AbortController();
  const options = { signal: abort.signal, backoffSchedule: [] };
  const ended = Deno.cron(`log clean-up ${++started}`, "0 * * * *", options, tick);
  return async () => {
    abort.abort();
    await ended;
  };
}
