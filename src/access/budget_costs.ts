/** Costs in several currencies as one amount. @module */
import type { Costs } from "../store/auth_keys.ts";

/**
 * What a cost is in another currency. Only US dollars and yuan have a rate; any other currency, such as the blank one
 * of a price without any, counts as it is: an amount that cannot be converted had better count too much or too little
 * than not at all.
 *
 * @param cnyPerUsd what a US dollar costs in yuan
 */
export function convertCost(cost: number, from: string, to: string, cnyPerUsd: number): number {
  if (from === "USD" && to === "CNY") return cost * cnyPerUsd;
  if (from === "CNY" && to === "USD") return cost / cnyPerUsd;
  return cost;
}

/** A sum of costs, kept apart by currency, so that the currency of the answer may change later. */
export class CostSum {
  readonly #amounts = new Map<string, number>();

  /** Adds a cost; takes it away when it is negative. */
  add(cost: number, currency: string): void {
    if (cost !== 0) this.#amounts.set(currency, (this.#amounts.get(currency) ?? 0) + cost);
  }

  /** Nothing, as at the beginning: takes away also what rounding has left. */
  clear(): void {
    this.#amounts.clear();
  }

  /**
   * The sum in one currency.
   *
   * @param without costs that do not count; a currency of which more is to be left out than there is counts 0
   */
  in(currency: string, cnyPerUsd: number, without: Costs | null = null): number {
    let sum = 0;
    for (const [own, amount] of this.#amounts) {
      // The name of a currency is a text from a row: it must not find what every object has.
      const omitted = without !== null && Object.hasOwn(without, own) ? without[own] ?? 0 : 0;
      sum += convertCost(Math.max(0, amount - omitted), own, currency, cnyPerUsd);
    }
    return sum;
  }
}
