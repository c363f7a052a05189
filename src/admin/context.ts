/** What the admin API is built on. @module */
import type { Context } from "@hono/hono";
import type { AdminToken } from "../access/admin_token.ts";
import type { UpstreamPolicy } from "../access/upstream_policy.ts";
import type { AdminTokens } from "../access/admin_tokens.ts";
import type { LogCleaner } from "../accounting/cleanup.ts";
import type { Gateway } from "../gateway/client_request.ts";
import type { HealthService } from "../health/service.ts";
import type { Provider } from "../store/providers.ts";
import type { Store } from "../store/store.ts";
import type { TestTools } from "./test_call.ts";
import type { Writes } from "./writes.ts";

/** What the server hands to the admin API. */
export interface AdminDependencies {
  readonly store: Store;
  /** The check of the admin token; `null` = none is set, then only this machine may call. */
  readonly token: AdminToken | null;
  /** The named tokens beside it. */
  readonly adminTokens: AdminTokens;
  /** The address that a request comes from, for the audit log. @default that of the connection */
  addressOf?(c: Context): string;
  /** Called after each write that changes routing and awaited before it is answered, so the next request sees it. */
  onRoutingChange(): Promise<void>;
  /**
   * Asks a provider, stored or not, for its models. A rejection's message is shown to the operator.
   *
   * @param limitMs longest wait for the whole list, milliseconds
   */
  listModels(provider: Provider, limitMs?: number): Promise<readonly UpstreamModel[]>;
  /** The running gateway: what it routes by and what it knows. */
  readonly gateway: Pick<Gateway, "live" | "table" | "trialUnhealthy">;
  /** What test calls to providers are made with. */
  readonly calls: TestTools;
  readonly health: HealthService;
  /** Where providers may be. */
  readonly upstreamPolicy: UpstreamPolicy;
  /** Removes old rows of the request log. */
  readonly cleaner: LogCleaner;
  /** The clock, epoch milliseconds, for what reports on a span of time. */
  now(): number;
  /** IANA name of the zone in which days begin. */
  readonly timeZone: string;
  /** What a US dollar costs in CNY, for budgets. @default {7.2} */
  readonly cnyPerUsd: number;
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
