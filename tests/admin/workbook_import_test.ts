/** Rules of importing a workbook. @module */
import assert from "node:assert/strict";
import { writeXlsx } from "hucre/xlsx";
import { templateWorkbook } from "../../src/admin/workbook.ts";
import { unpackedSize } from "../../src/admin/zip_size.ts";
import { type Admin, type Answer, startAdmin, TOKEN } from "./harness.ts";

type Cells = (string | number | boolean | null)[];
type Sheets = Readonly<Record<string, readonly Cells[]>>;

const CONFIG = '{"base_url":"https://llm.example/v1","api_key":"sk-canary-0123456789"}';

function workbook(sheets: Sheets): Promise<Uint8Array> {
  const heading: Cells = ["heading"];
  return writeXlsx({
    sheets: Object.entries(sheets).map(([name, rows]) => ({
      name,
      rows: [heading, ...rows.map((row) => [...row])],
    })),
  });
}

function upload(admin: Admin, bytes: Uint8Array, name = "book.xlsx", part = "file"): Promise<Answer> {
  const body = new FormData();
  body.set(part, new File([new Uint8Array(bytes)], name));
  return admin.send("/api/config/batch-import", {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body,
  });
}

Deno.test("a workbook brings providers, models and associations", async () => {
  await using admin = await startAdmin();
  const bytes = await workbook({
    Providers: [[" Acme ", "openai", CONFIG, "https://console.example"], [null, null]],
    Models: [["gpt-4o", "note", 3, 30], ["plain"]],
    Associations: [
      ["gpt-4o", "Acme", "up", true, "TRUE", "no", 5],
      ["gpt-4o", "Acme", "up", "true", null, false, "2"],
      ["plain", "Acme", "up-2"],
    ],
    Notes: [["whatever"]],
  });
  const { status, data, text } = await upload(admin, bytes);
  assert.equal(status, 200, text);
  assert.deepEqual(data, {
    providers: { total: 1, imported: 1, skipped: 0, errors: [] },
    models: { total: 2, imported: 2, skipped: 0, errors: [] },
    associations: { total: 3, imported: 3, skipped: 0, errors: [] },
    summary: { total_imported: 6, total_skipped: 0, total_errors: 0 },
  });
  const { providers, models, associations } = await admin.store.routing();
  assert.deepEqual(providers.map(({ name, config }) => [name, config]), [["Acme", CONFIG]]);
  assert.deepEqual(
    models.map(({ name, remark, maxRetry, timeOutSeconds }) => [name, remark, maxRetry, timeOutSeconds]),
    [["plain", "", 10, 60], ["gpt-4o", "note", 3, 30]],
  );
  assert.deepEqual(
    associations.map((row) => [row.providerModel, row.toolCall, row.structuredOutput, row.image, row.weight]),
    [["up", true, true, false, 5], ["up", true, false, false, 2], ["up-2", false, false, false, 1]],
  );
});

Deno.test("valid rows are imported beside faulty ones, which are named by row and column", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", { name: "known" });
  const bytes = await workbook({
    Providers: [
      ["Good", "openai", CONFIG],
      ["Odd", "azure", CONFIG],
      [null, "openai", CONFIG],
      ["Broken", "openai", "{"],
      ["Masked", "openai", '{"base_url":"https://h/v1","api_key":"****6789"}'],
      ["Good", "openai", CONFIG],
    ],
    Models: [["known"], ["m", "", "many"], ["m2", "", 0], ["m3", "", 1, -1]],
    Associations: [["known", "Good", "up"], ["known", "Odd", "up"], ["known", "Good"], [
      "known",
      "Good",
      "x",
      "",
      "",
      "",
      -1,
    ]],
  });
  const { data } = await upload(admin, bytes);
  const places = ({ errors }: { errors: { row: number; field: string }[] }) =>
    errors.map(({ row, field }) => [row, field]);
  assert.deepEqual([data.providers.imported, data.providers.skipped, places(data.providers)], [
    1,
    1,
    [[3, "type"], [4, "name"], [5, "config"], [6, "api_key"]],
  ]);
  assert.deepEqual([data.models.skipped, places(data.models)], [
    1,
    [[3, "max_retry"], [4, "max_retry"], [5, "timeout"]],
  ]);
  assert.deepEqual([data.associations.imported, places(data.associations)], [
    1,
    [[3, "provider_name"], [4, "provider_model"], [5, "weight"]],
  ]);
  assert.deepEqual(data.summary, { total_imported: 2, total_skipped: 2, total_errors: 10 });
  assert.doesNotMatch(JSON.stringify(data), /canary/);
});

Deno.test("a missing sheet is an error in row 0, and the others are imported", async () => {
  await using admin = await startAdmin();
  const { data } = await upload(admin, await workbook({ Models: [["m"]] }));
  for (const part of [data.providers, data.associations]) {
    assert.deepEqual([part.total, part.errors.map(({ row }: { row: number }) => row)], [0, [0]]);
  }
  assert.equal(data.models.imported, 1);
});

