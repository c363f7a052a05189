/** What requests work with: what they share, and what each of them is. @module */
import type { HealthObservation } from "../health/state.ts";
import type { ClientCall, Inspection, Operation } from "../protocols/protocol.ts";
import type { ActiveRequests } from "./active_requests.ts";
import type { AttemptTools } from "./attempt.ts";
import type { ClientBody } from "./client_body.ts";
import type { LiveState } from "./live_state.ts";
import type { Caller, LogTools } from "./request_log.ts";
import type { ResponseOwners, Tie } from "./response_owners.ts";
import type { RoutingTable } from "./routing_table.ts";
import type { UpstreamCall } from "./upstream.ts";

/** What all requests share. */
export interface Gateway extends AttemptTools, LogTools {
  /** The routing table in force. */
  table(): RoutingTable;
  readonly live: LiveState;
  readonly active: ActiveRequests;
  readonly owners: ResponseOwners;
  /** Longest silence of a stream, milliseconds. */
  readonly streamIdleMs: number;
  /** A client that takes nothing of its answer for so long is given up, milliseconds. */
  readonly clientIdleMs: number;
  /** A stream without output for this long is opened with a comment, milliseconds; 0 = never. */
  readonly openAfterMs: number;
  /** What a US dollar costs in CNY, for budgets. */
  readonly cnyPerUsd: number;
  /** Of each recorded body, how much is kept, bytes. */
  readonly ioLimitBytes: number;
  /** Answers carry `x-llmio-…` headers. */
  readonly operatorHeaders: boolean;
  /** `user-agent` of the gateway's own. */
  readonly userAgent: string;
  /** Numbers in [0, 1). */
  random(): number;
  /** Traffic has shown something about a provider's health. */
  observe(providerId: number, observation: HealthObservation): void;
  /** Nobody probes, so an unhealthy provider whose time has come is tried by traffic. */
  trialUnhealthy(): boolean;
}

/** One admitted request. */
export interface ClientRequest {
  readonly operation: Operation;
  readonly method: UpstreamCall["method"];
  readonly call: ClientCall;
  readonly inspection: Inspection;
  readonly body: ClientBody;
  readonly headers: Headers;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  readonly caller: Caller;
  /** `performance.now()` of the arrival. */
  readonly arrivedAt: number;
  /** What keeps it with one provider. */
  readonly tie?: Tie | null;
}
