import assert from "node:assert/strict";
import {
  filesAreShort,
  filesSayWhatTheyAreFor,
  importsAreKnown,
  namesSayTheIdea,
  noImportCycles,
  pureFilesStayPure,
  roomsKeepTheirDoors,
  type Rule,
  sqlStaysInTheStore,
} from "./house/rules.ts";
import { readSource, type SourceFile } from "./house/source_file.ts";

const ROOT = new URL("../", import.meta.url);
const config: { imports: Record<string, string> } = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", ROOT)),
);
const house = await readHouse("src/");

const RULES: readonly [name: string, rule: Rule][] = [
  ["rooms take only what their door allows", roomsKeepTheirDoors],
  [
    "failover/ and health/state.ts take only types and each other, and no clock, chance or I/O",
    pureFilesStayPure,
  ],
  ["only the store talks to the database", sqlStaysInTheStore],
  ["no file needs a file that needs it", noImportCycles],
  ["packages come from the import map", importsAreKnown(Object.keys(config.imports))],
  ["files have 400 lines at most", filesAreShort],
  ["files are named after an idea", namesSayTheIdea],
  ["files begin with a doc comment", filesSayWhatTheyAreFor],
];

for (const [name, rule] of RULES) {
  Deno.test(`house: ${name}`, () => {
    assert.ok(house.length > 0, "no source was read");
    const breaches = rule(house);
    assert.equal(breaches.length, 0, `\n${breaches.join("\n")}`);
  });
}

Deno.test("readSource() reads imports of every form, over several lines, and not those in comments or strings", () => {
  const { imports } = readSource(
    "src/a.ts",
    `
      // import "./comment.ts";
      const text = 'import "./text.ts"';
      import type { A } from "./type.ts";
      import {
        type B,
        type C,
      } from "./inline_types.ts";
      import { type D, e } from "./mixed.ts";
      import f, * as g from "./default.ts";
      import "./effect.ts";
      export * from "./all.ts";
      export type * from "./all_types.ts";
      export { h } from "./named.ts";
      export { type I } from "./named_type.ts";
      const later = await import("./dynamic.ts");
      const unknown = await import(text);
      type J = import("./inline.ts").J;
      export { text };
    `,
  );
  assert.deepEqual(imports.map(({ specifier, kind }) => `${kind} ${specifier}`), [
    "type ./type.ts",
    "type ./inline_types.ts",
    "value ./mixed.ts",
    "value ./default.ts",
    "value ./effect.ts",
    "value ./all.ts",
    "type ./all_types.ts",
    "value ./named.ts",
    "type ./named_type.ts",
    "value ./dynamic.ts",
    "value (computed)",
    "type ./inline.ts",
  ]);
});

Deno.test("readSource() tells uses of the outside world from mere names", () => {
  const used = (source: string) => readSource("src/a.ts", source).impurities;
  assert.deepEqual(used("Date.now(); Math.random(); new Date(); Date();"), [
    "Date.now",
    "Math.random",
    "new Date()",
    "Date()",
  ]);
  assert.deepEqual(used("Deno.env; performance.now(); fetch(u); setTimeout(f); const { random } = crypto;"), [
    "Deno",
    "performance",
    "fetch",
    "setTimeout",
    "crypto",
  ]);
  assert.deepEqual(used("globalThis['fetch'](u);"), ["globalThis"]);
  assert.ok(used("const run = fetch;").includes("fetch"));
  assert.ok(used("run({ fetch });").includes("fetch"));
  assert.deepEqual(
    used(`
      // Date.now() and Math.random()
      interface Clock { setTimeout(): void; readonly fetch: number }
      class C { fetch() { return "Deno.env" } }
      clock.setTimeout(); const o = { fetch: 1 }; new Date(0); Math.max(1);
    `),
    [],
  );
});

Deno.test("readSource() throws on what it cannot parse", () => {
  assert.throws(() => readSource("src/a.ts", "import {"));
});

Deno.test("roomsKeepTheirDoors() finds values and types from a room behind a closed door", () => {
  const breaches = roomsKeepTheirDoors(files({
    "src/gateway/a.ts": `import type { S } from "../store/store.ts"; import { ok } from "../failover/b.ts";`,
    "src/gateway/b.ts": `import { open } from "../store/store.ts";`,
    "src/protocols/openai/c.ts": `import type { S } from "../../store/store.ts";`,
    "src/store/d.ts": `import { readSettings } from "../settings.ts";`,
    "src/attic/e.ts": ``,
  }));
  assert.deepEqual(breaches, [
    "src/gateway/b.ts: gateway may not take values from store (src/store/store.ts)",
    "src/protocols/openai/c.ts: protocols may not take types from store (src/store/store.ts)",
    "src/store/d.ts: store may not take values from settings (src/settings.ts)",
    "src/attic/e.ts: the room attic is not in the table of rooms",
  ]);
});

