/** The clock of the sweep: a tick at every full minute. @module */

const MINUTE_MS = 60_000;
/** Names of cron jobs are unique in a process, and one process may run several gateways. */
let started = 0;

/**
 * Calls `tick` once a minute until the returned function is called. `tick` must not wait for what it starts: a tick
 * that falls into a running one is lost.
 */
export function everyMinute(tick: () => void): () => Promise<void> {
  // Without its flag (an older runtime, an embedder) there is no cron.
  if (typeof Deno.cron !== "function") {
    const timer = setInterval(tick, MINUTE_MS);
    return () => Promise.resolve(clearInterval(timer));
  }
  const abort = new AbortController();
  // No schedule for repetitions: the next minute comes soon enough.
  const options = { signal: abort.signal, backoffSchedule: [] };
  const ended = Deno.cron(`health sweep ${++started}`, "* * * * *", options, tick);
  return async () => {
    abort.abort();
    await ended;
  };
}
