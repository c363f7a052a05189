/** Which calls the store has and which worker runs each. @module */
import type { Store } from "./store.ts";

/** The calls by group: those of the store that belong to a table group, and the rest as `whole`. */
export type Groups = Omit<Store, "routing" | "apply" | "ping" | "close"> & {
  whole: Pick<Store, "routing" | "apply" | "ping">;
};

/**
 * How a call runs. `write`: on the writing worker, in a write transaction. `read`: on the reading one, which answers at
 * once, since requests of clients can wait for it. `report`: on one of its own, for what may look at many rows, so that
 * it delays neither. `maintain`: on the writing worker without a transaction, in which SQLite would refuse it.
 */
export type Access = "read" | "report" | "write" | "maintain";

/** How each call runs. */
export const ACCESS = {
  providers: {
    list: "read",
    get: "read",
    create: "write",
    update: "write",
    setEnabled: "write",
    remove: "write",
  },
  models: {
    list: "read",
    page: "read",
    get: "read",
    create: "write",
    update: "write",
    reorder: "write",
    remove: "write",
  },
  associations: {
    ofModel: "read",
    get: "read",
    create: "write",
    update: "write",
    setEnabled: "write",
    remove: "write",
  },
  logs: {
    page: "report",
    slice: "report",
    span: "report",
    traffic: "report",
    userAgents: "report",
    write: "write",
    latestOutcomes: "read",
    closeAbandoned: "write",
  },
  chatIo: { ofLog: "read" },
  usage: { report: "report", callsByModel: "report", callsByKey: "report" },
  logCleanup: {
    newestId: "read",
    oldestOfNewest: "read",
    remove: "write",
    record: "write",
    history: "read",
    trimHistory: "write",
    freePages: "read",
    giveBack: "write",
    checkpoint: "maintain",
    shrinkLog: "maintain",
  },
  liveState: { load: "read", save: "write" },
  health: {
    states: "read",
    save: "write",
    forget: "write",
    config: "read",
    setConfig: "write",
    checks: "read",
    pruneChecks: "write",
  },
  configs: { list: "read", get: "read", set: "write" },
  encryption: { get: "read", plainTexts: "read", setProbe: "write" },
  responseOwners: { find: "read", save: "write", prune: "write" },
  authKeys: {
    page: "read",
    list: "read",
    get: "read",
    create: "write",
    update: "write",
    rotate: "write",
    rehash: "write",
    resetBudget: "write",
    remove: "write",
    spending: "read",
    recentUse: "read",
  },
  adminTokens: {
    list: "read",
    get: "read",
    create: "write",
    update: "write",
    used: "write",
    remove: "write",
  },
  audit: { add: "write", page: "report", prune: "write" },
  whole: { routing: "read", apply: "write", ping: "read" },
} as const satisfies {
  [Group in keyof Groups]: { [Method in keyof Groups[Group]]: Access };
};
