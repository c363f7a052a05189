/** Limits of a client's key: requests and tokens a minute, requests at once, budgets. @module */
import type { AuthKeyLimits, KeySpending, RecentUse } from "../store/auth_keys.ts";
import type { Allowance, Standing } from "../protocols/protocol.ts";
import {
  type BudgetHold,
  type BudgetRefusal,
  type BudgetRules,
  KeyBudget,
  longerRefusal,
  SOON_MS,
} from "./budget.ts";
import type { BudgetCalendar } from "./budget_calendar.ts";
import { SlidingMinute } from "./sliding_minute.ts";

/** What a request uses, or may use at most. */
export interface RequestUse {
  /** Prompt and completion. */
  readonly tokens: number;
  /** In `currency`; 0 when unknown. */
  readonly cost: number;
  /** `USD`, `CNY`, or any other name, which counts as the budget's own currency. */
  readonly currency: string;
}

/** A place among the key's requests under way, taken before it is known what the request asks for. */
export interface Entrance {
  readonly ok: true;
  /**
   * Admits the request, once, or says which limit stands in the way.
   *
   * @param estimate what it may use at most, all its attempts together
   */
  admit(estimate: RequestUse): Permit | LimitRefusal;
  /** The request goes no further: gives the place back. Does nothing once it was admitted; its permit does it then. */
  leave(): void;
}

/** The leave to serve one request. */
export interface Permit {
  readonly ok: true;
  /**
   * Counts what an attempt of the request has used: once for each attempt that used anything. Counts also after
   * `release`, for what becomes known late.
   */
  spent(use: RequestUse): void;
  /** The request is over: gives back its place and what was set aside for it. Further calls do nothing. */
  release(): void;
}

/** Says which limit stands in the way of a request. Nothing has been taken. */
export interface LimitRefusal {
  readonly ok: false;
  /** The limit that stands longest in the way, so that who waits does not meet the next one. */
  readonly limit: "requests_per_minute" | "tokens_per_minute" | "max_concurrent" | BudgetRefusal["limit"];
  /** For the client: names the limit and its size, and says what to do. */
  readonly message: string;
  /**
   * When to try again; `null` = waiting does not help. Exact where time alone decides, 1 s where requests under way
   * have to end first.
   */
  readonly retryAfterMs: number | null;
}

/** The part of a key's row that limits it. */
export type LimitRules = Readonly<AuthKeyLimits> & BudgetRules;

/** What all keys share. */
export interface LimitsSetting {
  /** Epoch milliseconds. */
  now(): number;
  readonly calendar: BudgetCalendar;
  /** What a US dollar costs in yuan. */
  readonly cnyPerUsd: number;
}

/** More than any request can use; keeps an estimate of "no bound" countable. */
const MOST_TOKENS = 1e12;

/**
 * Counts what one key uses and holds it to its limits.
 *
 * A request takes its place among those at once first, and whatever else it needs together, so that a refusal takes
 * nothing more. Everything is counted whether or not there is a limit: one that is set or lowered later acts at once on
 * what has been used already. A limit of 0 admits nothing.
 *
 * Tokens: the estimate is set aside until the request is over, and a request is admitted while *used in the last
 * minute + set aside + its own estimate ≤ limit*. With estimates that are never too low, no 60 seconds see more
 * tokens than that. An estimate above the limit counts as the limit: such a request is admitted when nothing else
 * stands in the minute, so that a small limit lets large requests through one at a time rather than never.
 */
export class KeyLimits {
  readonly #setting: LimitsSetting;
  readonly #requests = new SlidingMinute();
  readonly #tokens = new SlidingMinute();
  readonly #budget: KeyBudget;
  #rules: LimitRules;
  #underWay = 0;
  #reservedTokens = 0;

  constructor(setting: LimitsSetting, rules: LimitRules) {
    this.#setting = setting;
    this.#budget = new KeyBudget(setting.calendar, setting.cnyPerUsd);
    this.#rules = rules;
    this.#budget.useRules(rules);
  }

  /** Puts other limits in force at once. What has been counted stays. */
  useRules(rules: LimitRules): void {
    this.#rules = rules;
    this.#budget.useRules(rules);
  }

  /** Whether some limit is on what requests use, so that an estimate of it is wanted. */
  get measuresUse(): boolean {
    const { tokensPerMinute, budgetDay, budgetMonth, budgetTotal } = this.#rules;
    return [tokensPerMinute, budgetDay, budgetMonth, budgetTotal].some((limit) => limit !== null);
  }

  /** Adds what earlier runs have seen the key spend in one currency. */
  restoreSpending(spending: KeySpending): void {
    this.#budget.restore(this.#setting.now(), spending);
  }

  /** Adds what earlier runs have seen the key ask for in one second. */
  restoreRecent({ second, requests, tokens }: RecentUse): void {
    const now = this.#setting.now();
    this.#requests.addAt(now, second, whole(requests));
    this.#tokens.addAt(now, second, whole(tokens));
  }

