/** Follows changes through the admin API and leaves a row of each in the audit log. @module */
import type { Context, MiddlewareHandler } from "@hono/hono";
import { getLogger } from "@logtape/logtape";
import { callerOf } from "../access/admin_tokens.ts";
import type { AuditChanges } from "../store/audit.ts";
import type { Store } from "../store/store.ts";
import { type AuditedRow, changesBetween, changesOfMany } from "./audit_changes.ts";
import { Fault } from "./envelope.ts";
import { NotInForce } from "./writes.ts";

export type { AuditedRow } from "./audit_changes.ts";

/** What a route says of the change that it makes. At least one of `row`, `rows` and `note` is needed. */
export interface Audit {
  /** What is done, `provider.update`. What stands before the dot is the kind of the thing that it is done to. */
  readonly action: `${string}.${string}`;
  /**
   * Reads the thing; called before and after the change, between which no other such change is made. What differs is
   * recorded, and without a difference nothing is. A `Fault` that it throws means that there is nothing.
   *
   * @param id The `{id}` of the path. Without one: 0 before the change, after it the answer's `ID`, so that one
   * function serves creation too. What there is only one of ignores it.
   */
  readonly row?: (id: number, c: Context) => Promise<AuditedRow | null> | AuditedRow | null;
  /** In place of `row` where many things change at once: reads all of them, each with its `id`. */
  readonly rows?: (c: Context) => Promise<readonly AuditedRow[]>;
  /**
   * What else is worth knowing, from the answer's `data`; `null` = nothing is. With it a row is left even if nothing
   * differs.
   */
  readonly note?: (data: Answered, c: Context) => AuditChanges | null | Promise<AuditChanges | null>;
}

/** What {@linkcode AuditTrail} works with. */
export interface AuditTrailOptions {
  readonly audit: Pick<Store["audit"], "add">;
  /** The address that a request comes from. @default that of the connection */
  addressOf?(c: Context): string;
  /** Epoch milliseconds. */
  now(): number;
}

/** Members of an answer's `data`. */
type Answered = Readonly<Record<string, unknown>>;

/** What was changed. */
interface Found {
  readonly id: string;
  readonly name: string;
  readonly changes: AuditChanges;
}

const TRAIL = "auditTrail";
const NOTHING: Found = { id: "", name: "", changes: {} };

/** Writes the audit log. */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #log = getLogger(["llmio", "audit"]);
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: AuditTrailOptions) {
    this.#options = options;
  }

  /** Makes the trail known to the routes behind it, for {@linkcode trailOf}. */
  readonly attach: MiddlewareHandler = async (c, next) => {
    c.set(TRAIL, this);
    await next();
  };

  /** Carries a change out and, when it has succeeded, records it before it is answered. */
  async follow(c: Context, audit: Audit, change: () => Promise<Response>): Promise<Response> {
    if (audit.row === undefined && audit.rows === undefined) {
      const response = await change();
      if (response.ok) await this.#record(c, audit, response, () => NOTHING);
      return response;
    }
    await takeBody(c);
    return await this.#inTurn(() => this.#watch(c, audit, change));
  }

  async #watch(c: Context, audit: Audit, change: () => Promise<Response>): Promise<Response> {
    const before = await standing(c, audit, pathId(c));
    const find = async (data: Answered) => {
      const id = pathId(c) || idOf(data);
      return difference(before, await standing(c, audit, id), id);
    };
    try {
      const response = await change();
      if (response.ok) await this.#record(c, audit, response, find);
      return response;
    } catch (error) {
      // The caller is told of a failure, but the change is stored.
      if (error instanceof NotInForce) await this.#record(c, audit, error.stored, find);
      throw error;
    }
  }

  /** Never rejects: the change is made, whatever becomes of its record. */
  async #record(
    c: Context,
    { action, note }: Audit,
    answer: unknown,
    find: (data: Answered) => Promise<Found> | Found,
  ): Promise<void> {
    try {
      const data = answer instanceof Response ? await dataOf(answer) : asRecord(answer);
      const found = await find(data);
      const noted = await note?.(data, c) ?? null;
      if (noted === null && Object.keys(found.changes).length === 0) return;
      await this.#options.audit.add({
        atMs: this.#options.now(),
        actor: callerOf(c).name,
        remoteIp: this.#options.addressOf?.(c) ?? peerAddress(c),
        action,
        resource: action.slice(0, action.indexOf(".")),
        resourceId: found.id,
        resourceName: found.name,
        changes: { ...found.changes, ...noted },
      });
    } catch (error) {
      this.#log.error("A change could not be recorded in the audit log: {action} by {actor} at {path}", {
        action,
        actor: callerOf(c).name,
        path: c.req.path,
        error,
      });
    }
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** The trail of the app that serves a request. */
export function trailOf(c: Context): AuditTrail {
  const trail: AuditTrail | undefined = c.get(TRAIL);
  if (trail === undefined) throw new Error("no audit trail is attached");
  return trail;
}

/** What a change is about, before or after it. */
type Standing = AuditedRow | readonly AuditedRow[] | null;

async function standing(c: Context, { row, rows }: Audit, id: number): Promise<Standing> {
  try {
    return rows === undefined ? await row?.(id, c) ?? null : await rows(c);
  } catch (error) {
    // What cannot be read because of what was asked is nothing here; the route itself says what is wrong.
    if (error instanceof Fault) return null;
    throw error;
  }
}

function difference(before: Standing, after: Standing, id: number): Found {
  if (isMany(before) && isMany(after)) {
    const { changed, changes } = changesOfMany(before, after);
    const joined = (texts: readonly string[]) => texts.filter((text) => text !== "").join(",");
    return {
      id: joined(changed.map((row) => row.id ?? "")),
      name: joined(changed.map(({ name }) => name)),
      changes,
    };
  }
  if (isMany(before) || isMany(after)) return NOTHING;
  const row = after ?? before;
  return {
    id: row?.id ?? (id === 0 ? "" : String(id)),
    name: row?.name ?? "",
    changes: changesBetween(before, after),
  };
}

function isMany(standing: Standing): standing is readonly AuditedRow[] {
  return Array.isArray(standing);
}

/** Reads the body before its turn comes, so that a client who sends slowly keeps nobody waiting. */
async function takeBody({ req }: Context): Promise<void> {
  if (req.raw.body !== null) req.raw = new Request(req.raw, { body: await req.raw.arrayBuffer() });
}

/** The `{id}` of the path; 0 without one and for one that no row can have. */
function pathId(c: Context): number {
  const text = c.req.param("id") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function idOf(data: Answered): number {
  const id = data["ID"] ?? data["id"];
  return typeof id === "number" ? id : 0;
}

/** The answer's `data`, which stays readable; nothing for a file and for an answer without any. */
async function dataOf(response: Response): Promise<Answered> {
  if (!/\bjson\b/.test(response.headers.get("content-type") ?? "")) return {};
  return asRecord(asRecord(await response.clone().json())["data"]);
}

function asRecord(value: unknown): Answered {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/** The address that the connection comes from. What headers say of it is anybody's claim. */
function peerAddress(c: Context): string {
  const address: Deno.Addr | undefined = c.env?.remoteAddr;
  return address !== undefined && "hostname" in address ? address.hostname : "";
}
