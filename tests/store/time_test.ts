import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { formatTime, parseTime, timeFormatter, toRfc3339 } from "../../src/store/time.ts";

Deno.test("formatTime() cuts trailing zeros and writes UTC as +00:00", () => {
  const second = Date.UTC(2026, 4, 20, 12);
  equal(formatTime(second, 0), "2026-05-20 12:00:00+00:00");
  equal(formatTime(second + 60, 0), "2026-05-20 12:00:00.06+00:00");
  equal(formatTime(second + 605, 480), "2026-05-20 20:00:00.605+08:00");
  equal(formatTime(second + 100, -210), "2026-05-20 08:30:00.1-03:30");
});

Deno.test("timeFormatter() follows the zone through summer time", () => {
  const paris = timeFormatter("Europe/Paris");
  equal(paris(Date.UTC(2026, 2, 29, 0, 59, 59)), "2026-03-29 01:59:59+01:00");
  equal(paris(Date.UTC(2026, 2, 29, 1)), "2026-03-29 03:00:00+02:00");
  equal(paris(Date.UTC(2026, 0, 1)), "2026-01-01 01:00:00+01:00");
  equal(timeFormatter("Asia/Kathmandu")(0), "1970-01-01 05:30:00+05:30");
  equal(timeFormatter("UTC")(0), "1970-01-01 00:00:00+00:00");
});

Deno.test("timeFormatter() without a zone uses that of the process", () => {
  const ms = Date.UTC(2026, 6, 1, 12);
  equal(timeFormatter()(ms), formatTime(ms, -new Date(ms).getTimezoneOffset()));
});

Deno.test("parseTime() reads every form that old files hold", () => {
  const noon = Date.UTC(2026, 4, 20, 12);
  const forms: Record<string, number> = {
    "2026-05-20 12:00:00+00:00": noon,
    "2026-05-20 20:00:00+08:00": noon,
    "2026-05-20 12:00:00.0605+00:00": noon + 60,
    "2026-05-20 12:00:00.123456789+00:00": noon + 123,
    "2026-05-20T12:00:00Z": noon,
    "2026-05-20 12:00:00.5Z": noon + 500,
    "2026-05-20 12:00:00": noon,
    "2026-05-20T12:00:00.5": noon + 500,
    "2026-05-20 12:00": noon,
    "2026-05-20 12:00+08:00": noon - 8 * 3_600_000,
    "2026-05-20": Date.UTC(2026, 4, 20),
  };
  deepEqual(Object.fromEntries(Object.keys(forms).map((form) => [form, parseTime(form)])), forms);
});

Deno.test("parseTime() answers null for what is no time", () => {
  for (
    const text of ["", "soon", "2026-02-31 00:00:00", "2026-05-20 25:00:00", "1779278400", "2026-05-20 12"]
  ) {
    equal(parseTime(text), null, text);
  }
});

Deno.test("toRfc3339() keeps the digits and the offset as stored", () => {
  equal(toRfc3339("2026-05-20 12:00:00.0605+08:00"), "2026-05-20T12:00:00.0605+08:00");
  equal(toRfc3339("2026-05-20 12:00:00.123456789+08:00"), "2026-05-20T12:00:00.123456789+08:00");
  equal(toRfc3339("2026-05-20 12:00:00+00:00"), "2026-05-20T12:00:00Z");
  equal(toRfc3339("2026-05-20T12:00:00.25Z"), "2026-05-20T12:00:00.25Z");
  equal(toRfc3339("2026-05-20 12:00"), "2026-05-20T12:00:00Z");
  equal(toRfc3339("2026-05-20"), "2026-05-20T00:00:00Z");
  equal(toRfc3339("nonsense"), null);
});

Deno.test("parseTime() reads back what formatTime() wrote", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
      fc.integer({ min: -14 * 60, max: 14 * 60 }),
      (ms, offset) => parseTime(formatTime(ms, offset)) === ms,
    ),
  );
});
