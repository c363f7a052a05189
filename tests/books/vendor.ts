/**
 * All vendors of a run: one scripted upstream that plays each attempt as the request's plan says, whichever provider
 * it came through, and keeps a list of who was asked.
 *
 * @module
 */
import { close, hang, type Reply, reset, until, write } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";
import { type Plan, planOf, type Turn } from "./plan.ts";
import { answerOf, beginningOf, errorOf, halfOf, numberIn } from "./wires.ts";

/** A limit that is over at once, so that the providers take turns for the whole run. */
const SOON = { "retry-after-ms": "20" };

/** What vendor and client tell each other about a request. */
interface Signals {
  /** The vendor has the request. */
  readonly arrived: PromiseWithResolvers<void>;
  /** The client has read the first text. */
  readonly read: PromiseWithResolvers<void>;
}

/** The vendors. */
export class Vendor implements AsyncDisposable {
  readonly #upstream: ScriptedUpstream;
  /** Names of the providers that were asked, by request. */
  readonly #asked = new Map<number, string[]>();
  readonly #signals = new Map<number, Signals>();

  private constructor(upstream: ScriptedUpstream) {
    this.#upstream = upstream;
    upstream.fallback = (request) => this.#answer(request);
  }

  static async start(): Promise<Vendor> {
    return new Vendor(await ScriptedUpstream.start());
  }

  /** Base URL of a provider, to which a protocol's path is added. */
  urlOf(provider: string): string {
    return `${this.#upstream.url}/${provider}`;
  }

  /** The providers that a request went to, in order. */
  asked(number: number): readonly string[] {
    return this.#asked.get(number) ?? [];
  }

  /** Settles when the request has come. */
  arrived(number: number): Promise<void> {
    return this.#signalsOf(number).arrived.promise;
  }

  /** The client has read the first text of its answer. */
  wasRead(number: number): void {
    this.#signalsOf(number).read.resolve();
  }

  /** Forgets what is no longer of interest about a request. */
  forget(number: number): void {
    this.#signals.delete(number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream.stop();
  }

  #answer(request: UpstreamRequest): Reply {
    const plan = planOf(numberIn(request.text));
    const provider = request.target.split("/")[1] ?? "";
    const asked = this.#asked.get(plan.number);
    if (asked === undefined) this.#asked.set(plan.number, [provider]);
    else asked.push(provider);
    // Nothing else of a run is asked about later.
    this.#upstream.requests.length = 0;
    this.#upstream.connections.length = 0;
    const signals = this.#signalsOf(plan.number);
    signals.arrived.resolve();
    const turn = plan.turns[(asked?.length ?? 1) - 1];
    return turn === undefined ? errorOf(plan, 500, "one_attempt_too_many") : this.#play(turn, plan, signals);
  }

  #play(turn: Turn, plan: Plan, { read }: Signals): Reply {
    switch (turn) {
      case "answer":
        return answerOf(plan, true);
      case "incomplete":
        return answerOf(plan, false);
      case "server_error":
        return errorOf(plan, 500, "server_error");
      case "rate_limit":
        return errorOf(plan, 429, "rate_limit_error", SOON);
      case "caller_fault":
        return errorOf(plan, 400, "invalid_request_error");
      case "cut":
        return plan.stream
          ? [...beginningOf(plan), until(read.promise), write("0\r\n\r\n")]
          : [halfOf(plan), close];
      case "broken":
        return plan.stream ? [...beginningOf(plan), until(read.promise), reset] : [halfOf(plan), reset];
      case "silent":
        return plan.stream ? [...beginningOf(plan), hang] : [hang];
    }
  }

  #signalsOf(number: number): Signals {
    const known = this.#signals.get(number);
    if (known !== undefined) return known;
    const signals = { arrived: Promise.withResolvers<void>(), read: Promise.withResolvers<void>() };
    this.#signals.set(number, signals);
    return signals;
  }
}
