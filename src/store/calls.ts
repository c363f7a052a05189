/** Which calls the store has and which worker runs each. @module */
import type { Store } from "./store.ts";

/** The calls by group: those of the store that belong to a table group, and the rest as `whole`. */
export type Groups = Omit<Store, "routing" | "ping" | "close"> & {
  whole: Pick<Store, "routing" | "ping">;
};

/**
 * Which calls write. Those run on the writing worker in a write transaction, the others on the reading one, so
 * that a long report delays no write.
 */
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
  logs: { page: "read", write: "write", latestOutcomes: "read", closeAbandoned: "write" },
  liveState: { load: "read", save: "write" },
  health: {
    states: "read",
    save: "write",
    forget: "write",
    config: "read",
    setConfig: "write",
    checks: "read",
    pruneChecks: "write",
    outcomes: "read",
  },
  whole: { routing: "read", ping: "read" },
} as const satisfies {
  [Group in keyof Groups]: { [Method in keyof Groups[Group]]: "read" | "write" };
};
