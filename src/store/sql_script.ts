/** Reads a file of SQL statements. @module */

// One token that can hide a semicolon or is one: comments, strings, the three quotings of names, words, `;`.
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z_]\w*|;/g;

/**
 * Splits a script into its statements, without comments between them and without their semicolons.
 *
 * A semicolon ends a statement unless it stands in a comment, a string, a quoted name, or between the BEGIN and
 * the END of a trigger.
 *
 * @example
 * ```ts
 * splitStatements("CREATE TABLE a (b); -- one; two\nINSERT INTO a VALUES (';')").length; // 2
 * ```
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  // Open BEGIN and CASE blocks of a trigger's body.
  let depth = 0;

  const finish = (end: number) => {
    if (words.length > 0) statements.push(withoutLeadingComments(script.slice(start, end)));
    words = [];
    depth = 0;
  };

  for (const { 0: token, index } of script.matchAll(TOKEN)) {
    if (token === ";") {
      if (depth > 0) continue;
      finish(index);
      start = index + 1;
    } else if (/^[A-Za-z_]/.test(token)) {
      const word = token.toUpperCase();
      words.push(word);
      if (!isTrigger(words)) continue;
      if (word === "BEGIN" || (word === "CASE" && depth > 0)) depth++;
      if (word === "END" && depth > 0) depth--;
    }
  }
  finish(script.length);
  return statements;
}

/** The table and the column of an `ALTER TABLE … ADD [COLUMN] …`; `null` for any other statement. */
export function addedColumn(statement: string): { table: string; column: string } | null {
  const name = String.raw`("(?:[^"]|"")+"|\x60(?:[^\x60]|\x60\x60)+\x60|\[[^\]]+\]|\w+)`;
  const match = new RegExp(String.raw`^ALTER\s+TABLE\s+${name}\s+ADD\s+(?:COLUMN\s+)?${name}`, "i").exec(
    statement,
  );
  return match?.[1] === undefined || match[2] === undefined
    ? null
    : { table: unquoted(match[1]), column: unquoted(match[2]) };
}

function isTrigger(words: readonly string[]): boolean {
  if (words[0] !== "CREATE") return false;
  return words[1] === "TRIGGER" ||
    ((words[1] === "TEMP" || words[1] === "TEMPORARY") && words[2] === "TRIGGER");
}

function withoutLeadingComments(statement: string): string {
  return statement.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, "").trimEnd();
}

function unquoted(name: string): string {
  return /^["`[]/.test(name) ? name.slice(1, -1) : name;
}
