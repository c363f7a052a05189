/**
 * Reads the groups that OrchestrationApi exports. Its members come in snake case or in camel case, and lists and
 * objects also as texts that hold their JSON.
 *
 * @module
 */
import { Fault } from "./envelope.ts";

/** An export: its groups and, if it holds them, the keys of its clients. */
export interface OrchestrationExport {
  readonly groups: readonly LooseRow[];
  readonly proxyKeys: readonly LooseRow[];
}

/** A row whose members are found whatever their case and underscores. Its faults name the member, never its value. */
export class LooseRow {
  readonly #members: ReadonlyMap<string, readonly [name: string, value: unknown]>;

  constructor(row: object) {
    this.#members = new Map(Object.entries(row).map(([name, value]) => [spelling(name), [name, value]]));
  }

  has(name: string): boolean {
    return (this.#members.get(spelling(name))?.[1] ?? null) !== null;
  }

  /** Trimmed; `""` when missing. @throws {Fault} */
  text(name: string): string {
    const value = this.#value(name) ?? "";
    if (typeof value === "number") return String(value);
    if (typeof value !== "string") throw new Fault(400, `${name} must be a string`);
    return value.trim();
  }

  /** @throws {Fault} */
  flag(name: string, missing: boolean): boolean {
    const value = this.#value(name) ?? missing;
    if (value === 0 || value === 1) return value === 1;
    if (typeof value !== "boolean") throw new Fault(400, `${name} must be true or false`);
    return value;
  }

  /** A whole number. @throws {Fault} */
  whole(name: string, missing: number): number {
    const value = this.#value(name) ?? missing;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw new Fault(400, `${name} must be a whole number`);
    }
    return value;
  }

  /** Texts, trimmed, without empty ones and repeats. @throws {Fault} */
  texts(name: string): string[] {
    const value = this.#parsed(name) ?? [];
    if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
      throw new Fault(400, `${name} must be an array of strings`);
    }
    return [...new Set(value.map((each) => each.trim()).filter(Boolean))];
  }

  /** `{}` when missing. @throws {Fault} */
  object(name: string): Record<string, unknown> {
    const value = this.#parsed(name) ?? {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Fault(400, `${name} must be an object`);
    }
    return value as Record<string, unknown>;
  }

  /** The same, of texts. @throws {Fault} */
  textsByName(name: string): Record<string, string> {
    const entries = Object.entries(this.object(name)).map(([key, value]) => {
      if (typeof value !== "string") throw new Fault(400, `${name} must be an object of strings`);
      return [key.trim(), value.trim()] as const;
    });
    return Object.fromEntries(entries);
  }

  /** An object as a row of its own; an empty one when it is missing. @throws {Fault} */
  nested(name: string): LooseRow {
    return new LooseRow(this.object(name));
  }

  #value(name: string): unknown {
    return this.#members.get(spelling(name))?.[1];
  }

  #parsed(name: string): unknown {
    const value = this.#value(name);
    if (typeof value !== "string") return value;
    if (value.trim() === "") return undefined;
    try {
      return JSON.parse(value);
    } catch {
      throw new Fault(400, `${name} holds a text that is not JSON`);
    }
  }
}

/**
 * Understands a body: an array of groups, one group, or an object that holds them as `groups` or `provider_groups`,
 * alone or in an answer's `data`.
 *
 * @throws {Fault} when it holds none
 */
export function readExport(body: unknown): OrchestrationExport {
  if (Array.isArray(body)) return { groups: rowsOf(body, "groups"), proxyKeys: [] };
  if (typeof body !== "object" || body === null) throw new Fault(400, NO_EXPORT);
  const members = new Map(Object.entries(body).map(([name, value]) => [spelling(name), value]));
  if (members.has("groupname") || members.has("providertype")) {
    return { groups: [new LooseRow(body)], proxyKeys: [] };
  }
  const groups = members.get("groups") ?? members.get("providergroups");
  const keys = members.get("proxykeys");
  if (groups !== undefined || keys !== undefined) {
    return { groups: rowsOf(groups ?? [], "groups"), proxyKeys: rowsOf(keys ?? [], "proxy_keys") };
  }
  if (members.has("data")) return readExport(members.get("data"));
  throw new Fault(400, NO_EXPORT);
}

const NO_EXPORT =
  "Invalid request body: it is no export of OrchestrationApi; one is an array of groups, or an object with groups";

function rowsOf(value: unknown, part: string): LooseRow[] {
  if (!Array.isArray(value)) throw new Fault(400, `Invalid request body: ${part} must be an array`);
  return value.map((row, index) => {
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return new LooseRow(row);
    throw new Fault(400, `Invalid request body: ${part}[${index}] must be an object`);
  });
}

function spelling(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}
