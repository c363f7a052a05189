/**
 * What the load client asks and what the mock upstream answers. The model's name chooses the answer.
 *
 * @module
 */

/** An answer of the mock upstream. */
export interface Shape {
  /** Model name; also the name at the upstream, so that direct calls and the gateway's send the same body. */
  readonly model: string;
  /** Events of a stream; 0 = a whole JSON answer. */
  readonly events: number;
  /** Time between events, in milliseconds; 0 = a burst, several events a write. */
  readonly paceMs: number;
}

export const SHAPES: readonly Shape[] = [
  { model: "bench-json", events: 0, paceMs: 0 },
  { model: "bench-burst-50", events: 50, paceMs: 0 },
  { model: "bench-burst-500", events: 500, paceMs: 0 },
  { model: "bench-paced-50", events: 50, paceMs: 20 },
  { model: "bench-paced-500", events: 500, paceMs: 20 },
  { model: "bench-slow-100", events: 100, paceMs: 100 },
];

/** Events that a burst writes at once, as a vendor's proxy does under load. */
const EVENTS_PER_WRITE = 10;
/** Length of a request's body, in bytes. */
const REQUEST_BYTES = 900;
/** Length of a JSON answer's body, in bytes. */
const ANSWER_BYTES = 1_100;

const encoder = new TextEncoder();

/** The whole request as it goes over the wire. */
export function requestBytes(shape: Shape, host: string, token: string): Uint8Array {
  const body = {
    model: shape.model,
    ...(shape.events > 0 ? { stream: true, stream_options: { include_usage: true } } : {}),
    messages: [
      { role: "system", content: "You are a terse assistant." },
      { role: "user", content: "" },
    ],
    temperature: 0.2,
  };
  const text = padded(body, REQUEST_BYTES, (filler) => {
    body.messages[1] = { role: "user", content: filler };
  });
  return encoder.encode(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: application/json\r\naccept: */*\r\nuser-agent: llmio-bench\r\n` +
      `content-length: ${encoder.encode(text).length}\r\n\r\n${text}`,
  );
}

/** The whole answer, as the writes in which it is sent. */
export function answerWrites(shape: Shape): readonly Uint8Array[] {
  if (shape.events === 0) {
    const text = jsonAnswer();
    return [
      encoder.encode(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n` +
          `content-length: ${encoder.encode(text).length}\r\n\r\n${text}`,
      ),
    ];
  }
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\n" +
    "transfer-encoding: chunked\r\n\r\n";
  const chunks = events(shape.events).map((event) => `${event.length.toString(16)}\r\n${event}\r\n`);
  chunks[chunks.length - 1] += "0\r\n\r\n";
  const perWrite = shape.paceMs > 0 ? 1 : EVENTS_PER_WRITE;
  const writes: string[] = [];
  for (let at = 0; at < chunks.length; at += perWrite) writes.push(chunks.slice(at, at + perWrite).join(""));
  writes[0] = head + writes[0];
  return writes.map((text) => encoder.encode(text));
}

const USAGE = { prompt_tokens: 180, completion_tokens: 160, total_tokens: 340 };

/** Text events, then the finish, the usage and the end mark: `count` in all. The first carries text already. */
function events(count: number): string[] {
  const chunk = (choices: unknown, usage: unknown = null) =>
    `data: ${
      JSON.stringify({
        id: "chatcmpl-bench",
        object: "chat.completion.chunk",
        created: 1_760_000_000,
        model: "bench",
        choices,
        usage,
      })
    }\n\n`;
  const texts = Array.from(
    { length: count - 3 },
    (_, index) => chunk([{ index: 0, delta: { content: ` word${index}` }, finish_reason: null }]),
  );
  return [
    ...texts,
    chunk([{ index: 0, delta: {}, finish_reason: "stop" }]),
    chunk([], USAGE),
    "data: [DONE]\n\n",
  ];
}

function jsonAnswer(): string {
  const message = { role: "assistant", content: "" };
  const answer = {
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1_760_000_000,
    model: "bench",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage: USAGE,
  };
  return padded(answer, ANSWER_BYTES, (filler) => message.content = filler);
}

/** `value` as JSON of this length, reached by setting a text in it. */
function padded(value: unknown, length: number, set: (filler: string) => void): string {
  set("");
  const missing = length - JSON.stringify(value).length;
  set("lorem ipsum ".repeat(Math.ceil(missing / 12)).slice(0, Math.max(0, missing)));
  return JSON.stringify(value);
}
