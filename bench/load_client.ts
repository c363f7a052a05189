/**
 * A closed-loop load client on raw sockets. Reads one order (JSON) a line, answers with one result a line.
 *
 * A response's end is known from its length or from the last chunk; nothing else of it is parsed.
 *
 * @module
 */
import { TextLineStream } from "./lines.ts";
import { requestBytes, SHAPES } from "./payloads.ts";

/** What to do for a while. */
export interface Order {
  readonly hostname: string;
  readonly port: number;
  readonly token: string;
  readonly model: string;
  readonly connections: number;
  readonly seconds: number;
  /** Time over which the connections begin, so that paced streams do not all start in one instant. */
  readonly staggerMs: number;
}

/** What came of it. Times are in microseconds. */
export interface Result {
  readonly seconds: number;
  readonly requests: number;
  readonly events: number;
  readonly errors: number;
  /** The first error, as it came. */
  readonly firstError: string | null;
  /** Request to whole answer. */
  readonly p50: number;
  readonly p99: number;
  /** Request to first event; for whole answers, to the first byte. */
  readonly first50: number;
  readonly first99: number;
}

interface Tally {
  requests: number;
  events: number;
  errors: number;
  firstError: string | null;
  readonly whole: number[];
  readonly first: number[];
}

const LF = 10;
const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

if (import.meta.main) {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const result = await carryOut(JSON.parse(line));
    await Deno.stdout.write(encoder.encode(`${JSON.stringify(result)}\n`));
  }
}

async function carryOut(order: Order): Promise<Result> {
  const shape = SHAPES.find(({ model }) => model === order.model);
  if (!shape) throw new Error(`no such model: ${order.model}`);
  const request = requestBytes(shape, `${order.hostname}:${order.port}`, order.token);
  const tally: Tally = { requests: 0, events: 0, errors: 0, firstError: null, whole: [], first: [] };
  const started = performance.now();
  const deadline = started + order.seconds * 1000;
  await Promise.all(
    Array.from({ length: order.connections }, async (_, index) => {
      const wait = order.staggerMs * index / order.connections;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await drive(order, request, shape.events, deadline, tally);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const { requests, events, errors, firstError, whole, first } = tally;
  return {
    seconds,
    requests,
    events,
    errors,
    firstError,
    p50: quantile(whole, 0.5),
    p99: quantile(whole, 0.99),
    first50: quantile(first, 0.5),
    first99: quantile(first, 0.99),
  };
}

/** Keeps one connection busy until the deadline; a stream that is under way then is dropped. */
async function drive(
  order: Order,
  request: Uint8Array,
  events: number,
  deadline: number,
  tally: Tally,
): Promise<void> {
  let connection = await Deno.connect(order);
  connection.setNoDelay(true);
  let overdue = false;
  const end = setTimeout(() => {
    overdue = true;
    connection.close();
  }, Math.max(0, deadline - performance.now()));
  const buffer = new Uint8Array(64 * 1024);
  while (!overdue && performance.now() < deadline) {
    try {
      await exchange(connection, request, events, buffer, tally);
    } catch (error) {
      if (overdue) return;
      tally.errors += 1;
      tally.firstError ??= error instanceof Error ? error.message : String(error);
      connection.close();
      connection = await Deno.connect(order);
      connection.setNoDelay(true);
    }
  }
  clearTimeout(end);
  if (!overdue) connection.close();
}

async function exchange(
  connection: Deno.TcpConn,
  request: Uint8Array,
  events: number,
  buffer: Uint8Array,
  tally: Tally,
): Promise<void> {
  const sentAt = performance.now();
  for (let sent = 0; sent < request.length;) sent += await connection.write(request.subarray(sent));
  let head = "";
  let bodyAt = -1;
  let length = -1;
  let received = 0;
  let seen = 0;
  let lastByte = 0;
  let tail = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the connection was closed within an answer");
    const bytes = buffer.subarray(0, count);
    received += count;
    if (bodyAt < 0) {
      head += decoder.decode(bytes);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      bodyAt = end + 4;
      if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(head.slice(0, 300).replace(/\s+/g, " "));
      length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? -1);
    }
    if (events > 0) {
      const before = seen;
      seen += countEvents(bytes, lastByte);
      tally.events += seen - before;
      if (before === 0 && seen > 0) tally.first.push((performance.now() - sentAt) * 1000);
    } else if (tally.first.length === tally.requests) {
      tally.first.push((performance.now() - sentAt) * 1000);
    }
    lastByte = bytes[count - 1] ?? 0;
    if (length >= 0) {
      if (received >= bodyAt + length) break;
    } else {
      tail = (tail + decoder.decode(bytes.subarray(-7))).slice(-7);
      if (tail.endsWith("0\r\n\r\n") && (tail.length < 7 || tail.startsWith("\r\n"))) break;
    }
  }
  if (seen !== events) throw new Error(`${seen} events came instead of ${events}`);
  tally.requests += 1;
  tally.whole.push((performance.now() - sentAt) * 1000);
}

/** Ends of events: an empty line after a line. `before` is the last byte of the piece before. */
function countEvents(bytes: Uint8Array, before: number): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if ((at === 0 ? before : bytes[at - 1]) === LF) count += 1;
  }
  return count;
}

function quantile(samples: readonly number[], q: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}
