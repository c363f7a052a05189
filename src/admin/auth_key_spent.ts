/** What the auth keys have spent, as their budgets count it. @module */
import { CostSum } from "../access/budget_costs.ts";
import { Days } from "../accounting/days.ts";
import type { AuthKey, BudgetBaseline, Costs, KeySpending } from "../store/auth_keys.ts";
import type { AdminContext } from "./context.ts";
import { withoutNoise } from "./usage_row.ts";

/** What counts against the budgets of a key, in the budgets' currency. */
export interface Spent {
  readonly day: number;
  readonly month: number;
  readonly total: number;
}

/** Asks the store what keys have spent. */
export class SpentBook {
  readonly #days: Days;

  constructor(private readonly context: Pick<AdminContext, "store" | "now" | "timeZone" | "cnyPerUsd">) {
    this.#days = new Days(context.timeZone);
  }

  /** Reads the figures of one key, or of all; answers what any of these keys has spent. */
  async read(authKeyId?: number): Promise<(key: AuthKey) => Spent> {
    const today = this.#today();
    const spending = Map.groupBy(
      await this.context.store.authKeys.spending(today, authKeyId),
      (each) => each.authKeyId,
    );
    const { cnyPerUsd } = this.context;
    return (key) => spentOf(key, spending.get(key.id) ?? [], { today, cnyPerUsd });
  }

  /** All that a key has spent until now, so that it no longer counts. */
  async baseline(authKeyId: number): Promise<BudgetBaseline> {
    const date = this.#today();
    const spending = await this.context.store.authKeys.spending(date, authKeyId);
    const costs = (span: keyof Spent): Costs =>
      Object.fromEntries(
        spending.filter((each) => each[span] !== 0).map((each) => [each.currency, each[span]]),
      );
    return { date, day: costs("day"), month: costs("month"), total: costs("total") };
  }

  #today(): string {
    return this.#days.dayOf(this.context.now());
  }
}

/** The same reckoning as that of the budgets themselves (`access/budget.ts`). */
function spentOf(
  { budgetBaseline: baseline, budgetCurrency }: AuthKey,
  spending: readonly KeySpending[],
  { today, cnyPerUsd }: { readonly today: string; readonly cnyPerUsd: number },
): Spent {
  const sum = (span: keyof Spent, without: Costs | null) => {
    const costs = new CostSum();
    for (const each of spending) costs.add(each[span], each.currency);
    return withoutNoise(costs.in(budgetCurrency, cnyPerUsd, without));
  };
  return {
    day: sum("day", baseline?.date === today ? baseline.day : null),
    month: sum("month", baseline?.date.slice(0, 7) === today.slice(0, 7) ? baseline.month : null),
    total: sum("total", baseline?.total ?? null),
  };
}
