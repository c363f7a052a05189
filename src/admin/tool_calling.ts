/**
 * The tool-calling test: a model has to ask for two tools in turn, and each time gets an answer.
 *
 * llmio calls it "react". Its events, told to the web UI while the test runs: `start`, `message`, `toolcall`, `toolres`,
 * and `success` or `error` at the end.
 *
 * @module
 */
import { withoutSecrets } from "../access/scrub.ts";
import { relay } from "../gateway/relay.ts";
import { SseReader } from "../gateway/sse.ts";
import { asArray, asObject, asString, type JsonObject } from "../protocols/json_access.ts";
import { openaiChat } from "../protocols/openai/chat.ts";
import { ask, type TestedRoute, testFailure, type TestTools } from "./test_call.ts";

/** One event of the test. */
export interface ToolTestEvent {
  readonly name: "start" | "message" | "toolcall" | "toolres" | "error" | "success";
  readonly text: string;
}

/** A call that the model asks for. */
interface ToolCall {
  readonly index: number;
  readonly id: string;
  name: string;
  arguments: string;
}

/** What a model says in one round. */
interface Turn {
  content: string;
  readonly calls: ToolCall[];
}

/** A model that never comes to an end is stopped: by its rounds, or by what it says in one of them. */
const MAX_ROUNDS = 20;
const MAX_TURN_BYTES = 8 * 1024 * 1024;
const MAX_TURN_CALLS = 100;

class EndlessTurn extends Error {
  constructor() {
    super(
      `the model says more than ${
        MAX_TURN_BYTES / 1024 / 1024
      } MiB or calls more than ${MAX_TURN_CALLS} tools at once`,
    );
  }
}

const QUESTION =
  "请使用工具 get_weather 先查询南京的天气，得到结果后再查询北京的天气（每次只查询一个城市），最后比较两地的天气。";

const TOOLS = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the weather of one city.",
    parameters: {
      type: "object",
      properties: { location: { type: "string", description: "The city." } },
      required: ["location"],
    },
  },
}];

/** Where the weather is asked for, in this order, and what it is there. */
const CITIES = [
  { name: "Nanjing", pattern: /南京|nanjing/i, weather: "南京：晴，18°C" },
  { name: "Beijing", pattern: /北京|beijing/i, weather: "北京：多云，9°C" },
] as const;

/** Runs the test. Ends after `success` or `error`, or silently when the caller has gone. */
export async function* toolCallingTest(
  route: TestedRoute,
  tools: TestTools,
  headers: Headers,
  abort: AbortController,
): AsyncGenerator<ToolTestEvent> {
  const { target, protocol } = route;
  if (protocol !== "openai") {
    yield {
      name: "error",
      text: `this test is for providers of type openai; ${target.providerName} is ${protocol}`,
    };
    return;
  }
  const startedAt = performance.now();
  yield { name: "start", text: `${target.providerName} / ${target.providerModel}: ${QUESTION}` };
  const messages: JsonObject[] = [{ role: "user", content: QUESTION }];
  const asked: { round: number; city: string }[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const turn = yield* oneTurn(route, messages, { tools, headers, abort });
    if (turn === null) return;
    if (turn.calls.length === 0) {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      const fault = faultIn(asked);
      yield fault === null
        ? { name: "success", text: `passed in ${seconds} s` }
        : { name: "error", text: fault };
      return;
    }
    messages.push({
      role: "assistant",
      content: turn.content,
      tool_calls: turn.calls.map((call) => ({
        id: call.id,
        type: "function",
        function: { name: call.name, arguments: call.arguments },
      })),
    });
    for (const call of turn.calls) {
      const { city, answer } = answerOf(call);
      asked.push({ round, city });
      const said = JSON.stringify({ name: call.name, arguments: call.arguments });
      yield { name: "toolcall", text: withoutSecrets(said, route.target.secrets) };
      yield { name: "toolres", text: JSON.stringify(answer) };
      messages.push({ role: "tool", tool_call_id: call.id, content: JSON.stringify(answer) });
    }
  }
  yield { name: "error", text: `the model still asks for tools after ${MAX_ROUNDS} rounds` };
}

