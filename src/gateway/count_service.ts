/** The service that counts tokens for models whose own providers cannot (setting `anthropic_count_tokens`). @module */
import { endpoint } from "../protocols/base_url.ts";
import { anthropicCountTokens } from "../protocols/anthropic/messages.ts";
import type { ClientCall, Upstream } from "../protocols/protocol.ts";
import { keysOn, parseProviderConfig } from "../protocols/provider_config.ts";
import { VENDORS } from "../protocols/vendors.ts";
import type { AttemptTools } from "./attempt.ts";
import { CallTimer } from "./call_timer.ts";
import type { JsonBody } from "./client_body.ts";
import { judgeAnswer, readAnswer } from "./whole_answer.ts";

/** Where the service is and how it is called. */
export interface CountService {
  readonly upstream: Upstream;
  /** `""` = calls carry no credential. */
  readonly secret: string;
}

/** Longest wait for the service, milliseconds: an estimate now is worth more than a count later. */
const WAIT_MS = 10_000;

/** Reads the setting. `null` = there is none, or none that can be used. */
export function countServiceOf(config: string): CountService | null {
  const parsed = parseProviderConfig("anthropic", config);
  if (!parsed.ok) return null;
  const { baseUrl, version, beta } = parsed.config;
  const keys = keysOn(parsed.config);
  return keys === null ? null : { upstream: { baseUrl, version, beta }, secret: keys[0]?.secret ?? "" };
}

/** A count that somebody has answered. */
export interface Counted {
  readonly response: Response;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What a request for a count consists of. */
export interface CountRequest {
  readonly call: ClientCall;
  readonly body: JsonBody;
  readonly headers: Headers;
}

/**
 * Asks the service, with the client's body as it is: the service knows the vendor's models by the vendor's names.
 * Of the client's headers only those that the body's meaning depends on go along.
 *
 * @returns `null` when it gives no count, for whatever reason
 */
export async function askService(
  service: CountService,
  { call, body, headers }: CountRequest,
  tools: Pick<AttemptTools, "upstreams" | "deadlines"> & { readonly userAgent: string },
  abort: AbortController,
): Promise<Counted | null> {
  const passed: Record<string, string> = {};
  for (const name of ["anthropic-version", "anthropic-beta"]) {
    const value = headers.get(name);
    if (value !== null) passed[name] = value;
  }
  const timer = new CallTimer(tools.deadlines, abort);
  timer.arm("headers", Date.now() + WAIT_MS);
  try {
    const response = await tools.upstreams.send({
      url: endpoint(service.upstream.baseUrl, anthropicCountTokens.path(call, "")),
      method: "POST",
      headers: {
        accept: "application/json",
        "accept-language": "",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": tools.userAgent,
        ...VENDORS.anthropic.headers(service.upstream, service.secret, passed),
      },
      body: new Uint8Array(body.bytes),
      proxy: "",
    }, abort.signal);
    const answer = await readAnswer(response);
    if (!response.ok) return null;
    const judged = judgeAnswer(
      answer,
      response.headers.get("content-type") ?? "",
      anthropicCountTokens,
      [],
    );
    return judged.good ? { response, body: answer } : null;
  } catch {
    return null;
  } finally {
    timer.clear();
  }
}
