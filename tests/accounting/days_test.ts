import { deepEqual, equal, throws } from "node:assert/strict";
import { Days, isDay, shiftDay } from "../../src/accounting/days.ts";

Deno.test("Days.dayOf() and clockOf() follow the zone's clock, its changes included", () => {
  const cases: [zone: string, moment: string, clock: string][] = [
    ["UTC", "2026-05-20T23:59:59.999Z", "2026-05-20 23:59:59"],
    ["Asia/Shanghai", "2026-05-20T16:00:00Z", "2026-05-21 00:00:00"],
    ["Asia/Kathmandu", "2026-05-20T18:14:59Z", "2026-05-20 23:59:59"],
    ["America/Los_Angeles", "2026-03-08T09:59:59Z", "2026-03-08 01:59:59"],
    ["America/Los_Angeles", "2026-03-08T10:00:00Z", "2026-03-08 03:00:00"],
    ["America/Los_Angeles", "2026-11-01T09:00:00Z", "2026-11-01 01:00:00"],
  ];
  for (const [zone, moment, clock] of cases) {
    const days = new Days(zone);
    deepEqual([days.clockOf(Date.parse(moment)), days.dayOf(Date.parse(moment))], [
      clock,
      clock.slice(0, 10),
    ]);
  }
  throws(() => new Days("Mars/Olympus"), RangeError);
});

Deno.test("Days.daysBefore() keeps the time of day, also over a day of 23 or 25 hours", () => {
  const days = new Days("America/Los_Angeles");
  const cases: [from: string, days: number, to: string][] = [
    ["2026-03-08T12:00:00-07:00", 1, "2026-03-07T12:00:00-08:00"],
    ["2026-11-01T12:00:00-08:00", 1, "2026-10-31T12:00:00-07:00"],
    ["2026-11-15T00:00:00.250-08:00", 30, "2026-10-16T00:00:00.250-07:00"],
    ["2026-05-20T12:00:00-07:00", 0, "2026-05-20T12:00:00-07:00"],
  ];
  for (const [from, count, to] of cases) {
    equal(days.daysBefore(Date.parse(from), count), Date.parse(to), from);
  }
});

Deno.test("shiftDay() counts calendar days and stays within four-digit years", () => {
  equal(shiftDay("2026-03-01", -1), "2026-02-28");
  equal(shiftDay("2028-02-28", 1), "2028-02-29");
  equal(shiftDay("2026-05-20", -999_999_999), "0001-01-01");
  equal(shiftDay("2026-05-20", 999_999_999), "9999-12-31");
});

Deno.test("isDay() takes days that the calendar has", () => {
  for (const day of ["2026-05-20", "2028-02-29", "0001-01-01"]) equal(isDay(day), true, day);
  for (
    const text of [
      "2026-02-29",
      "2026-13-01",
      "2026-5-2",
      "20260520",
      "2026-05-20T00:00:00Z",
      "",
      "0000-01-01",
    ]
  ) {
    equal(isDay(text), false, text);
  }
});
