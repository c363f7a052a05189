/** What a key spends in one day, one month or in all. @module */
import type { Costs } from "../store/auth_keys.ts";
import { CostSum } from "./budget_costs.ts";

/** Costs of one stretch of time: those that have come about, and those set aside for requests under way. */
export class BudgetPeriod {
  /** `2026-05-20`, `2026-05`, or `""` for all time. */
  label: string;
  readonly #spent = new CostSum();
  readonly #reserved = new CostSum();
  #holders = 0;

  constructor(label: string) {
    this.label = label;
  }

  spend(cost: number, currency: string): void {
    this.#spent.add(cost, currency);
  }

  reserve(cost: number, currency: string): void {
    this.#holders++;
    this.#reserved.add(cost, currency);
  }

  /** Gives back what `reserve` set aside. */
  giveBack(cost: number, currency: string): void {
    this.#holders--;
    // Fractions do not always take away to nothing, and these sums live for months.
    if (this.#holders === 0) this.#reserved.clear();
    else this.#reserved.add(-cost, currency);
  }

  /** What has been spent, in one currency. */
  spent(currency: string, cnyPerUsd: number, without: Costs | null): number {
    return this.#spent.in(currency, cnyPerUsd, without);
  }

  /** What is set aside, in one currency. */
  reserved(currency: string, cnyPerUsd: number): number {
    return this.#reserved.in(currency, cnyPerUsd);
  }
}
