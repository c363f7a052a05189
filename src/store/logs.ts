/** The request log: one row for each attempt that counts (table `chat_logs`). @module */
import type { KeyUse } from "./auth_keys.ts";

/** The bodies of one attempt. */
export interface RecordedIo {
  /** The request's body. */
  readonly input: string;
  /** The answer's body; `""` for a stream. */
  readonly text: string;
  /** A stream's events, each without its `data: `; `null` for a whole answer. */
  readonly events: readonly string[] | null;
}

/** What one transaction writes. */
export interface LogBatch {
  readonly inserts: readonly LogInsert[];
  readonly updates: readonly LogUpdate[];
  /** Uses of keys beside those that the inserted rows show. */
  readonly keyUses?: readonly KeyUse[];
}

/** What is known of an attempt when its row is first written. */
export interface LogInsert extends LogOutcome {
  /** When the attempt's request arrived, epoch milliseconds. */
  startedAtMs: number;
  /** The model that the client asked for. */
  name: string;
  traceId: string;
  providerId: number | null;
  providerName: string;
  providerModel: string;
  /** Protocol of the request. */
  style: string;
  userAgent: string;
  remoteIp: string;
  /** 0 = admin token or no authentication. */
  authKeyId: number;
  sessionId: string;
  /** Whether the bodies of this request are recorded. */
  chatIo: boolean;
  /** Attempt index within its request, from 0. */
  retry: number;
  /** From arrival to the choice of this attempt, nanoseconds. */
  proxyTimeNs: number;
  inputPrice: number;
  cacheReadPrice: number;
  outputPrice: number;
  currency: string;
  /** Its bodies, once it has ended, if they are recorded. */
  io?: RecordedIo;
}

/** What is known of an attempt when it has ended. */
export interface LogOutcome {
  status: "running" | "success" | "error";
  /** `completed`, `incomplete`, `client_gone` or a failure class; `""` while running. */
  outcome: string;
  /** HTTP status of the provider's answer; 0 = none. */
  statusCode: number;
  error: string;
  /** From arrival to the first byte of the answer, nanoseconds. */
  firstChunkTimeNs: number;
  /** From the first byte to the end of the answer, nanoseconds. */
  chunkTimeNs: number;
  /** Completion tokens a second over the whole time. */
  tps: number;
  /** Bytes of the answer. */
  size: number;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedTokens: number;
  /** Cache writes, a part of the prompt. */
  cacheWriteTokens: number;
  /** A part of the completion. */
  reasoningTokens: number;
  audioTokens: number;
  /** What the attempt cost, in the row's currency. */
  cost: number;
  /** Where the price comes from: the association, the built-in list, or nowhere. */
  costSource: "association" | "list" | "";
  /** Where the token figures come from. */
  usageSource: "measured" | "estimated" | "unknown";
}

/** The end of an attempt whose row was written while it ran. */
export interface LogUpdate extends LogInsert {
  id: number;
}

/** A row as read back. */
export interface LogRow
  extends Omit<LogInsert, "startedAtMs" | "status" | "usageSource" | "costSource" | "io"> {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  status: string;
  /** `""` in rows of older programs. */
  usageSource: string;
  costSource: string;
  /** `admin` for key id 0, the key's name, or `""` when the key is gone. */
  keyName: string;
}

/** Which rows to list: exact matches, combined with AND; a missing field does not filter. */
export interface LogFilter {
  id?: number;
  providerName?: string;
  name?: string;
  status?: string;
  style?: string;
  providerModel?: string;
  authKeyId?: number;
  traceId?: string;
  sessionId?: string;
  outcome?: string;
  /** Only rows of requests that started at this time or later, epoch milliseconds. */
  fromMs?: number;
  /** Only rows of requests that started before this time, epoch milliseconds. */
  toMs?: number;
  /** Only rows with smaller ids: where an earlier page or slice has ended. */
  beforeId?: number;
  /** Only rows with this id or a larger one. */
  sinceId?: number;
}

/** The smallest and the largest id of some rows. */
export interface LogSpan {
  firstId: number;
  lastId: number;
}

/** What ended attempts of one model at one provider have in common. */
export interface TrafficRow {
  model: string;
  /** 0 = none was chosen, or the row is of an older program. */
  providerId: number;
  /** As it was called then. */
  providerName: string;
  /** Requests of clients, each counted with its first attempt. */
  requests: number;
  attempts: number;
  successes: number;
  totalTokens: number;
  /** Response times of the successes, summed, milliseconds. */
  responseMs: number;
  /** Attempts by how they ended: an outcome, or the status in rows of older programs. */
  outcomes: Record<string, number>;
}
