/** Entries of a book, one for each attempt, and what they come to. @module */
import { type Plan, type Tokens, type Turn, UNKNOWN_MODEL } from "./plan.ts";
import { partialTokens } from "./wires.ts";

/** One attempt, or one request that was refused before any. */
export interface Entry {
  /** Id of the client's key; 0 = the admin token. */
  readonly key: number;
  readonly model: string;
  readonly protocol: string;
  /** `""` = none was asked. */
  readonly provider: string;
  readonly outcome: string;
  /** Index of the attempt within its request. */
  readonly retry: number;
  readonly prompt: number;
  readonly completion: number;
  readonly total: number;
  readonly cached: number;
  readonly written: number;
  readonly reasoning: number;
  /** Whose figures these are: the vendor's, the gateway's estimate, or nobody's. */
  readonly source: string;
}

/** What entries come to. */
export interface Sums {
  requests: number;
  attempts: number;
  successes: number;
  failures: number;
  caller_errors: number;
  cancelled: number;
  limited: number;
  gateway_errors: number;
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
}

/** Nothing. */
export const NO_SUMS: Sums = {
  requests: 0,
  attempts: 0,
  successes: 0,
  failures: 0,
  caller_errors: 0,
  cancelled: 0,
  limited: 0,
  gateway_errors: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  reasoning_tokens: 0,
};

/** Under which figure an outcome is counted. */
const FIGURE: Readonly<Record<string, keyof Sums>> = {
  completed: "successes",
  incomplete: "successes",
  caller_fault: "caller_errors",
  client_gone: "cancelled",
  rate_limit: "limited",
  server: "failures",
  network: "failures",
  bad_answer: "failures",
  gateway_fault: "gateway_errors",
};

/** The entries that a request must leave, from what is known outside of the gateway. */
export function entriesOf(plan: Plan, key: number, providers: readonly string[]): Entry[] {
  const { model, protocol } = plan;
  if (model === UNKNOWN_MODEL) {
    return [entry({ key, model, protocol, provider: "", outcome: "caller_fault", retry: 0 }, UNKNOWN)];
  }
  return providers.map((provider, retry) => {
    const turn = plan.turns[retry];
    if (turn === undefined) throw new Error(`request ${plan.number} was attempted ${providers.length} times`);
    const { outcome, usage } = endOf(turn, plan);
    return entry({ key, model, protocol, provider, outcome, retry }, usage);
  });
}

/** Tokens and where they come from. */
interface Usage extends Tokens {
  readonly source: string;
}

const NOTHING: Tokens = { prompt: 0, completion: 0, cached: 0, written: 0, reasoning: 0 };
const UNKNOWN: Usage = { ...NOTHING, source: "unknown" };
/** Only the gateway knows by how much. */
const ESTIMATED: Usage = { ...NOTHING, source: "estimated" };

function entry(
  what: Pick<Entry, "key" | "model" | "protocol" | "provider" | "outcome" | "retry">,
  usage: Usage,
): Entry {
  return { ...what, ...usage, total: usage.prompt + usage.completion };
}

function endOf(turn: Turn, plan: Plan): { outcome: string; usage: Usage } {
  const whole: Usage = { ...plan.tokens, source: "measured" };
  switch (turn) {
    case "answer":
      return { outcome: "completed", usage: whole };
    case "incomplete":
      return { outcome: turn, usage: whole };
    case "server_error":
      return { outcome: "server", usage: UNKNOWN };
    case "rate_limit":
    case "caller_fault":
      return { outcome: turn, usage: UNKNOWN };
    case "cut":
      return { outcome: plan.stream ? "bad_answer" : "network", usage: usageOfBeginning(plan) };
    case "broken":
      return { outcome: "network", usage: usageOfBeginning(plan) };
    case "silent":
      return { outcome: "client_gone", usage: usageOfBeginning(plan) };
  }
}

/** Of a stream the client has read the first text; of a whole answer it has nothing. */
function usageOfBeginning(plan: Plan): Usage {
  if (!plan.stream) return UNKNOWN;
  const tokens = partialTokens(plan);
  return tokens === null ? ESTIMATED : { ...tokens, source: "measured" };
}

/** What entries come to, by what they are told apart by. */
export function sumsBy(entries: Iterable<Entry>, group: (entry: Entry) => string): Record<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const each of entries) {
    const name = group(each);
    const figure = FIGURE[each.outcome];
    if (figure === undefined) throw new Error(`${each.outcome} is not counted anywhere`);
    let sum = sums.get(name);
    if (sum === undefined) sums.set(name, sum = { ...NO_SUMS });
    if (each.retry === 0) sum.requests++;
    sum.attempts++;
    sum[figure]++;
    sum.prompt_tokens += each.prompt;
    sum.completion_tokens += each.completion;
    sum.total_tokens += each.total;
    sum.cached_tokens += each.cached;
    sum.cache_write_tokens += each.written;
    sum.reasoning_tokens += each.reasoning;
  }
  return inOrder(sums);
}

/** Numbers of things by their names. */
export function countBy<Thing>(
  things: Iterable<Thing>,
  name: (thing: Thing) => string,
): Record<string, number> {
  const counts = new Map<string, number>();
  for (const thing of things) counts.set(name(thing), (counts.get(name(thing)) ?? 0) + 1);
  return inOrder(counts);
}

/**
 * How often each entry is there: equal for two books exactly when they hold the same entries. How much an estimate is
 * stays out of it.
 */
export function listed(entries: Iterable<Entry>): Record<string, number> {
  return countBy(entries, (each) => {
    const { key, model, protocol, provider, outcome, retry, source } = each;
    return `key ${key} ${model} ${protocol} at "${provider}" #${retry} ${outcome}: ${source}` +
      (source === "estimated" ? "" : ` ${tokensOf(each)}`);
  });
}

function tokensOf({ prompt, cached, written, completion, reasoning, total }: Entry): string {
  return `${prompt} (${cached} cached, ${written} written) + ${completion} (${reasoning} thought) = ${total}`;
}

/** By name, so that what differs stands out. */
export function inOrder<Value>(values: Iterable<readonly [string, Value]>): Record<string, Value> {
  return Object.fromEntries([...values].sort(([one], [other]) => one < other ? -1 : 1));
}
