import { equal } from "node:assert/strict";
import { csvLine } from "../../src/admin/csv.ts";

Deno.test("csvLine() quotes what RFC 4180 wants quoted, and nothing else", () => {
  const cases: [text: string, cell: string][] = [
    ["plain", "plain"],
    ["", ""],
    ["a b", "a b"],
    ["a,b", '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ["two\nlines", '"two\nlines"'],
    ['a,"b"\r\nc', '"a,""b""\r\nc"'],
    ["模型 🦙", "模型 🦙"],
  ];
  for (const [text, cell] of cases) equal(csvLine([text, "x"]), `${cell},x\n`, text);
});

Deno.test("csvLine() keeps a text from being run as a formula, and leaves numbers alone", () => {
  const cases: [text: string, cell: string][] = [
    ["=1+2", "'=1+2"],
    ["+cmd", "'+cmd"],
    ["-2", "'-2"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "'\t=1"],
    ["\r=1", '"\'\r=1"'],
    ["\n=1", '"\'\n=1"'],
    ['=HYPERLINK("a","b")', '"\'=HYPERLINK(""a"",""b"")"'],
    ["＝1+2", "'＝1+2"],
    ["a=1", "a=1"],
    [" =1", " =1"],
  ];
  for (const [text, cell] of cases) equal(csvLine([text]), `${cell}\n`, JSON.stringify(text));
  equal(csvLine([-2, 0.5, { number: "-1.50" }]), "-2,0.5,-1.50\n");
});
