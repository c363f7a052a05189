/**
 * Reads a source file the way the house rules need it: its imports, its texts and its uses of the outside world.
 *
 * The parser is the linter's own, so comments, strings and multi-line imports cannot mislead it. It exists only
 * while tests run.
 *
 * @module
 */

/** One import, re-export, dynamic import or `import("…")` type. */
export interface Import {
  readonly specifier: string;
  /** A type import leaves nothing at run time. */
  readonly kind: "type" | "value";
}

/** What a file says and uses. */
export interface SourceFile {
  /** Path from the project's root, with forward slashes. */
  readonly path: string;
  readonly source: string;
  readonly imports: readonly Import[];
  /** String literals and the fixed parts of templates. */
  readonly texts: readonly string[];
  /** Uses of clock, randomness, timers, network or runtime, such as `Date.now`. */
  readonly impurities: readonly string[];
}

const IMPURE_NAMES = new Set([
  "Deno",
  "crypto",
  "fetch",
  "globalThis",
  "performance",
  "process",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);
const IMPURE_MEMBERS = new Set(["Date.now", "Math.random", "Temporal.Now"]);

/** Reads one file. @throws {SyntaxError} when it cannot be parsed. */
export function readSource(path: string, source: string): SourceFile {
  const imports: Import[] = [];
  const texts: string[] = [];
  const impurities: string[] = [];
  let parsed = false;
  const kindOf = (kind: string | undefined, specifierKinds: readonly (string | undefined)[]) =>
    kind === "type" || (specifierKinds.length > 0 && specifierKinds.every((each) => each === "type"))
      ? "type"
      : "value";
  const visitor: Deno.lint.LintVisitor = {
    Program() {
      parsed = true;
    },
    ImportDeclaration(node) {
      const kinds = node.specifiers.map((each) =>
        each.type === "ImportSpecifier" ? each.importKind : "value"
      );
      imports.push({ specifier: node.source.value, kind: kindOf(node.importKind, kinds) });
    },
    ExportNamedDeclaration(node) {
      if (!node.source) return;
      const kinds = node.specifiers.map((each) => each.exportKind);
      imports.push({ specifier: node.source.value, kind: kindOf(node.exportKind, kinds) });
    },
    ExportAllDeclaration(node) {
      imports.push({ specifier: node.source.value, kind: kindOf(node.exportKind, []) });
    },
    ImportExpression(node) {
      const specifier = node.source.type === "Literal" ? String(node.source.value) : "(computed)";
      imports.push({ specifier, kind: "value" });
    },
    TSImportType(node) {
      const [, specifier] = /^import\(\s*["'](.*?)["']/.exec(source.slice(...node.range)) ?? [];
      imports.push({ specifier: specifier ?? "(computed)", kind: "type" });
    },
    Literal(node) {
      if (typeof node.value === "string") texts.push(node.value);
    },
    TemplateElement(node) {
      texts.push(node.cooked);
    },
    MemberExpression(node) {
      if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
      const name = `${node.object.name}.${node.property.name}`;
      if (IMPURE_MEMBERS.has(name)) impurities.push(name);
    },
    NewExpression(node) {
      const isDate = node.callee.type === "Identifier" && node.callee.name === "Date";
      if (isDate && node.arguments.length === 0) impurities.push("new Date()");
    },
    CallExpression(node) {
      if (node.callee.type === "Identifier" && node.callee.name === "Date") impurities.push("Date()");
    },
    Identifier(node) {
      if (IMPURE_NAMES.has(node.name) && !isNameOfMember(node)) impurities.push(node.name);
    },
  };
  Deno.lint.runPlugin({ name: "house", rules: { read: { create: () => visitor } } }, path, source);
  if (!parsed) throw new SyntaxError(`${path} cannot be parsed`);
  return { path, source, imports, texts, impurities };
}

/** Whether an identifier only names a property, as in `clock.setTimeout` or `{ fetch: … }`. */
function isNameOfMember(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent?.type) {
    case "MemberExpression":
      return sameRange(parent.property, node) && !parent.computed;
    case "Property":
      return sameRange(parent.key, node) && !parent.computed && !parent.shorthand;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return sameRange(parent.key, node);
    default:
      return false;
  }
}

function sameRange(one: { range: Deno.lint.Range }, other: { range: Deno.lint.Range }): boolean {
  return one.range[0] === other.range[0] && one.range[1] === other.range[1];
}