Deno.test("pureFilesStayPure() finds values, packages, clocks and chance in pure files only", () => {
  const breaches = pureFilesStayPure(files({
    "src/failover/a.ts": `import { b } from "./b.ts"; import { s } from "../health/state.ts";`,
    "src/failover/b.ts":
      `import { p } from "../health/probe.ts"; import type { Q } from "../health/probe.ts";`,
    "src/failover/c.ts": `import assert from "node:assert"; import type { Z } from "zod";`,
    "src/health/state.ts": `export const now = () => Date.now();`,
    "src/health/probe.ts": `export const now = () => Date.now();`,
  }));
  assert.deepEqual(breaches, [
    "src/failover/b.ts: takes values from src/health/probe.ts",
    "src/failover/c.ts: imports node:assert",
    "src/failover/c.ts: imports zod",
    "src/health/state.ts: uses Date.now",
  ]);
});

Deno.test("sqlStaysInTheStore() finds statements and the driver, and not words that look alike", () => {
  const sql = [
    "SELECT *\nFROM providers",
    "INSERT OR IGNORE INTO t",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "CREATE TABLE t",
    "PRAGMA user_version",
  ];
  for (const text of sql) {
    const found = sqlStaysInTheStore(files({ "src/gateway/a.ts": `const text = \`${text}\`;` }));
    assert.equal(found.length, 1, text);
  }
  assert.equal(sqlStaysInTheStore(files({ "src/admin/a.ts": `import "node:sqlite";` })).length, 1);
  assert.deepEqual(
    sqlStaysInTheStore(files({
      "src/store/a.ts": `import "node:sqlite"; const text = "DELETE FROM t";`,
      "src/admin/b.ts": `// SELECT a FROM b\nconst text = "Select one from the list; SELECT it";`,
    })),
    [],
  );
});

Deno.test("noImportCycles() finds a cycle of values, however long, and lets types pass", () => {
  assert.deepEqual(
    noImportCycles(files({
      "src/a.ts": `import "./b.ts";`,
      "src/b.ts": `export * from "./c.ts";`,
      "src/c.ts": `await import("./a.ts");`,
    })),
    ["src/a.ts → src/b.ts → src/c.ts → src/a.ts"],
  );
  assert.deepEqual(
    noImportCycles(files({
      "src/a.ts": `import "./b.ts"; import "./c.ts";`,
      "src/b.ts": `import "./c.ts";`,
      "src/c.ts": `import type { A } from "./a.ts";`,
    })),
    [],
  );
});

Deno.test("importsAreKnown() finds other registries, packages without an entry and files that are not there", () => {
  const breaches = importsAreKnown(["zod", "@hono/hono"])(files({
    "src/a.ts": `
      import "zod"; import "@hono/hono/cors"; import "node:fs"; import "./b.ts"; import "../deno.json";
      import "jsr:@std/assert"; import "https://deno.land/x/y.ts"; import "npm:zod"; import "zodiac";
      import "./c.ts"; import "../main.ts";
    `,
    "src/b.ts": ``,
  }));
  assert.deepEqual(breaches.map((breach) => breach.replace("src/a.ts: imports ", "")), [
    "jsr:@std/assert",
    "https://deno.land/x/y.ts",
    "npm:zod",
    "zodiac",
    "./c.ts",
    "../main.ts",
  ]);
});

Deno.test("filesAreShort() counts the lines of a file", () => {
  assert.deepEqual(filesAreShort(files({ "src/a.ts": "//\n".repeat(400) })), []);
  assert.deepEqual(filesAreShort(files({ "src/a.ts": "//\n".repeat(401) })), ["src/a.ts: 401 lines"]);
});

Deno.test("namesSayTheIdea() finds files and folders that are dumps", () => {
  const named = namesSayTheIdea(
    files({ "src/store/utils.ts": "", "src/common/a.ts": "", "src/store/page.ts": "" }),
  );
  assert.equal(named.length, 2);
});

Deno.test("filesSayWhatTheyAreFor() wants a doc comment at the top", () => {
  const breaches = filesSayWhatTheyAreFor(files({
    "src/a.ts": "/** What it is. */\nexport {};",
    "src/b.ts": '/// <reference lib="webworker" />\n/** What it is. */',
    "src/c.ts": "// What it is.\nexport {};",
    "src/d.ts": "export {};\n/** Too late. */",
  }));
  assert.deepEqual(breaches.map((breach) => breach.slice(0, 8)), ["src/c.ts", "src/d.ts"]);
});

function files(sources: Record<string, string>): SourceFile[] {
  return Object.entries(sources).map(([path, source]) => readSource(path, source));
}

async function readHouse(folder: string): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) found.push(...await readHouse(`${path}/`));
    else if (path.endsWith(".ts")) found.push(readSource(path, await Deno.readTextFile(new URL(path, ROOT))));
  }
  return found.sort((one, other) => one.path < other.path ? -1 : 1);
}
