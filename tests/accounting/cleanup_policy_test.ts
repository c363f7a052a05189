import { deepEqual } from "node:assert/strict";
import { readCleanupPolicy } from "../../src/accounting/cleanup_policy.ts";

Deno.test("readCleanupPolicy() takes what makes sense and llmio's defaults for the rest", () => {
  const cases: [text: string, enabled: boolean, retentionDays: number, maxRows: number | null][] = [
    ['{"enabled":true,"retention_days":14}', true, 14, null],
    ['{"enabled":true,"retention_days":14,"max_rows":50000}', true, 14, 50_000],
    ['{"enabled":true,"retention_days":0}', true, 30, null],
    ['{"enabled":true,"retention_days":-3,"max_rows":0}', true, 30, null],
    ['{"enabled":true}', true, 30, null],
    ['{"enabled":true,"retention_days":1.5,"max_rows":"9"}', true, 30, null],
    ['{"enabled":"true","retention_days":7}', false, 7, null],
    ["{}", false, 30, null],
    ["", false, 30, null],
    ["not json", false, 30, null],
    ["null", false, 30, null],
    ["[1]", false, 30, null],
  ];
  for (const [text, enabled, retentionDays, maxRows] of cases) {
    deepEqual(readCleanupPolicy(text), { enabled, retentionDays, maxRows }, text);
  }
});