/** One call of the model. @returns `null` when it has failed, and has said so */
async function* oneTurn(
  route: TestedRoute,
  messages: readonly JsonObject[],
  call: { readonly tools: TestTools; readonly headers: Headers; readonly abort: AbortController },
): AsyncGenerator<ToolTestEvent, Turn | null> {
  const { secrets } = route.target;
  const body = { model: "", messages, tools: TOOLS, stream: true };
  const result = await ask(route, { operation: openaiChat, body, stream: true }, call);
  const turn: Turn = { content: "", calls: [] };
  if (result.type === "failed") {
    if (!call.abort.signal.aborted) yield { name: "error", text: testFailure(result, secrets).message };
    return null;
  }
  if (result.type === "whole") {
    if (result.body.length > MAX_TURN_BYTES) {
      yield { name: "error", text: new EndlessTurn().message };
      return null;
    }
    // It was asked for a stream; that it answers in one piece is no fault of its tool calls.
    const text = readChoice(JSON.parse(new TextDecoder().decode(result.body)), "message", turn);
    if (text !== "") yield { name: "message", text: withoutSecrets(text, secrets) };
    return turn;
  }
  let fault = null as string | null;
  const bytes = relay(result.pump, result.gate, () => "", (outcome) => {
    if (outcome.type !== "success") fault = "detail" in outcome ? outcome.detail : outcome.type;
  });
  try {
    for await (const text of deltas(bytes, turn)) {
      if (text !== "") yield { name: "message", text: withoutSecrets(text, secrets) };
    }
  } catch (error) {
    if (error instanceof EndlessTurn) {
      // Leaving the stream has ended the call, so nothing tells whether the caller has gone too.
      yield { name: "error", text: error.message };
      return null;
    }
    fault ??= error instanceof Error ? error.message : String(error);
  }
  if (fault === null) return turn;
  if (!call.abort.signal.aborted) {
    yield { name: "error", text: `the stream broke off: ${withoutSecrets(fault, secrets)}` };
  }
  return null;
}

/** The texts of a stream as they come; the calls gather in the turn. @throws {EndlessTurn} */
async function* deltas(bytes: ReadableStream<Uint8Array>, turn: Turn): AsyncGenerator<string> {
  const texts: string[] = [];
  const reader = new SseReader((event) => {
    if (event !== null) texts.push(readChoice(parseObject(event.data), "delta", turn));
  });
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    reader.push(piece);
    if (size > MAX_TURN_BYTES || turn.calls.length > MAX_TURN_CALLS) throw new EndlessTurn();
    yield* texts.splice(0);
  }
  reader.end();
  yield* texts;
}

/**
 * Adds what the first choice says to the turn. Arguments may come in any number of pieces, one included.
 *
 * @returns its text
 */
function readChoice(answer: unknown, member: "delta" | "message", turn: Turn): string {
  const said = asObject(asObject(asArray(asObject(answer)?.choices)[0])?.[member]);
  for (const [place, entry] of asArray(said?.tool_calls).entries()) {
    const piece = asObject(entry);
    const index = typeof piece?.index === "number" ? piece.index : place;
    const fn = asObject(piece?.function);
    const id = asString(piece?.id);
    const call = callOf(turn, index, id);
    call.name ||= asString(fn?.name);
    call.arguments += asString(fn?.arguments);
  }
  const text = asString(said?.content);
  turn.content += text;
  return text;
}

/** The call that a piece belongs to. Some providers give every call the index 0 and tell them apart by their ids. */
function callOf({ calls }: Turn, index: number, id: string): ToolCall {
  const known = calls.findLast((call) => id === "" ? call.index === index : call.id === id);
  if (known !== undefined) return known;
  const call = { index, id: id === "" ? `call_${calls.length}` : id, name: "", arguments: "" };
  calls.push(call);
  return call;
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

function answerOf(call: ToolCall): { city: string; answer: JsonObject } {
  if (call.name !== "get_weather") return { city: "", answer: { error: `there is no tool ${call.name}` } };
  const location = asString(parseObject(call.arguments)?.location);
  const city = CITIES.find(({ pattern }) => pattern.test(location));
  return city === undefined
    ? { city: "", answer: { error: "location must be Nanjing or Beijing" } }
    : { city: city.name, answer: { location, weather: city.weather } };
}

/** What is wrong with the calls that the model has made; `null` = nothing. */
function faultIn(asked: readonly { readonly round: number; readonly city: string }[]): string | null {
  const isRight = asked.length === CITIES.length &&
    asked.every(({ round, city }, index) => round === index && city === CITIES[index]?.name);
  if (isRight) return null;
  const seen = asked.map(({ round, city }) => `${city || "something else"} in round ${round}`).join(", ");
  return `expected a call for Nanjing in round 0 and one for Beijing in round 1, got ${seen || "none"}`;
}