Deno.test("a workbook that is sent twice doubles nothing", async () => {
  await using admin = await startAdmin();
  const bytes = await templateWorkbook(true);
  assert.equal((await upload(admin, bytes)).data.summary.total_imported, 6);
  const { summary } = (await upload(admin, bytes)).data;
  assert.deepEqual(summary, { total_imported: 0, total_skipped: 6, total_errors: 0 });
});

Deno.test("the empty template is a workbook without rows", async () => {
  await using admin = await startAdmin();
  const response = await admin.raw("/api/config/batch-import/template", {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  assert.match(response.headers.get("content-type") ?? "", /spreadsheetml\.sheet$/);
  const { data } = await upload(admin, await response.bytes());
  assert.deepEqual(data.summary, { total_imported: 0, total_skipped: 0, total_errors: 0 });
});

Deno.test("of a formula the stored value is taken, and nothing is computed", async () => {
  await using admin = await startAdmin();
  const formula = { value: null, formula: 'HYPERLINK("http://evil.example")', formulaResult: "from-formula" };
  const bytes = await writeXlsx({
    sheets: [
      {
        name: "Models",
        rows: [["name", "remark"], ["text", '=HYPERLINK("http://evil.example")'], ["x", ""]],
        cells: new Map([["2,0", formula]]),
      },
    ],
  });
  await upload(admin, bytes);
  const models = await admin.store.models.list();
  assert.deepEqual(models.map(({ name, remark }) => [name, remark]), [
    ["from-formula", ""],
    ["text", '=HYPERLINK("http://evil.example")'],
  ]);
});

Deno.test("what is no workbook is refused", async () => {
  await using admin = await startAdmin();
  const good = await workbook({ Models: [["m"]] });
  const cases: [what: string, answer: Promise<Answer>, message: RegExp][] = [
    ["another name", upload(admin, good, "book.csv"), /must end in \.xlsx/],
    ["another part", upload(admin, good, "book.xlsx", "upload"), /part named file is missing/],
    ["no archive", upload(admin, new TextEncoder().encode("name,type")), /no \.xlsx workbook/],
    ["half an archive", upload(admin, good.subarray(0, good.length / 2)), /no \.xlsx workbook/],
    ["nothing", upload(admin, new Uint8Array(0)), /no \.xlsx workbook/],
    ["JSON", admin.call("POST", "/config/batch-import", {}), /multipart\/form-data/],
  ];
  for (const [what, answer, message] of cases) {
    const { status, message: said } = await answer;
    assert.equal(status, 400, what);
    assert.match(said, message, what);
  }
});

Deno.test("a workbook of too many rows, or of too many bytes unpacked, is refused", async () => {
  await using admin = await startAdmin();
  const rows = Array.from({ length: 5_000 }, (_, index): Cells => [`m${index}`]);
  const many = await upload(admin, await workbook({ Models: rows }));
  assert.deepEqual([many.status, /more than 5000 rows/.test(many.message)], [400, true]);
  const cell = "x".repeat(30_000);
  const bomb = await writeXlsx({
    sheets: [{ name: "Models", rows: Array.from({ length: 1_200 }, () => [cell]) }],
    stringMode: "inline",
  });
  assert.ok(bomb.length < 1024 * 1024, "the bomb is small");
  const large = await upload(admin, bomb);
  assert.deepEqual([large.status, /larger than 32 MiB unpacked/.test(large.message)], [400, true]);
  const huge = await upload(admin, new Uint8Array(10 * 1024 * 1024 + 1));
  assert.equal(huge.status, 413);
});

Deno.test("the answer to a small workbook of large cells stays small", async () => {
  await using admin = await startAdmin();
  const long = "n".repeat(30_000);
  const rows = Array.from({ length: 1_000 }, (): Cells => [long, long, long, long, long, long, long]);
  const bytes = await workbook({ Providers: rows, Models: rows, Associations: rows });
  const { status, data, text } = await upload(admin, bytes);
  assert.deepEqual([status, data.summary.total_errors], [200, 3_000]);
  assert.ok(text.length < 1024 * 1024, `${text.length} characters`);
});

Deno.test("unpackedSize() does not believe an archive that hides a size", async () => {
  const good = await workbook({ Models: [["m"]] });
  const size = unpackedSize(good);
  assert.ok(size !== null && size > good.length / 2);
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
  const entry = good.findLastIndex((_, at) =>
    at + 4 <= good.length && view(good).getUint32(at, true) === 0x02014b50
  );
  for (const [at, value] of [[24, 0], [24, 0xffffffff], [20, 0xffffffff], [20, 0]] as const) {
    const changed = good.slice();
    view(changed).setUint32(entry + at, value, true);
    assert.equal(unpackedSize(changed), null, `${at} = ${value}`);
  }
  assert.equal(unpackedSize(new Uint8Array(100)), null);
});
