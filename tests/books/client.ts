/**
 * The client's side of a run: sends requests, so many at a time, does with each what its plan says, and keeps its own
 * count of what it was served.
 *
 * @module
 */
import assert from "node:assert/strict";
import { entriesOf, type Entry } from "./entries.ts";
import type { Caller, GatewayProcess } from "./gateway_process.ts";
import { type Plan, planOf, STRANGER } from "./plan.ts";
import type { Vendor } from "./vendor.ts";
import { requestOf, textOf } from "./wires.ts";

/** How a load is sent. */
export interface LoadOptions {
  readonly from: number;
  readonly count: number;
  /** Requests under way at a time. */
  readonly concurrency: number;
  /** No more than so many requests begin a second. @default {Infinity} */
  readonly perSecond?: number;
  /** No further request begins once this is aborted. */
  readonly signal?: AbortSignal;
  /** Requests may be refused or broken off, since the gateway stops or is killed. @default {false} */
  readonly mayBreak?: boolean;
}

/** One request, as the client has seen it. */
export interface Sighting {
  readonly plan: Plan;
  readonly traceId: string | null;
  readonly tookMs: number;
  /** `performance.now()` of its end. */
  readonly endedAt: number;
  /** `refused` = no answer came. */
  readonly end: "as_planned" | "refused";
}

/** What a client knows of a run. */
export class Client {
  readonly sightings: Sighting[] = [];
  /** Requests that the gateway has broken off, if it may. */
  readonly broken: number[] = [];

  constructor(readonly callers: readonly Caller[], readonly vendor: Vendor) {}

  /** Sends a load and waits for its end. */
  async load(gateway: Pick<GatewayProcess, "url">, options: LoadOptions): Promise<void> {
    const { from, count, concurrency, perSecond = Infinity, signal, mayBreak = false } = options;
    const startedAt = performance.now();
    let next = 0;
    const work = async () => {
      for (;;) {
        const index = next++;
        if (index >= count) return;
        const early = startedAt + index * 1000 / perSecond - performance.now();
        if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
        if (signal?.aborted === true) return;
        await this.#send(gateway.url, planOf(from + index), mayBreak);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  /** The slowest request, milliseconds. */
  get slowestMs(): number {
    return this.sightings.reduce((most, { tookMs }) => Math.max(most, tookMs), 0);
  }

  /** The entries that the gateway's books must hold. */
  entries(): Entry[] {
    return this.sightings.filter(({ plan, end }) => plan.caller !== STRANGER && end === "as_planned")
      .flatMap(({ plan }) => {
        const asked = this.vendor.asked(plan.number);
        assert.equal(asked.length, plan.turns.length, `attempts of request ${plan.number}`);
        return entriesOf(plan, this.callers[plan.caller]?.id ?? 0, asked);
      });
  }

  /** How many requests each key has made. */
  usesByKey(): Map<number, number> {
    const uses = new Map(this.callers.map(({ id }) => [id, 0]));
    for (const { plan, end } of this.sightings) {
      if (plan.caller === STRANGER || end === "refused") continue;
      const id = this.callers[plan.caller]?.id ?? 0;
      uses.set(id, (uses.get(id) ?? 0) + 1);
    }
    return uses;
  }

  async #send(url: string, plan: Plan, mayBreak: boolean): Promise<void> {
    const startedAt = performance.now();
    const seen: { traceId: string | null } = { traceId: null };
    const note = (end: Sighting["end"]) => {
      const endedAt = performance.now();
      this.sightings.push({ plan, ...seen, tookMs: endedAt - startedAt, endedAt, end });
    };
    try {
      await this.#exchange(url, plan, seen);
      note("as_planned");
    } catch (error) {
      if (!mayBreak || error instanceof assert.AssertionError) throw error;
      // A request that nobody answered and no vendor has seen was never let in.
      if (seen.traceId === null && this.vendor.asked(plan.number).length === 0) note("refused");
      else this.broken.push(plan.number);
    } finally {
      this.vendor.forget(plan.number);
    }
  }

  async #exchange(
    url: string,
    plan: Plan,
    seen: { traceId: string | null },
  ): Promise<void> {
    const credential = this.callers[plan.caller]?.credential ?? "sk-llmio-of-nobody";
    const { path, headers, body } = requestOf(plan, credential);
    const leaving = new AbortController();
    const asking = fetch(url + path, {
      method: "POST",
      headers,
      // Text would be sent a second time, behind our back, when a connection that was used before is lost.
      body: new Blob([body]),
      signal: leaving.signal,
    });
    if (plan.status === 0) return await this.#leaveUnanswered(plan, asking, leaving);
    const response = await asking;
    seen.traceId = response.headers.get("x-llmio-trace-id");
    const what = `request ${plan.number} (${plan.protocol}, ${plan.turns})`;
    if (response.status !== plan.status) {
      assert.fail(`${what}: ${response.status} ${await response.text()}`);
    }
    const attempts = Number(response.headers.get("x-llmio-attempts"));
    assert.equal(attempts, plan.turns.length, `attempts that ${what} has seen`);
    if (plan.end === "error") {
      assert.match(await response.text(), /"error"/, what);
      return;
    }
    const { text, wasCut } = await this.#read(plan, response, leaving);
    assert.ok(text.includes(textOf(plan)), `${what}: ${text}`);
    // The end of a stream that broke off is an error in it, or an abort; never nothing.
    if (plan.end === "broken") assert.ok(wasCut || /"error"|response\.failed/.test(text), `${what}: ${text}`);
    if (plan.end === "answer") assert.ok(!wasCut && !/"error":\{/.test(text), `${what}: ${text}`);
    if (plan.end === "answer" && plan.stream) assert.match(text, / more/, what);
  }

  /** Waits until the vendor has the request, and hangs up. */
  async #leaveUnanswered(plan: Plan, asking: Promise<Response>, leaving: AbortController): Promise<void> {
    const left = asking.then(
      () => assert.fail(`request ${plan.number} was answered`),
      (error) => {
        if (!leaving.signal.aborted) throw error;
      },
    );
    await Promise.race([this.vendor.arrived(plan.number), left]);
    leaving.abort();
    await left;
  }

  async #read(
    plan: Plan,
    response: Response,
    leaving: AbortController,
  ): Promise<{ text: string; wasCut: boolean }> {
    const decoder = new TextDecoder();
    const first = textOf(plan);
    let text = "";
    let told = false;
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        if (told || !text.includes(first)) continue;
        told = true;
        this.vendor.wasRead(plan.number);
        if (plan.end === "hang_up") leaving.abort();
      }
    } catch (error) {
      if (plan.end === "answer") throw error;
      return { text, wasCut: true };
    }
    return { text, wasCut: false };
  }
}
