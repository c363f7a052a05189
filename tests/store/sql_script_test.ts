import { deepEqual, equal } from "node:assert/strict";
import { addedColumn, splitStatements } from "../../src/store/sql_script.ts";

Deno.test("splitStatements() ends a statement at a semicolon", () => {
  deepEqual(splitStatements("CREATE TABLE a (b);\n\nDROP TABLE a;\n"), [
    "CREATE TABLE a (b)",
    "DROP TABLE a",
  ]);
  deepEqual(splitStatements("SELECT 1"), ["SELECT 1"]);
});

Deno.test("splitStatements() leaves out comments between statements and empty statements", () => {
  deepEqual(splitStatements("-- first; not a statement\n/* nor ; this */ SELECT 1;;\n-- end"), ["SELECT 1"]);
  deepEqual(splitStatements(" -- nothing"), []);
});

Deno.test("splitStatements() does not split in strings, quoted names and comments", () => {
  const statements = [
    `INSERT INTO a VALUES ('it''s; here', "b;c", \`d;e\`, [f;g])`,
    "SELECT 1 -- one; two\n + 2",
    "SELECT /* ' ; */ 3",
  ];
  deepEqual(splitStatements(statements.join(";\n")), statements);
});

Deno.test("splitStatements() keeps the body of a trigger together", () => {
  const trigger = `CREATE TRIGGER t AFTER INSERT ON a BEGIN
    UPDATE a SET b = CASE WHEN b > 1 THEN 'END;' ELSE 0 END;
    DELETE FROM c;
  END`;
  deepEqual(splitStatements(`${trigger};\nSELECT 1;`), [trigger, "SELECT 1"]);
  equal(
    splitStatements("CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END; SELECT 3").length,
    2,
  );
});

Deno.test("splitStatements() takes BEGIN and CASE outside of triggers as plain words", () => {
  deepEqual(splitStatements("SELECT CASE WHEN 1 THEN 2 END; BEGIN; COMMIT"), [
    "SELECT CASE WHEN 1 THEN 2 END",
    "BEGIN",
    "COMMIT",
  ]);
});

Deno.test("addedColumn() reads the table and the column in any quoting", () => {
  deepEqual(addedColumn("ALTER TABLE a ADD COLUMN b text"), { table: "a", column: "b" });
  deepEqual(addedColumn("alter table `a` add [b c] text"), { table: "a", column: "b c" });
  deepEqual(addedColumn('ALTER TABLE "a b"\n ADD COLUMN "c" integer DEFAULT 1'), {
    table: "a b",
    column: "c",
  });
  equal(addedColumn("ALTER TABLE a RENAME COLUMN b TO c"), null);
  equal(addedColumn("CREATE TABLE a (b)"), null);
});
