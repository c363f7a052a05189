/**
 * What an attempt costs: by the association's prices, else by a built-in list of vendors' prices.
 *
 * The list is `@pydantic/genai-prices` (https://github.com/pydantic/genai-prices), as of that package's version;
 * nothing is fetched. It knows prices that change with the size of a prompt, so it is asked anew for each attempt
 * where they do.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { PriceCalculationResult } from "@pydantic/genai-prices";
import type { RecordedUsage } from "./usage.ts";

/** What prices depend on. */
export interface Priced {
  readonly upstream: { readonly baseUrl: string };
  readonly providerModel: string;
  /** The association's prices per million tokens; all 0 = it has none. */
  readonly inputPrice: number;
  readonly cacheReadPrice: number;
  readonly outputPrice: number;
  /** `CNY`, `USD` or `""`. */
  readonly currency: string;
}

/** How attempts at one target are priced. */
export interface PriceRule {
  /** Where the prices come from; `""` = there are none. */
  readonly source: "association" | "list" | "";
  readonly currency: string;
  /** The cost of one attempt, in `currency`. */
  cost(usage: PricedUsage): number;
}

/** The tokens that cost something. */
export type PricedUsage =
  & Pick<RecordedUsage, "promptTokens" | "completionTokens" | "cachedTokens">
  & Partial<Pick<RecordedUsage, "cacheWriteTokens">>;

/** The release of the list, for people: prices change after it. */
export const PRICE_LIST = "@pydantic/genai-prices 0.1.8 (2026-09-23)";

type List = typeof import("@pydantic/genai-prices");
const MILLION = 1_000_000;

/** Knows the price rule of each target. */
export class Pricing {
  readonly #rules = new WeakMap<Priced, PriceRule>();
  #list: List | null = null;

  /** Loads the built-in list; until then only associations have prices. It takes some 50 ms, so not at the start. */
  async load(): Promise<void> {
    try {
      this.#list = await import("@pydantic/genai-prices");
    } catch (error) {
      getLogger(["llmio", "pricing"]).warn("The built-in price list cannot be loaded: {error}", { error });
    }
  }

  /** How attempts at this target are priced. */
  ruleOf(target: Priced): PriceRule {
    const known = this.#rules.get(target);
    if (known !== undefined) return known;
    const rule = this.#makeRule(target);
    // Before the list is there, "no price" is no lasting answer.
    if (this.#list !== null || rule.source !== "") this.#rules.set(target, rule);
    return rule;
  }

  #makeRule(target: Priced): PriceRule {
    if (target.inputPrice > 0 || target.outputPrice > 0) return associationRule(target);
    const list = this.#list;
    if (list === null || isLocal(target.upstream.baseUrl)) return noPrice(target.currency);
    const ask = (usage: PricedUsage) => listPrice(list, target, usage);
    if (ask({ promptTokens: 1, completionTokens: 1, cachedTokens: 0 }) === null) {
      return noPrice(target.currency);
    }
    return { source: "list", currency: "USD", cost: (usage) => ask(usage)?.total_price ?? 0 };
  }
}

function noPrice(currency: string): PriceRule {
  return { source: "", currency, cost: () => 0 };
}

/** llmio's formula: what came from a cache has a price of its own. */
function associationRule(target: Priced): PriceRule {
  const { inputPrice, cacheReadPrice, outputPrice, currency } = target;
  return {
    source: "association",
    currency,
    cost: ({ promptTokens, completionTokens, cachedTokens }) => {
      const fresh = Math.max(0, promptTokens - cachedTokens);
      return (fresh * inputPrice + cachedTokens * cacheReadPrice + completionTokens * outputPrice) / MILLION;
    },
  };
}

/** The vendor is known by its address; behind any other, a model is priced as its own vendor prices it. */
function listPrice(list: List, target: Priced, usage: PricedUsage): PriceCalculationResult {
  const tokens = {
    input_tokens: usage.promptTokens,
    output_tokens: usage.completionTokens,
    cache_read_tokens: usage.cachedTokens,
    cache_write_tokens: usage.cacheWriteTokens ?? 0,
  };
  const model = target.providerModel.replace(/^models\//, "");
  try {
    return list.calcPrice(tokens, model, { providerApiUrl: target.upstream.baseUrl }) ??
      list.calcPrice(tokens, model);
  } catch {
    // Figures that contradict each other, such as more cached tokens than input.
    return null;
  }
}

/** A model on this machine or network costs nothing that a list could know. */
function isLocal(baseUrl: string): boolean {
  const host = URL.parse(baseUrl)?.hostname ?? "";
  return host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local") ||
    !host.includes(".") ||
    /^(127|10)\.|^192\.168\.|^172\.(1[6-9]|2\d|3[01])\.|^\[/.test(host);
}
