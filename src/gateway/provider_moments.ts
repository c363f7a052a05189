/** Where each provider stands at a moment, for metrics. @module */
import type { ProviderMoment } from "../accounting/metrics.ts";
import { breakerPhase } from "../failover/breaker.ts";
import type { Route } from "../failover/candidates.ts";
import { keyStatus } from "../failover/key_pool.ts";
import type { LiveState } from "./live_state.ts";
import type { RoutingTable } from "./routing_table.ts";

/** The given providers, those that serve no model included. */
export function providerMoments(
  providerIds: Iterable<number>,
  table: RoutingTable,
  live: LiveState,
  now: number,
): ProviderMoment[] {
  const routes = Map.groupBy(table.models.flatMap((model) => model.routes), (route) => route.providerId);
  return Array.from(providerIds, (id) => momentOf(id, routes.get(id) ?? [], live, now));
}

function momentOf(
  providerId: number,
  routes: readonly Route[],
  live: LiveState,
  now: number,
): ProviderMoment {
  const states = routes.map(({ associationId }) => live.association(associationId));
  const keys = new Set(routes.flatMap((route) => route.keys.map(({ id }) => id)));
  const statuses = Array.from(keys, (id) => keyStatus(live.key(id), now));
  return {
    providerId,
    // Nothing speaks against one that nobody has observed.
    healthy: live.health(providerId)?.isHealthy ?? true,
    coolingAssociations: count(states, (state) => (state?.cooldown?.until ?? 0) > now),
    openBreakers: count(
      states,
      (state) => state !== undefined && breakerPhase(state.breaker, now) !== "closed",
    ),
    coolingKeys: count(statuses, (status) => status === "cooling"),
    badKeys: count(statuses, (status) => status === "bad"),
  };
}

function count<Item>(items: readonly Item[], is: (item: Item) => boolean): number {
  return items.filter(is).length;
}
