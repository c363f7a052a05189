/**
 * The rules of the house (DESIGN.md, section 3). Each takes all files of `src/` and answers what breaks it.
 *
 * @module
 */
import type { Import, SourceFile } from "./source_file.ts";

/** A line for each breach, beginning with the file. */
export type Rule = (files: readonly SourceFile[]) => string[];

/** Which rooms a room may take values from, and from which others it may take types alone. */
interface Door {
  readonly values: readonly string[];
  readonly types?: readonly string[];
}

/** A room is a folder of `src/` or a file directly in it. A room that is not listed may not exist. */
export const ROOMS: Readonly<Record<string, Door>> = {
  settings: { values: [] },
  log: { values: ["access"], types: ["settings"] },
  failover: { values: [], types: ["health"] },
  protocols: { values: [], types: ["failover"] },
  access: { values: ["settings", "protocols"], types: ["store"] },
  store: { values: ["access"], types: ["failover", "health"] },
  health: { values: ["failover", "protocols", "gateway", "access"], types: ["store"] },
  accounting: { values: ["store", "protocols", "health", "access"], types: ["failover"] },
  gateway: {
    values: ["failover", "health", "protocols", "accounting", "access", "settings"],
    types: ["store"],
  },
  admin: {
    values: ["store", "access", "protocols", "failover", "health", "gateway", "accounting", "settings"],
  },
  ui: { values: ["access"] },
  server: {
    values: [
      "ui",
      "settings",
      "failover",
      "health",
      "protocols",
      "gateway",
      "accounting",
      "store",
      "admin",
      "access",
    ],
  },
  cli: { values: ["server", "settings", "log", "store", "access"] },
};

const MAX_LINES = 400;
const DUMPS = new Set(["util", "utils", "helper", "helpers", "common", "commons", "types", "misc"]);
const SQL =
  /\b(SELECT\b[\s\S]*\bFROM\b|INSERT\s+(OR\s+\w+\s+)?INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|VIEW|TRIGGER)\b|PRAGMA\s)/;

/** Rooms take only what their door allows. */
export const roomsKeepTheirDoors: Rule = (files) =>
  files.flatMap((file) => {
    const room = roomOf(file.path);
    const door = ROOMS[room];
    if (!door) return [`${file.path}: the room ${room} is not in the table of rooms`];
    return localImports(file).flatMap(({ target, kind }) => {
      const other = roomOf(target);
      if (other === room || !target.startsWith("src/")) return [];
      if (door.values.includes(other)) return [];
      if (kind === "type" && door.types?.includes(other)) return [];
      return [`${file.path}: ${room} may not take ${kind}s from ${other} (${target})`];
    });
  });

/** `failover/` and `health/state.ts` take only types and each other, and know no clock, chance or I/O. */
export const pureFilesStayPure: Rule = (files) =>
  files.filter((file) => isPure(file.path)).flatMap((file) => [
    ...localImports(file)
      .filter(({ target, kind }) => kind === "value" && !isPure(target))
      .map(({ target }) => `${file.path}: takes values from ${target}`),
    ...file.imports.filter(({ specifier }) => !isLocal(specifier))
      .map(({ specifier }) => `${file.path}: imports ${specifier}`),
    ...file.impurities.map((name) => `${file.path}: uses ${name}`),
  ]);

/** Only the store talks to the database. */
export const sqlStaysInTheStore: Rule = (files) =>
  files.filter((file) => roomOf(file.path) !== "store").flatMap((file) => [
    ...file.texts.filter((text) => SQL.test(text)).map((text) =>
      `${file.path}: holds SQL: ${text.slice(0, 60)}`
    ),
    ...file.imports.filter(({ specifier }) => specifier === "node:sqlite")
      .map(() => `${file.path}: imports node:sqlite`),
  ]);

/** No file needs, at run time, a file that needs it. */
export const noImportCycles: Rule = (files) => {
  const targets = new Map(files.map((file) => [
    file.path,
    localImports(file).filter(({ kind }) => kind === "value").map(({ target }) => target),
  ]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) walk(path, []);
  return cycles;
};

/** Packages come from the import map of `deno.json`; files by a path that exists. */
export function importsAreKnown(packages: readonly string[]): Rule {
  const isMapped = (specifier: string) =>
    packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  return (files) => {
    const known = new Set(files.map((file) => file.path));
    return files.flatMap((file) =>
      file.imports.flatMap(({ specifier }) => {
        if (specifier.startsWith("node:") || isMapped(specifier)) return [];
        const target = isLocal(specifier) ? resolve(file.path, specifier) : undefined;
        if (target === "deno.json" || (target !== undefined && known.has(target))) return [];
        return [`${file.path}: imports ${specifier}`];
      })
    );
  };
}

/** No file is long. */
export const filesAreShort: Rule = (files) =>
  files.flatMap((file) => {
    const lines = file.source.trimEnd().split("\n").length;
    return lines > MAX_LINES ? [`${file.path}: ${lines} lines`] : [];
  });

/** A file is named after the one idea that it holds. */
export const namesSayTheIdea: Rule = (files) =>
  files.filter((file) => file.path.split("/").some((part) => DUMPS.has(part.replace(/\.ts$/, ""))))
    .map((file) => `${file.path}: named after a kind of file, not after an idea`);

/** A file begins with a comment that says what it is for. */
export const filesSayWhatTheyAreFor: Rule = (files) =>
  files.filter((file) => !/^(\/\/\/ <reference [^\n]*\n\s*)*\/\*\*/.test(file.source))
    .map((file) => `${file.path}: does not begin with a doc comment`);

/** The room of a file: `src/store/page.ts` → `store`, `src/server.ts` → `server`. */
function roomOf(path: string): string {
  return (path.split("/")[1] ?? "").replace(/\.ts$/, "");
}

function isPure(path: string): boolean {
  return path.startsWith("src/failover/") || path === "src/health/state.ts";
}

function isLocal(specifier: string): boolean {
  return specifier.startsWith("./") || specifier.startsWith("../");
}

function localImports(file: SourceFile): { target: string; kind: Import["kind"] }[] {
  return file.imports.filter(({ specifier }) => isLocal(specifier))
    .map(({ specifier, kind }) => ({ target: resolve(file.path, specifier), kind }));
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
