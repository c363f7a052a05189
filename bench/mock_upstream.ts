/**
 * A mock upstream on a raw socket: reads just enough of a request to know its end and its model, and writes
 * prepared bytes. Prints its port as one line.
 *
 * @module
 */
import { answerWrites, SHAPES } from "./payloads.ts";

interface Answer {
  readonly writes: readonly Uint8Array[];
  readonly paceMs: number;
}

const ANSWERS = new Map<string, Answer>(
  SHAPES.map((shape) => [shape.model, { writes: answerWrites(shape), paceMs: shape.paceMs }]),
);
const decoder = new TextDecoder("latin1");

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
await Deno.stdout.write(new TextEncoder().encode(`${listener.addr.port}\n`));
for await (const connection of listener) {
  connection.setNoDelay(true);
  serve(connection).catch(() => {}).finally(() => {
    try {
      connection.close();
    } catch {
      // The gateway was faster.
    }
  });
}

async function serve(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    text += decoder.decode(buffer.subarray(0, count));
    if (!isWhole(text)) continue;
    const answer = ANSWERS.get(/"model"\s*:\s*"(bench-[a-z0-9-]+)"/.exec(text)?.[1] ?? "");
    text = "";
    if (!answer) throw new Error("a request without a bench model");
    for (const [index, bytes] of answer.writes.entries()) {
      if (answer.paceMs > 0 && index > 0) await new Promise((resolve) => setTimeout(resolve, answer.paceMs));
      await writeAll(connection, bytes);
    }
  }
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length >= end + 4 + Number(length);
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}
