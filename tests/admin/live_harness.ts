/** The admin API over a gateway's state that a test sets by hand. @module */
import type { Pick } from "../../src/failover/decide.ts";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import { liveScope } from "../../src/gateway/live_scope.ts";
import { LiveState } from "../../src/gateway/live_state.ts";
import { buildRoutingTable, type RoutingTable } from "../../src/gateway/routing_table.ts";
import { StateKeeper } from "../../src/gateway/state_keeper.ts";
import { openStore } from "../../src/store/open.ts";
import { type Admin, startAdmin } from "./harness.ts";

/** The moment at which everything happens. */
export const NOW = Date.UTC(2026, 4, 20, 12);

/** An admin API with what it shows of the gateway. */
export interface LiveAdmin extends Admin {
  readonly live: LiveState;
  readonly table: () => RoutingTable;
  /** An attempt with the n-th key (from 0) of an association, that ends in a failure or well (`null`). */
  attempt(associationId: number, key: number, failure: FailureClass | null, detail?: string): void;
}

/** Starts one; the clock stands still at {@linkcode NOW} unless `now` says otherwise. */
export async function startLive(now: () => number = () => NOW): Promise<LiveAdmin> {
  const live = new LiveState();
  const store = await openStore({ path: ":memory:", timeZone: "UTC" });
  const keeper = new StateKeeper(live, store.liveState, { today: () => "2026-05-20" });
  let table = buildRoutingTable({ providers: [], models: [], associations: [] });
  const admin = await startAdmin({
    store,
    now,
    gateway: { live, table: () => table, trialUnhealthy: () => true },
    onRoutingChange: async () => {
      const rows = await store.routing();
      table = buildRoutingTable(rows);
      keeper.keepWithin(liveScope(rows));
    },
  });
  return {
    ...admin,
    live,
    table: () => table,
    attempt(associationId, keyIndex, failure, detail = "no") {
      const route = table.models.flatMap(({ routes }) => routes).find((each) =>
        each.associationId === associationId
      );
      const key = route?.keys[keyIndex];
      if (route === undefined || key === undefined) throw new Error("there is no such route or key");
      const pick: Pick = { route, key, tier: "ready", trial: false };
      const verdict = failure === null ? null : { class: failure, reason: "r", retryAfterMs: null, detail };
      live.ended(live.started(pick, now()), verdict, {}, now());
    },
  };
}
