/**
 * Times as llmio stores them: text such as `2026-05-20 12:00:00.0605+08:00`.
 *
 * Inside the program a time is epoch milliseconds; at its edge it is RFC 3339. Both are made from the stored
 * text here, and nowhere else.
 *
 * @module
 */

/** What a row without a readable time shows: the zero time of the programs that wrote it. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** Turns epoch milliseconds into the stored form, in one time zone. */
export type TimeFormatter = (epochMs: number) => string;

/**
 * Makes a formatter that writes times with the offset that `timeZone` has at that moment.
 *
 * @param timeZone IANA name; without it the zone of the process (`TZ`).
 * @throws {RangeError} when the zone is not known.
 */
export function timeFormatter(timeZone?: string): TimeFormatter {
  const offsetMinutes = timeZone === undefined
    ? (epochMs: number) => -new Date(epochMs).getTimezoneOffset()
    : zoneOffset(timeZone);
  return (epochMs) => formatTime(epochMs, offsetMinutes(epochMs));
}

/** The stored form of a time: no `T`, the fraction without trailing zeros, a numeric offset also for UTC. */
export function formatTime(epochMs: number, offsetMinutes: number): string {
  const local = new Date(Math.trunc(epochMs) + offsetMinutes * 60_000).toISOString();
  const fraction = local.slice(19, 23).replace(/\.?0+$/, "");
  const size = Math.abs(offsetMinutes);
  const offset = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction}${offset}`;
}

/** The offset of a named zone. Offsets change at quarters of an hour at most, so one answer serves a quarter. */
function zoneOffset(timeZone: string): (epochMs: number) => number {
  const clock = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  let quarter = Number.NaN;
  let offset = 0;
  return (epochMs) => {
    const wanted = Math.floor(epochMs / 900_000);
    if (wanted !== quarter) {
      const name = clock.formatToParts(epochMs).find((part) => part.type === "timeZoneName")?.value ?? "GMT";
      const match = /^GMT([+-])(\d\d):(\d\d)/.exec(name);
      const minutes = match === null ? 0 : Number(match[2]) * 60 + Number(match[3]);
      offset = match?.[1] === "-" ? -minutes : minutes;
      quarter = wanted;
    }
    return offset;
  };
}

// Every form that the old programs' driver reads: blank or T, no seconds, up to nine digits, Z, an offset or no
// zone at all (= UTC), or a bare date.
const STORED = new RegExp(
  String.raw`^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?` +
    String.raw`\s?(Z|[+-]\d\d:?\d\d)?)?$`,
  "i",
);

interface StoredTime {
  date: string;
  time: string;
  /** The digits after the dot, as stored. */
  fraction: string;
  /** `Z` or `±HH:MM`. */
  zone: string;
  epochMs: number;
}

function read(text: string): StoredTime | null {
  const match = STORED.exec(text.trim());
  if (match === null) return null;
  const [, year = "", month = "", day = "", hour = "00", minute = "00", second = "00", fraction = ""] = match;
  const date = `${year}-${month}-${day}`;
  const time = `${hour}:${minute}:${second}`;
  const ms = fraction.slice(0, 3).padEnd(3, "0");
  const asUtc = Date.parse(`${date}T${time}.${ms}Z`);
  // Date.parse rolls 31 February over to March and reads hour 24; neither is a time that anybody wrote.
  if (Number.isNaN(asUtc) || !new Date(asUtc).toISOString().startsWith(`${date}T${time}`)) return null;

  const zone = (match[8] ?? "Z").toUpperCase();
  if (zone === "Z") return { date, time, fraction, zone, epochMs: asUtc };
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return null;
  const offsetMs = (hours * 60 + minutes) * 60_000 * (zone.startsWith("-") ? -1 : 1);
  const named = `${zone.slice(0, 3)}:${zone.slice(-2)}`;
  return { date, time, fraction, zone: offsetMs === 0 ? "Z" : named, epochMs: asUtc - offsetMs };
}

/** Epoch milliseconds of a stored time in any form that old files hold; `null` when it is none. */
export function parseTime(text: string): number | null {
  return read(text)?.epochMs ?? null;
}

/** RFC 3339 with the digits and the offset of the stored text; UTC is `Z`. `null` when it is no time. */
export function toRfc3339(text: string): string | null {
  const stored = read(text);
  if (stored === null) return null;
  const { date, time, fraction, zone } = stored;
  return `${date}T${time}${fraction === "" ? "" : `.${fraction}`}${zone}`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}
