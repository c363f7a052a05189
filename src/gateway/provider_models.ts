/** Asks a provider which models it has, for the operator. @module */
import { endpoint } from "../protocols/base_url.ts";
import { type ListedModel, MODEL_LISTINGS } from "../protocols/model_listing.ts";
import { ALL_KEYS_OFF, isProviderType, keysOn, parseProviderConfig } from "../protocols/provider_config.ts";
import type { Provider } from "../store/providers.ts";
import type { AttemptTools } from "./attempt.ts";
import { CallTimer } from "./call_timer.ts";
import { outcomeOfThrown } from "./upstream.ts";
import { readAnswer } from "./whole_answer.ts";

/** Longest wait for one page, milliseconds. */
const PAGE_WAIT_MS = 30_000;
/** A list that never ends is a mistake of the provider's. */
const MAX_PAGES = 50;

/**
 * The provider's models, all pages of them.
 *
 * @param limitMs longest wait for the whole list, milliseconds
 * @throws {Error} with a message for the operator; it never holds the key or the answer's body
 */
export async function listProviderModels(
  provider: Provider,
  tools: Pick<AttemptTools, "upstreams" | "deadlines">,
  limitMs = Infinity,
): Promise<ListedModel[]> {
  const parsed = parseProviderConfig(provider.type, provider.config);
  if (!parsed.ok) throw new Error(parsed.reason);
  if (!isProviderType(provider.type)) throw new Error(`unknown provider type ${provider.type}`);
  const listing = MODEL_LISTINGS[provider.type];
  const { baseUrl, version, beta } = parsed.config;
  const keys = keysOn(parsed.config);
  if (keys === null) throw new Error(ALL_KEYS_OFF);
  const secret = keys[0]?.secret ?? "";
  const models: ListedModel[] = [];
  const endAt = Date.now() + limitMs;
  let path: string | null = listing.path;
  for (let page = 0; path !== null && page < MAX_PAGES; page++) {
    const headers = {
      ...Object.fromEntries(listing.headers({ baseUrl, version, beta }, secret)),
      "accept-encoding": "identity",
    };
    const call = {
      url: endpoint(baseUrl, path),
      method: "GET",
      headers,
      body: null,
      proxy: provider.proxy.trim(),
    } as const;
    const read = listing.readPage(await fetchJson(call, tools, endAt));
    models.push(...read.models);
    path = read.next;
  }
  return models;
}

async function fetchJson(
  call: Parameters<AttemptTools["upstreams"]["send"]>[0],
  { upstreams, deadlines }: Pick<AttemptTools, "upstreams" | "deadlines">,
  endAt: number,
): Promise<unknown> {
  const waitMs = Math.max(0, Math.min(PAGE_WAIT_MS, endAt - Date.now()));
  const abort = new AbortController();
  const timer = new CallTimer(deadlines, abort);
  timer.arm("headers", Date.now() + waitMs);
  try {
    const response = await upstreams.send(call, abort.signal);
    const body = await readAnswer(response);
    if (!response.ok) throw new Error(`status code: ${response.status}`);
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    const outcome = outcomeOfThrown(error, abort.signal);
    if (outcome.type === "timeout") throw new Error(`no answer within ${Math.ceil(waitMs / 1000)} s`);
    if (error instanceof SyntaxError) throw new Error("the answer is not JSON");
    throw outcome.type === "network" ? new Error(outcome.detail) : error;
  } finally {
    timer.clear();
  }
}
