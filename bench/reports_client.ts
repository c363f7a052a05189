/**
 * A paced load client: requests begin at their appointed times, whether or not earlier ones have been answered. Reads
 * one order (JSON) a line, answers with the times of all requests (JSON) a line.
 *
 * A time runs from the appointed moment, so that a gateway that holds everything up for a while is seen to have held
 * up every request of that while, not one.
 *
 * @module
 */
import { TextLineStream } from "./lines.ts";
import { requestBytes, SHAPES } from "./payloads.ts";

/** What to do for a while. */
export interface PacedOrder {
  readonly hostname: string;
  readonly port: number;
  readonly token: string;
  readonly model: string;
  readonly perSecond: number;
  readonly seconds: number;
}

/** What came of it. */
export interface PacedResult {
  /** Appointed moment to whole answer, milliseconds. */
  readonly times: readonly number[];
  readonly errors: number;
  readonly firstError: string | null;
}

const decoder = new TextDecoder("latin1");

if (import.meta.main) {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const result = await carryOut(JSON.parse(line));
    await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
  }
}

async function carryOut(order: PacedOrder): Promise<PacedResult> {
  const shape = SHAPES.find(({ model }) => model === order.model);
  if (!shape) throw new Error(`no such model: ${order.model}`);
  const request = requestBytes(shape, `${order.hostname}:${order.port}`, order.token);
  const idle: Deno.TcpConn[] = [];
  const times: number[] = [];
  const errors: unknown[] = [];
  const running = new Set<Promise<void>>();
  const startedAt = performance.now();
  for (let n = 0; n < order.perSecond * order.seconds; n++) {
    const appointedAt = startedAt + n * 1000 / order.perSecond;
    const early = appointedAt - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    const exchange = ask(order, request, idle)
      .then(() => times.push(performance.now() - appointedAt), (error) => errors.push(error))
      .then(() => {
        running.delete(exchange);
      });
    running.add(exchange);
  }
  await Promise.all(running);
  for (const connection of idle) connection.close();
  const firstError = errors.length === 0 ? null : String(errors[0]);
  return { times, errors: errors.length, firstError };
}

/** One exchange, on a connection that is idle or else on a new one. */
async function ask(
  { hostname, port }: PacedOrder,
  request: Uint8Array,
  idle: Deno.TcpConn[],
): Promise<void> {
  const connection = idle.pop() ?? await Deno.connect({ hostname, port });
  try {
    connection.setNoDelay(true);
    for (let sent = 0; sent < request.length;) sent += await connection.write(request.subarray(sent));
    await readAnswer(connection);
    idle.push(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Reads one answer of a stated length. */
async function readAnswer(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the connection was closed within an answer");
    text += decoder.decode(buffer.subarray(0, count));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!text.startsWith("HTTP/1.1 200 ")) throw new Error(text.slice(0, 300).replace(/\s+/g, " "));
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? NaN);
    if (Number.isNaN(length)) throw new Error("an answer without a length");
    if (text.length >= end + 4 + length) return;
  }
}
