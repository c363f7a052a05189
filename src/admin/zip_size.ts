/**
 * How large the files of a ZIP archive say they are, unpacked
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). The library that unpacks them gives up where a file is
 * larger than it says, so their sum is what reading the archive can cost.
 *
 * @module
 */

const END_MARK = 0x06054b50, END_BYTES = 22;
const ENTRY_MARK = 0x02014b50, ENTRY_BYTES = 46;
/** The comment at the end of an archive is at most this long. */
const COMMENT_BYTES = 65_535;
/** In place of a number that stands in another format, for archives of more than 4 GiB. */
const ELSEWHERE = 0xffffffff, MANY = 0xffff;
/** Flag of an entry whose sizes may stand behind its data. */
const SIZES_BEHIND = 8;

/** The sum in bytes; `null` = it is no archive, or one that does not say it. */
export function unpackedSize(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(view);
  if (end === null) return null;
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count === MANY || at === ELSEWHERE || view.getUint32(end + 12, true) === ELSEWHERE) return null;
  let sum = 0;
  for (let entry = 0; entry < count; entry++) {
    if (at + ENTRY_BYTES > view.byteLength || view.getUint32(at, true) !== ENTRY_MARK) return null;
    const packed = view.getUint32(at + 20, true);
    const unpacked = view.getUint32(at + 24, true);
    // Without a number of its own an entry could be of any size.
    const isSilent = packed === ELSEWHERE || unpacked === ELSEWHERE || (unpacked === 0 && packed > 2);
    const mayStandBehind = packed === 0 && (view.getUint16(at + 8, true) & SIZES_BEHIND) !== 0;
    if (isSilent || mayStandBehind || (packed === 0 && unpacked > 0)) return null;
    sum += Math.max(packed, unpacked);
    at += ENTRY_BYTES + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) +
      view.getUint16(at + 32, true);
  }
  return sum;
}

function endOfDirectory(view: DataView): number | null {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - COMMENT_BYTES); at--) {
    if (view.getUint32(at, true) === END_MARK) return at;
  }
  return null;
}
