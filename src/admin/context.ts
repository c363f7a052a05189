/** What the admin API is built on. @module */
import type { AdminToken } from "../access/admin_token.ts";
import type { LogCleaner } from "../accounting/cleanup.ts";
import type { Gateway } from "../gateway/dispatch.ts";
import type { HealthService } from "../health/service.ts";
import type { Provider } from "../store/providers.ts";
import type { Store } from "../store/store.ts";
import type { Writes } from "./writes.ts";

/** What the server hands to the admin API. */
export interface AdminDependencies {
  readonly store: Store;
  /** The check of the admin token; `null` = none is set, then only this machine may call. */
  readonly token: AdminToken | null;
  /** Called after each write that changes routing and awaited before it is answered, so the next request sees it. */
  onRoutingChange(): Promise<void>;
  /** Asks a provider for its models. A rejection's message is shown to the operator. */
  listModels(provider: Provider): Promise<readonly UpstreamModel[]>;
  /** The running gateway: what it routes by and what it knows. */
  readonly gateway: Pick<Gateway, "live" | "table" | "trialUnhealthy">;
  readonly health: HealthService;
  /** Removes old rows of the request log. */
  readonly cleaner: LogCleaner;
  /** The clock, epoch milliseconds, for what reports on a span of time. */
  now(): number;
  /** IANA name of the zone in which days begin. */
  readonly timeZone: string;
  /** What `GET /api/version` says; `dev` for a build without a version. */
  readonly version: string;
}

/** A model as a provider lists it. */
export interface UpstreamModel {
  readonly id: string;
  readonly object: string;
  /** Unix seconds; 0 = unknown. */
  readonly created: number;
  readonly owned_by: string;
}

/** What each resource's routes get. */
export interface AdminContext extends AdminDependencies {
  readonly writes: Writes;
}
