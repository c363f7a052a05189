/**
 * New keys of clients for a web UI that never looks at the answer which shows them.
 *
 * llmio's UI makes a key, throws the answer away and reads the list again. Here a key is shown once, by that answer, so
 * the UI would show a mask of a key that nobody has ever seen. Where a UI is served, the first list that whoever made
 * the key reads afterwards therefore shows it too, and no other one.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from "@hono/hono";
import { hashKey } from "../access/key_text.ts";

/** The UI reads the list at once; a key that is not asked for is forgotten after so long, milliseconds. */
const KEPT_MS = 30_000;

/** How many keys of one caller wait at most; a script that makes many reads their answers. */
const MAX_WAITING = 20;

/** A key that has been made and not been listed yet. */
interface NewKey {
  readonly id: number;
  readonly key: string;
  readonly untilMs: number;
}

/** What is read of an answer of the admin API. */
interface Answer {
  readonly data?: unknown;
}

/**
 * To put before `/api/auth-keys`, and that path alone. Nothing is let in here and nothing is refused: only answers that
 * the admin API has given to the same credential are looked at.
 *
 * @param now epoch milliseconds
 */
export function showNewKeysOnce(now: () => number): MiddlewareHandler {
  const waiting = new Map<string, NewKey[]>();
  return async function newKeys(c, next): Promise<void> {
    await next();
    if (c.res.status !== 200) return;
    const caller = callerOf(c);
    const kept = (waiting.get(caller) ?? []).filter(({ untilMs }) => untilMs > now());
    if (c.req.method === "POST") {
      const made = keyIn((await c.res.clone().json() as Answer).data);
      if (made !== null) kept.push({ ...made, untilMs: now() + KEPT_MS });
    } else if (c.req.method === "GET" && kept.length > 0) {
      c.res = await withKeys(c.res, kept);
    }
    if (kept.length === 0) waiting.delete(caller);
    else waiting.set(caller, kept.slice(-MAX_WAITING));
  };
}

/** The list with the keys in it; those that it shows are taken away. */
async function withKeys(answer: Response, kept: NewKey[]): Promise<Response> {
  const body = await answer.json() as { data?: { data?: { ID: number; Key: string }[] } };
  for (const row of body.data?.data ?? []) {
    const at = kept.findIndex(({ id }) => id === row.ID);
    if (at >= 0) row.Key = kept.splice(at, 1)[0]?.key ?? row.Key;
  }
  return new Response(JSON.stringify(body), answer);
}

function keyIn(row: unknown): Pick<NewKey, "id" | "key"> | null {
  if (typeof row !== "object" || row === null || !("ID" in row) || !("Key" in row)) return null;
  const { ID: id, Key: key } = row;
  return typeof id === "number" && typeof key === "string" ? { id, key } : null;
}

/** Who calls, told by the credential without keeping it. */
function callerOf(c: Context): string {
  return hashKey(c.req.header("authorization") ?? "");
}
