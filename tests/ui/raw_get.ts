/**
 * A GET request whose target and host are sent exactly as they are written, which no HTTP client would do.
 *
 * @module
 */
import { RawConnection } from "../integration/raw_connection.ts";

/** Parts of the request that are not the usual ones. */
export interface RawGetOptions {
  /** @default "*\/*" */
  readonly accept?: string;
  /** @default the host of the URL */
  readonly host?: string;
}

/** Asks, and answers the status and everything that has come, headers included. */
export async function rawGet(
  url: string,
  target: string,
  { accept = "*/*", host = new URL(url).host }: RawGetOptions = {},
): Promise<{ status: number; text: string }> {
  await using connection = await RawConnection.open(url);
  connection.write(
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`,
  );
  await connection.until(() => connection.isClosed);
  return { status: connection.statuses[0] ?? 0, text: connection.received };
}