  /**
   * Lets one request in, before its body is read, or says which limit stands in the way whatever it asks for. So a key
   * has no more bodies on their way, and in memory, than requests at once.
   */
  enter(): Entrance | LimitRefusal {
    const now = this.#setting.now();
    const refusal = longerRefusal(this.#refusal(now), this.#placeRefusal());
    if (refusal !== null) return refusal;
    this.#underWay++;
    let isHeld = true;
    return {
      ok: true,
      admit: (estimate) => {
        const permit = this.#admit(estimate);
        if (permit.ok) isHeld = false;
        return permit;
      },
      leave: () => {
        if (isHeld) this.#underWay--;
        isHeld = false;
      },
    };
  }

  /** Admits a request that has its place; the permit gives it back. */
  #admit(estimate: RequestUse): Permit | LimitRefusal {
    const now = this.#setting.now();
    const wanted = whole(estimate.tokens);
    const tokens = Math.min(wanted, this.#rules.tokensPerMinute ?? MOST_TOKENS);
    const refusal = longerRefusal(this.#refusal(now), this.#tokenRefusal(now, wanted, tokens));
    if (refusal !== null) return refusal;
    this.#requests.add(now, 1);
    this.#reservedTokens += tokens;
    const hold = this.#budget.reserve(now, estimate.cost, estimate.currency);
    return new HeldPermit(hold, (used) => this.#tokens.add(this.#setting.now(), used), () => {
      this.#underWay--;
      this.#reservedTokens -= tokens;
    });
  }

  /** How much is left of the limits by the minute. */
  standing(): Standing {
    const now = this.#setting.now();
    const { requestsPerMinute, tokensPerMinute } = this.#rules;
    return {
      requests: requestsPerMinute === null ? null : standing(this.#requests, requestsPerMinute, 0, now),
      tokens: tokensPerMinute === null
        ? null
        : standing(this.#tokens, tokensPerMinute, this.#reservedTokens, now),
    };
  }

  /** What stands in the way of any request. Asked twice: others may have been admitted while a body was read. */
  #refusal(now: number): LimitRefusal | null {
    return longerRefusal<LimitRefusal>(this.#budget.refusal(now), this.#requestRefusal(now));
  }

  #requestRefusal(now: number): LimitRefusal | null {
    const most = this.#rules.requestsPerMinute;
    if (most === null || this.#requests.sum(now) + 1 <= most) return null;
    const may = `This key may make ${most} ${most === 1 ? "request" : "requests"} a minute`;
    if (most < 1) return blocked("requests_per_minute", may);
    const retryAfterMs = this.#requests.untilAtMost(now, most - 1);
    return {
      ok: false,
      limit: "requests_per_minute",
      message: `${may}; try again in ${inSeconds(retryAfterMs)}`,
      retryAfterMs,
    };
  }

  #tokenRefusal(now: number, wanted: number, tokens: number): LimitRefusal | null {
    const most = this.#rules.tokensPerMinute;
    if (most === null) return null;
    const taken = this.#tokens.sum(now) + this.#reservedTokens;
    if (most > 0 && taken + tokens <= most) return null;
    const may = `This key may use ${most} ${most === 1 ? "token" : "tokens"} a minute`;
    if (most <= 0) return blocked("tokens_per_minute", may);
    const room = most - tokens - this.#reservedTokens;
    const retryAfterMs = room >= 0
      ? this.#tokens.untilAtMost(now, room)
      // At best, what is under way ends now and has used nothing.
      : Math.max(SOON_MS, this.#tokens.untilAtMost(now, most - tokens));
    return {
      ok: false,
      limit: "tokens_per_minute",
      message: `${may}, and this request may need ${wanted}; try again in ${inSeconds(retryAfterMs)}, ` +
        "or ask for less output",
      retryAfterMs,
    };
  }

  #placeRefusal(): LimitRefusal | null {
    const most = this.#rules.maxConcurrent;
    if (most === null || this.#underWay + 1 <= most) return null;
    const may = `This key may have ${most} ${most === 1 ? "request" : "requests"} under way at once`;
    if (most < 1) return blocked("max_concurrent", may);
    return {
      ok: false,
      limit: "max_concurrent",
      message: `${may}; try again when one has ended`,
      retryAfterMs: SOON_MS,
    };
  }
}

class HeldPermit implements Permit {
  readonly ok = true;
  readonly #hold: BudgetHold;
  readonly #countTokens: (tokens: number) => void;
  readonly #giveBack: () => void;
  #released = false;

  constructor(hold: BudgetHold, countTokens: (tokens: number) => void, giveBack: () => void) {
    this.#hold = hold;
    this.#countTokens = countTokens;
    this.#giveBack = giveBack;
  }

  spent(use: RequestUse): void {
    this.#countTokens(whole(use.tokens));
    this.#hold.spent(use.cost, use.currency);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#hold.release();
    this.#giveBack();
  }
}

function blocked(limit: LimitRefusal["limit"], may: string): LimitRefusal {
  return {
    ok: false,
    limit,
    message: `${may}, so it admits nothing; ask for a larger limit`,
    retryAfterMs: null,
  };
}

function standing(used: SlidingMinute, limit: number, reserved: number, now: number): Allowance {
  const resetMs = used.untilAtMost(now, 0);
  return {
    limit,
    remaining: Math.max(0, limit - used.sum(now) - reserved),
    resetMs: reserved > 0 ? Math.max(resetMs, FULL_TURN_MS - now % 1000) : resetMs,
  };
}

/** What is counted now is gone when 61 seconds have begun. */
const FULL_TURN_MS = 61_000;

function inSeconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}

/** A number of tokens or requests that can be added up. */
function whole(count: number): number {
  return count > 0 ? Math.min(Math.ceil(count), MOST_TOKENS) : 0;
}
